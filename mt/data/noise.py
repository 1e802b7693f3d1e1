"""Noise on source text, which makes a model robust to text as people type it (Belinkov and Bisk, 2018)."""

from collections.abc import Callable
from random import Random

from mt.config.data import NoiseConfig

MIN_LETTERS = 3
"""letters of a word that can have a typo; a shorter word would become unrecognisable"""


def add_noise(text: str, noise: NoiseConfig, random: Random) -> str:
    """Return a text with random noise: lost punctuation, changed case, typos."""
    if random.random() < noise.punctuation:
        text = " ".join("".join(c for c in text if c.isalnum() or c.isspace()).split()) or text
    if random.random() < noise.case:
        text = text.lower() if random.random() < 0.5 else text.upper()
    if noise.typos:
        text = " ".join(mistype(word, noise.typos, random) for word in text.split(" "))
    return text


def mistype(word: str, probability: float, random: Random) -> str:
    """Return a word, with a typo at this probability."""
    letters = [index for index, character in enumerate(word) if character.isalpha()]
    if len(letters) < MIN_LETTERS or random.random() >= probability:
        return word
    return random.choice(TYPOS)(word, random.choice(letters[:-1]))


def swap(word: str, index: int) -> str:
    """Exchange a character and the next one."""
    return word[:index] + word[index + 1] + word[index] + word[index + 2 :]


def drop(word: str, index: int) -> str:
    """Delete a character."""
    return word[:index] + word[index + 1 :]


def double(word: str, index: int) -> str:
    """Repeat a character."""
    return word[: index + 1] + word[index:]


TYPOS: tuple[Callable[[str, int], str], ...] = (swap, drop, double)
