"""Noise on source text, so that a model learns to take text as people type it (Belinkov and Bisk, 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

MIN_LETTERS = 3
"""A typo in a shorter word leaves nothing to know it by."""


@dataclass(frozen=True)
class Noise:
    """How much of it; the fields are those of the configuration's `data.noise`."""

    typos: float = 0.0
    """probability that a word of three letters or more has one"""
    case: float = 0.0
    """probability that a sentence is all in small letters, or, as probably, all in capitals"""
    punctuation: float = 0.0
    """probability that a sentence has no punctuation"""

    def __bool__(self) -> bool:
        return bool(self.typos or self.case or self.punctuation)

    def apply(self, text: str, random: Random) -> str:
        """Text as somebody may have typed it."""
        if random.random() < self.punctuation:
            text = " ".join("".join(c for c in text if c.isalnum() or c.isspace()).split()) or text
        if random.random() < self.case:
            text = text.lower() if random.random() < 0.5 else text.upper()
        if self.typos:
            text = " ".join(self.mistyped(word, random) for word in text.split(" "))
        return text

    def mistyped(self, word: str, random: Random) -> str:
        """A word, with a typo or not."""
        letters = [place for place, character in enumerate(word) if character.isalpha()]
        if len(letters) < MIN_LETTERS or random.random() >= self.typos:
            return word
        return random.choice(TYPOS)(word, random.choice(letters[:-1]))


def swapped(word: str, place: int) -> str:
    """With two characters in each other's place."""
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def dropped(word: str, place: int) -> str:
    """Without a character."""
    return word[:place] + word[place + 1 :]


def doubled(word: str, place: int) -> str:
    """With a character twice."""
    return word[: place + 1] + word[place:]


TYPOS: tuple[Callable[[str, int], str], ...] = (swapped, dropped, doubled)
