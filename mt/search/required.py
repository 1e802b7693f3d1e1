"""Lexical constraints: phrases that a translation must contain, and a beam that makes room for them.

As in dynamic beam allocation (Post and Vilar, 2018), the beam is divided among hypotheses by the number of tokens they
still lack, so that one that contains a phrase is not displaced by others that postpone it. Phrases are found in the
text, however it is segmented. In languages with spaces only whole words count: "Hund" is not in "Hunde".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from mt.search.live import largest
from mt.search.rules import NEVER, UNWANTED
from mt.text.characters import is_word_character

MAX_EXTENSIONS = 16
"""extensions of each hypothesis that are considered, unless the beam needs more"""


@dataclass(frozen=True)
class Phrase:
    """A phrase that can be required."""

    text: bytes
    first: Sequence[int]
    """its tokens at the start of a translation"""
    later: Sequence[int]
    """its tokens anywhere else"""

    @property
    def size(self) -> int:
        """Number of tokens, wherever it occurs."""
        return max(len(self.first), len(self.later))

    def tokens(self, position: int) -> Sequence[int]:
        """Return its tokens if it starts at this position of the translation."""
        return self.later if position else self.first


@dataclass(frozen=True)
class Lack:
    """The tokens that a hypothesis still lacks."""

    n_tokens: int
    """fewest tokens that complete it"""
    next_tokens: frozenset[int]
    """tokens that start a phrase, or continue one that was begun"""


@dataclass(frozen=True)
class Required:
    """Constraints on the translation of one sentence: one phrase of each group of alternatives."""

    groups: Sequence[Sequence[Phrase]]
    pieces: Sequence[bytes]
    """text of each token"""
    spaced: bool
    """True if the language has spaces between words"""
    continuing: Sequence[int] = ()
    """tokens that continue a word"""
    cache: dict[tuple[int, ...], Lack] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def n_tokens(self) -> int:
        """Fewest tokens that contain everything."""
        return sum(map(size, self.groups))

    def lack(self, tokens: Sequence[int]) -> Lack:
        """Return the required tokens that a hypothesis still lacks."""
        key = tuple(tokens)
        if key not in self.cache:
            self.cache[key] = self.find_lack(key)
        return self.cache[key]

    def find_lack(self, tokens: tuple[int, ...]) -> Lack:
        """Compute `lack`. At most one phrase counts as begun, even if several start with the same tokens."""
        text = self.text(tokens)
        missing = [group for group in self.groups if not any(self.is_in(text, phrase.text) for phrase in group)]
        everything = sum(map(size, missing))
        least, next_tokens = everything, set()
        for group in missing:
            for phrase in group:
                for n_begun in range(min(phrase.size - 1, len(tokens)) + 1):
                    form = phrase.tokens(len(tokens) - n_begun)
                    if n_begun < len(form) and tokens[len(tokens) - n_begun :] == tuple(form[:n_begun]):
                        next_tokens.add(form[n_begun])
                        if n_begun:
                            least = min(least, everything - size(group) + len(form) - n_begun)
        return Lack(least, frozenset(next_tokens))

    def ending(self, tokens: Sequence[int]) -> list[int]:
        """Return tokens that complete a hypothesis: the rest of a phrase that was begun, or whole phrases."""
        if not self.lack(tokens).n_tokens:
            return []
        whole: list[int] = []
        for group in self.groups:
            if not any(self.is_in(self.text([*tokens, *whole]), phrase.text) for phrase in group):
                whole += shortest(group).tokens(len(tokens) + len(whole))
        continued = list(tokens)
        while self.lack(continued).n_tokens:
            missing = self.lack(continued).n_tokens
            better = [t for t in self.lack(continued).next_tokens if self.lack([*continued, t]).n_tokens < missing]
            if not better or len(continued) - len(tokens) >= len(whole):
                return whole
            continued.append(min(better))
        return continued[len(tokens) :]

    def text(self, tokens: Sequence[int]) -> bytes:
        """Return the text of tokens."""
        return b"".join(self.pieces[token] for token in tokens)

    def is_in(self, text: bytes, phrase: bytes) -> bool:
        """Return whether `phrase` occurs in `text`, and not as part of longer words."""
        start = -1
        while (start := text.find(phrase, start + 1)) >= 0:
            if not self.is_inside(text[:start], phrase) and not self.is_inside(phrase, text[start + len(phrase) :]):
                return True
        return False

    def is_inside(self, left: bytes, right: bytes) -> bool:
        """Return whether a word continues from `left` to `right`."""
        if not self.spaced:
            return False
        before, after = left[-4:].decode(errors="ignore")[-1:], right[:4].decode(errors="ignore")[:1]
        return bool(before and after) and is_word_character(before) and is_word_character(after)

    def arrange(self, hypotheses: list[list[int]], sums: Tensor, count: int) -> list[tuple[int, int]]:
        """Select extensions: the best for each number of missing tokens, then the second best for each, and so on.

        Args:
            hypotheses: their tokens.
            sums: the total of each extension, (N, V).
            count: extensions to return.

        Returns:
            Indices of hypotheses and their next tokens.
        """
        for tokens in [known for known in self.cache if len(known) < len(hypotheses[0])]:
            del self.cache[tokens]  # of earlier steps
        best = largest(sums, min(sums.size(1), max(MAX_EXTENSIONS, count // len(sums) + 1)))[1].tolist()
        extensions = sorted(
            (number, token)
            for number, tokens in enumerate(hypotheses)
            for token in self.lack(tokens).next_tokens.union(best[number])
        )
        totals = sums[[number for number, _ in extensions], [token for _, token in extensions]].tolist()
        negated = [-total for total in totals]
        best_first = [extension for _, extension in sorted(zip(negated, extensions, strict=True))]
        n_possible = sum(total > NEVER for total in totals)
        ranks, seen = [], Counter[int]()
        for index, (number, token) in enumerate(best_first[:n_possible]):
            lack = self.lack([*hypotheses[number], token]).n_tokens
            ranks.append((seen[lack], lack, index))
            seen[lack] += 1
        return ([best_first[index] for *_, index in sorted(ranks)] + best_first[n_possible:])[:count]


def size(group: Sequence[Phrase]) -> int:
    """Return the number of tokens of the shortest phrase of a group."""
    return shortest(group).size


def shortest(group: Sequence[Phrase]) -> Phrase:
    """Return the phrase of a group with the fewest tokens."""
    return min(group, key=lambda phrase: phrase.size)


@dataclass(frozen=True)
class MustContain:
    """The rule for required phrases: no hypothesis ends without them, and they are forced before the length limit."""

    required: Sequence[Required | None]
    """requirements of each sentence of the batch"""
    max_lens: Sequence[int]
    """length limits of the translations, with room for `Required.n_tokens`"""
    eos_id: int

    def __call__(self, scores: Tensor, tokens: Tensor, sentences: list[int]) -> None:
        """Exclude EOS while something is missing; near the limit, force what is missing."""
        for row, (sentence, hypotheses) in enumerate(zip(sentences, tokens.tolist(), strict=True)):
            required = self.required[sentence]
            if required is None:
                continue
            last_free = max(0, self.max_lens[sentence] - required.n_tokens)
            for column, hypothesis in enumerate(hypotheses):
                n_forced = len(hypothesis) - last_free
                if n_forced < 0:
                    if required.lack(hypothesis).n_tokens:
                        scores[row, column, self.eos_id] = NEVER
                elif forced := required.ending(hypothesis[:last_free]):
                    force(scores[row, column], [*forced, self.eos_id][min(n_forced, len(forced))])
                else:  # so that no complete word becomes another
                    scores[row, column, required.continuing] = NEVER


def force(scores: Tensor, token: int) -> None:
    """Exclude all other tokens, (V,)."""
    kept = scores[token].clamp(min=UNWANTED)
    scores[:] = NEVER
    scores[token] = kept
