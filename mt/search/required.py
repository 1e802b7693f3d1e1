"""Lexical constraints: phrases that a translation must contain, and a beam that makes room for them.

As in dynamic beam allocation (Post and Vilar, 2018), the beam is shared among hypotheses by how many tokens they still
lack, so that one that has taken a phrase in is not driven out by others that put it off. Whether a phrase is there is
seen in the text, whichever its pieces, and whole words count where the language has spaces: "Hund" is not in "Hunde".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from mt.search.live import largest
from mt.search.rules import NEVER, UNWANTED

MOST_WAYS = 16
"""to go on with a hypothesis that are looked at, where that makes enough"""


@dataclass(frozen=True)
class Phrase:
    """Something to be written."""

    text: bytes
    first: Sequence[int]
    """its tokens at the beginning of a translation"""
    later: Sequence[int]
    """its tokens anywhere else"""

    def tokens(self, place: int) -> Sequence[int]:
        """Its tokens where it begins as the token number `place`."""
        return self.later if place else self.first


@dataclass(frozen=True)
class Lack:
    """What a hypothesis still has to write."""

    n_tokens: int
    """the least that completes it"""
    next_tokens: frozenset[int]
    """those that begin a phrase, or go on with one that was begun"""


@dataclass(frozen=True)
class Required:
    """What the translation of one sentence must contain: a phrase of each group of alternatives."""

    groups: Sequence[Sequence[Phrase]]
    pieces: Sequence[bytes]
    """what each token writes"""
    spaced: bool
    """whether the language has spaces between its words"""
    known: dict[tuple[int, ...], Lack] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def n_tokens(self) -> int:
        """What all takes, at least."""
        return sum(map(size, self.groups))

    def lack(self, tokens: Sequence[int]) -> Lack:
        """What is to come behind `tokens`."""
        key = tuple(tokens)
        if key not in self.known:
            self.known[key] = self.find_lack(key)
        return self.known[key]

    def find_lack(self, tokens: tuple[int, ...]) -> Lack:
        """`lack`, found anew. Only one phrase is begun at a time: two that begin alike are not both half done."""
        text = b"".join(self.pieces[token] for token in tokens)
        missing = [group for group in self.groups if not any(self.is_in(text, phrase.text) for phrase in group)]
        all_of_it = sum(map(size, missing))
        least, next_tokens = all_of_it, set()
        for group in missing:
            for phrase in group:
                for n_begun in range(min(len(phrase.later) - 1, len(tokens)) + 1):
                    form = phrase.tokens(len(tokens) - n_begun)
                    if n_begun < len(form) and tokens[len(tokens) - n_begun :] == tuple(form[:n_begun]):
                        next_tokens.add(form[n_begun])
                        if n_begun:
                            least = min(least, all_of_it - size(group) + len(form) - n_begun)
        return Lack(least, frozenset(next_tokens))

    def is_in(self, text: bytes, phrase: bytes) -> bool:
        """Whether `phrase` stands in `text`, and not as a part of longer words."""
        start = -1
        while (start := text.find(phrase, start + 1)) >= 0:
            if not self.is_inside(text[:start], phrase) and not self.is_inside(phrase, text[start + len(phrase) :]):
                return True
        return False

    def is_inside(self, left: bytes, right: bytes) -> bool:
        """Whether a word goes on from `left` to `right`."""
        if not self.spaced:
            return False
        before, after = left[-4:].decode(errors="ignore")[-1:], right[:4].decode(errors="ignore")[:1]
        return before.isalnum() and after.isalnum()

    def arrange(self, hypotheses: list[list[int]], sums: Tensor, count: int) -> list[tuple[int, int]]:
        """Ways to go on: the best for each number of missing tokens before the second best for any.

        Args:
            hypotheses: their tokens.
            sums: what each way is worth, (N, V).
            count: ways wanted.

        Returns:
            Numbers of hypotheses and their next tokens.
        """
        best = largest(sums, min(sums.size(1), max(MOST_WAYS, count // len(sums) + 1)))[1].tolist()
        ways = sorted(
            (number, token)
            for number, tokens in enumerate(hypotheses)
            for token in self.lack(tokens).next_tokens.union(best[number])
        )
        totals = sums[[number for number, _ in ways], [token for _, token in ways]].tolist()
        best_first = [way for _, way in sorted(zip((-total for total in totals), ways, strict=True))]
        n_possible = sum(total > NEVER for total in totals)
        ranks, seen = [], Counter[int]()
        for place, (number, token) in enumerate(best_first[:n_possible]):
            lack = self.lack([*hypotheses[number], token]).n_tokens
            ranks.append((seen[lack], lack, place))
            seen[lack] += 1
        return ([best_first[place] for *_, place in sorted(ranks)] + best_first[n_possible:])[:count]


def size(group: Sequence[Phrase]) -> int:
    """The tokens that the shortest of a group takes."""
    return min(max(len(phrase.first), len(phrase.later)) for phrase in group)


@dataclass(frozen=True)
class MustContain:
    """The rule that goes with it: nothing ends that lacks something, and what is lacking comes before the limit."""

    required: Sequence[Required | None]
    """one for each sentence of the batch"""
    max_lens: Sequence[int]
    """of their translations, with room for `Required.n_tokens`"""
    eos_id: int

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """As `Rule`."""
        for row, (sentence, hypotheses) in enumerate(zip(sentences, tokens.tolist(), strict=True)):
            required = self.required[sentence]
            if required is None:
                continue
            last_call = tokens.size(2) >= self.max_lens[sentence] - required.n_tokens
            for column, hypothesis in enumerate(hypotheses):
                lack = required.lack(hypothesis)
                if last_call:
                    now = list(helping(required, hypothesis, lack)) if lack.n_tokens else [self.eos_id]
                    kept = scores[row, column, now].clamp(min=UNWANTED)
                    scores[row, column] = NEVER
                    scores[row, column, now] = kept
                elif lack.n_tokens:
                    scores[row, column, self.eos_id] = NEVER


def helping(required: Required, tokens: list[int], lack: Lack) -> Iterator[int]:
    """Tokens after which less is lacking."""
    for token in lack.next_tokens:
        if required.lack([*tokens, token]).n_tokens < lack.n_tokens:
            yield token
