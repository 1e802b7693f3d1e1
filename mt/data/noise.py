"""Noise on pairs of training text, which makes a model robust to text as people type it.

Typos and lower case are for the source alone (Belinkov and Bisk, 2018): the translation is to be spelled well. What is
lost or put in changes both sides in the same way, as in OpusTrainer (Bogoychev et al., 2023), so that the model keeps
what it finds.
"""

from collections.abc import Callable, Sequence
from random import Random

import regex

from mt.config.data import NoiseConfig
from mt.data.readers import Pair
from mt.text.casing import lower

MIN_LETTERS = 3
"""letters of a word that can have a typo; a shorter word would become unrecognisable"""
END = regex.compile(r"(?r)[\p{Sentence_Terminal}…\s]+$")
"""the end of a sentence, without brackets, percent and quotation marks; (?r): from the end"""
BREAK = regex.compile(r"[,;:，；：、]\s*")
GRAPHEME = regex.compile(r"\X")
"""a character with its accents or vowel signs"""
WORD = regex.compile(r"[^\s\p{P}]{3,}")


def add_noise(pair: Pair, noise: NoiseConfig, markers: Sequence[str], random: Random, src_lang: str = "") -> Pair:
    """Return a pair with random noise: lower case, lost punctuation, a marker, typos."""
    src, tgt = pair
    if random.random() < noise.case:
        src = lower(src, src_lang)
    if random.random() < noise.punctuation and all(map(END.search, pair)):
        src, tgt = END.sub("", src) or src, END.sub("", tgt) or tgt
    if random.random() < noise.copies and markers:
        src, tgt = insert((src, tgt), random.choice(markers), random)
    if noise.typos:
        src = " ".join(mistype(word, noise.typos, random) for word in src.split(" "))
    return src, tgt


def insert(pair: Pair, marker: str, random: Random) -> Pair:
    """Put a marker in corresponding places: around a pair, before its final punctuation, after the same comma on both
    sides, or instead of a word that both sides have in common."""
    src, tgt = pair
    if any(marker in side for side in pair):
        return pair
    words = [set(WORD.findall(side)) for side in pair]
    common = sorted(word for word in words[0] & words[1] if src.count(word) == 1 == tgt.count(word))
    if common and random.random() < 0.5:
        word = random.choice(common)
        return src.replace(word, marker), tgt.replace(word, marker)
    breaks = [[match.end() for match in BREAK.finditer(side)] for side in pair]
    ends = [(match.start() if (match := END.search(side)) else len(side)) for side in pair]
    places = [(0, 0), (len(src), len(tgt)), (ends[0], ends[1])]
    if len(breaks[0]) == len(breaks[1]):
        places += zip(*breaks, strict=True)
    place = random.choice(places)
    return put(src, place[0], marker), put(tgt, place[1], marker)


def put(text: str, place: int, marker: str) -> str:
    """Insert a marker, with spaces around it if the text has spaces."""
    before, after = text[:place].rstrip(), text[place:].lstrip()
    space = " " if " " in text else ""
    left = space if before else ""
    right = space if after and (after[0].isalnum() or place == 0) else ""
    return before + left + marker + right + after


def mistype(word: str, probability: float, random: Random) -> str:
    """Return a word, with a typo at this probability."""
    if random.random() >= probability:
        return word
    characters = GRAPHEME.findall(word)
    letters = [index for index, character in enumerate(characters) if character[0].isalpha()]
    if len(letters) < MIN_LETTERS:
        return word
    return "".join(random.choice(TYPOS)(characters, random.choice(letters[:-1])))


def swap(word: list[str], index: int) -> list[str]:
    """Exchange a character and the next one."""
    return [*word[:index], word[index + 1], word[index], *word[index + 2 :]]


def drop(word: list[str], index: int) -> list[str]:
    """Delete a character."""
    return word[:index] + word[index + 1 :]


def double(word: list[str], index: int) -> list[str]:
    """Repeat a character."""
    return word[: index + 1] + word[index:]


TYPOS: tuple[Callable[[list[str], int], list[str]], ...] = (swap, drop, double)
