"""Lexical constraints: phrases that a translation must contain, and a beam that makes room for them.

As in dynamic beam allocation (Post and Vilar, 2018), the beam is shared among hypotheses by how many tokens they still
lack, so that one that has taken a phrase in is not driven out by others that put it off. Whether a phrase is there is
seen in the text, whichever its pieces, and whole words count where the language has spaces: "Hund" is not in "Hunde".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from mt.search.live import largest
from mt.search.rules import NEVER, UNWANTED
from mt.text.sentences import is_word_character

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

    @property
    def size(self) -> int:
        """Its tokens, wherever it stands."""
        return max(len(self.first), len(self.later))

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
    continuing: Sequence[int] = ()
    """tokens that go on with a word"""
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
        text = self.text(tokens)
        missing = [group for group in self.groups if not any(self.is_in(text, phrase.text) for phrase in group)]
        all_of_it = sum(map(size, missing))
        least, next_tokens = all_of_it, set()
        for group in missing:
            for phrase in group:
                for n_begun in range(min(phrase.size - 1, len(tokens)) + 1):
                    form = phrase.tokens(len(tokens) - n_begun)
                    if n_begun < len(form) and tokens[len(tokens) - n_begun :] == tuple(form[:n_begun]):
                        next_tokens.add(form[n_begun])
                        if n_begun:
                            least = min(least, all_of_it - size(group) + len(form) - n_begun)
        return Lack(least, frozenset(next_tokens))

    def ending(self, tokens: Sequence[int]) -> list[int]:
        """What to write behind `tokens` so that nothing is missing: the rest of what was begun, or all anew."""
        if not self.lack(tokens).n_tokens:
            return []
        anew: list[int] = []
        for group in self.groups:
            if not any(self.is_in(self.text([*tokens, *anew]), phrase.text) for phrase in group):
                anew += shortest(group).tokens(len(tokens) + len(anew))
        going_on = list(tokens)
        while self.lack(going_on).n_tokens:
            missing = self.lack(going_on).n_tokens
            better = [t for t in self.lack(going_on).next_tokens if self.lack([*going_on, t]).n_tokens < missing]
            if not better or len(going_on) - len(tokens) >= len(anew):
                return anew
            going_on.append(min(better))
        return going_on[len(tokens) :]

    def text(self, tokens: Sequence[int]) -> bytes:
        """What tokens write."""
        return b"".join(self.pieces[token] for token in tokens)

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
        return bool(before and after) and is_word_character(before) and is_word_character(after)

    def arrange(self, hypotheses: list[list[int]], sums: Tensor, count: int) -> list[tuple[int, int]]:
        """Ways to go on: the best for each number of missing tokens before the second best for any.

        Args:
            hypotheses: their tokens.
            sums: what each way is worth, (N, V).
            count: ways wanted.

        Returns:
            Numbers of hypotheses and their next tokens.
        """
        for tokens in [known for known in self.known if len(known) < len(hypotheses[0])]:
            del self.known[tokens]  # of earlier steps
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
    return shortest(group).size


def shortest(group: Sequence[Phrase]) -> Phrase:
    """The phrase of a group that takes the fewest tokens."""
    return min(group, key=lambda phrase: phrase.size)


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
            last_free = max(0, self.max_lens[sentence] - required.n_tokens)
            for column, hypothesis in enumerate(hypotheses):
                place = len(hypothesis) - last_free
                if place < 0:
                    if required.lack(hypothesis).n_tokens:
                        scores[row, column, self.eos_id] = NEVER
                elif forced := required.ending(hypothesis[:last_free]):
                    only(scores[row, column], [*forced, self.eos_id][min(place, len(forced))])
                else:  # so that no word that is there becomes another
                    scores[row, column, required.continuing] = NEVER


def only(scores: Tensor, token: int) -> None:
    """Let nothing else come, (V,)."""
    kept = scores[token].clamp(min=UNWANTED)
    scores[:] = NEVER
    scores[token] = kept
