"""Phrases that a translation must contain, found in its text, however it is segmented.

In languages with spaces only whole words count: "Hund" is not in "Hunde". torch is not needed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mt.text.characters import is_word_character


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


def size(group: Sequence[Phrase]) -> int:
    """Return the number of tokens of the shortest phrase of a group."""
    return shortest(group).size


def shortest(group: Sequence[Phrase]) -> Phrase:
    """Return the phrase of a group with the fewest tokens."""
    return min(group, key=lambda phrase: phrase.size)
