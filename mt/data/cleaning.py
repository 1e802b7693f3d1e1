"""Which pairs are left out, and why.

What can be seen in a pair's text is noted when it is encoded (`observe`). What its length says, whether it comes twice,
and whether it is in a test set, is decided over the whole corpus (`reasons`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from mt.data.sources import Pair
from mt.errors import UserError
from mt.text.sentences import plain_language

Hashes = NDArray[np.uint64]
NO_HASHES: Hashes = np.empty(0, np.uint64)
REASONS = (
    "kept", "with an empty side", "too long", "of unlike lengths", "with identical sides", "with control characters",
    "in another language", "in a test set", "that came before", "that are almost one that came before",
)  # fmt: skip
KEPT, EMPTY, TOO_LONG, RATIO, IDENTICAL, CONTROL, LANGUAGE, OVERLAP, DUPLICATE, NEAR_DUPLICATE = range(len(REASONS))
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
"""what no text has; U+FFFD stands where a byte was no UTF-8"""
LONG_ENOUGH = 20
"""characters of a text whose language can be told"""
NO_LETTERS = re.compile(r"[\W\d_]+")


@dataclass(frozen=True)
class Cleaning:
    """What is left out besides empty and too long pairs; the fields are those of the configuration's `data.clean`."""

    max_ratio: float | None = None
    identical: bool = False
    control: bool = False
    language: bool = False
    duplicates: str = "none"
    overlap: bool = False

    @property
    def text_key(self) -> str:
        """All that facts depend on."""
        return f"{self.control:d}{self.language:d}{self.duplicates == 'near':d}"


@dataclass(frozen=True)
class Facts:
    """What was seen in the text of some pairs."""

    seen: NDArray[np.uint8]
    """the first of IDENTICAL, CONTROL and LANGUAGE that holds, else KEPT"""
    pair_hashes: Hashes
    """equal for equal pairs; those that are almost equal, too, where that is asked for"""
    src_hashes: Hashes


Identify = Callable[[str], str]
"""text -> the language it is in"""


def observe(pairs: Sequence[Pair], cleaning: Cleaning, langs: tuple[str, str], identify: Identify | None) -> Facts:
    """Look at the text of some pairs."""
    if cleaning.control or identify:
        seen = [look(pair, cleaning, langs, identify) for pair in pairs]
    else:  # this and the hashes are all that most corpora are asked for: no call for each pair
        seen = [IDENTICAL if src == tgt else KEPT for src, tgt in pairs]
    if cleaning.duplicates == "near":
        texts = [f"{letters(src)}\t{letters(tgt)}".encode() for src, tgt in pairs]
    else:
        texts = [f"{src}\t{tgt}".encode() for src, tgt in pairs]
    return Facts(
        np.array(seen, np.uint8),
        np.fromiter(map(xxhash.xxh3_64_intdigest, texts), np.uint64, len(pairs)),
        np.fromiter((xxhash.xxh3_64_intdigest(src.encode()) for src, _ in pairs), np.uint64, len(pairs)),
    )


def look(pair: Pair, cleaning: Cleaning, langs: tuple[str, str], identify: Identify | None) -> int:
    """What stands against a pair."""
    if pair[0] == pair[1]:
        return IDENTICAL
    if cleaning.control and any(map(CONTROLS.search, pair)):
        return CONTROL
    sides = zip(pair, langs, strict=True)
    if identify and any(len(text) >= LONG_ENOUGH and identify(text) != plain_language(lang) for text, lang in sides):
        return LANGUAGE
    return KEPT


def letters(text: str) -> str:
    """A text without all that is no letter, in small ones."""
    return NO_LETTERS.sub("", text).lower()


def hash_of(text: str) -> int:
    """A number of 64 bits that hardly any other text has."""
    return int(xxhash.xxh3_64_intdigest(text.encode()))


def reasons(
    facts: Facts,
    lens: tuple[NDArray[np.int32], NDArray[np.int32]],
    cleaning: Cleaning,
    max_len: int,
    test_sources: Hashes,
) -> NDArray[np.uint8]:
    """Why each of some pairs is left out, or KEPT, whatever the other pairs are.

    Args:
        lens: pieces of each side.
        max_len: the most that are kept.
        test_sources: `src_hashes` of the test sets.
    """
    found = np.zeros(len(facts.seen), np.uint8)
    shorter, longer = np.minimum(*lens), np.maximum(*lens)
    found[shorter == 0] = EMPTY
    found[(found == KEPT) & (longer > max_len)] = TOO_LONG
    if cleaning.max_ratio is not None:
        found[(found == KEPT) & (longer > cleaning.max_ratio * shorter)] = RATIO
    for fact, asked in ((IDENTICAL, cleaning.identical), (CONTROL, cleaning.control), (LANGUAGE, cleaning.language)):
        if asked:
            found[(found == KEPT) & (facts.seen == fact)] = fact
    if cleaning.overlap:
        found[(found == KEPT) & np.isin(facts.src_hashes, test_sources)] = OVERLAP
    return found


def mark_duplicates(found: NDArray[np.uint8], pair_hashes: Hashes, reason: int) -> None:
    """Give each kept pair that came before this reason.

    Args:
        found: the reasons of a whole corpus, which are changed.
        pair_hashes: of all its pairs.
    """
    kept = np.flatnonzero(found == KEPT)
    _, first = np.unique(pair_hashes[kept], return_index=True)
    again = np.ones(len(kept), bool)
    again[first] = False
    found[kept[again]] = reason


def language_identifier() -> Identify:
    """What py3langid takes a text's language to be, as `de`.

    Raises:
        UserError: it is not installed.
    """
    try:
        from py3langid import classify
    except ImportError:
        raise UserError("data.clean.language needs the package py3langid: pip install 'mt[clean]'.") from None
    return lambda text: str(classify(text)[0])
