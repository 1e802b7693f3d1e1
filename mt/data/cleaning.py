"""Filters that drop pairs of a corpus.

What a pair's text shows is recorded when it is encoded (`observe`). Length, duplicates and overlap with a test set are
judged over the whole corpus (`reasons_to_drop`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import regex
import xxhash
from numpy.typing import NDArray

from mt.config.checks import require
from mt.config.choices import Duplicates
from mt.config.data import CleanConfig
from mt.data.identification import MIN_IDENTIFIABLE, load_identifier
from mt.data.readers import Pair
from mt.runtime.packages import require_package
from mt.text.language_names import label_of

Hashes = NDArray[np.uint64]
NO_HASHES: Hashes = np.empty(0, np.uint64)
REASONS = (
    "kept", "with an empty side", "too long", "with sides of very different length", "with identical sides",
    "with control characters", "in another language", "in validation or test data", "that occurred before",
    "nearly identical to an earlier one",
)  # fmt: skip
KEPT, EMPTY, TOO_LONG, RATIO, IDENTICAL, CONTROL, LANGUAGE, OVERLAP, DUPLICATE, NEAR_DUPLICATE = range(len(REASONS))
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
"""characters that no text contains; U+FFFD replaces a byte that was not UTF-8"""
OTHERS = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
"""all but letters, their marks such as the vowel signs of Hindi, and digits"""
Identify = Callable[[str], str]
"""text -> label of the language it is in"""
Labels = tuple[str, str]
FACTS_VERSION = 3
"""increased when a filter finds something else in the same text"""


@dataclass(frozen=True)
class Facts:
    """Properties of the text of pairs."""

    seen: NDArray[np.uint8]
    """the first of CONTROL, LANGUAGE and IDENTICAL that holds, else KEPT; the first two only if they are looked for"""
    pair_hashes: Hashes
    """equal for equal pairs; for near duplicates, too, if these are to be dropped"""
    src_hashes: Hashes


def facts_key(clean: CleanConfig) -> str:
    """Return a text that differs for settings that lead to different facts."""
    filters = (clean.control, clean.language, clean.duplicates is Duplicates.near)
    return repr((*filters, FACTS_VERSION) if any(filters) else filters)


def observe(
    pairs: Sequence[Pair], clean: CleanConfig, labels: Labels = ("", ""), identify: Identify | None = None
) -> Facts:
    """Collect the facts about the text of some pairs.

    Args:
        labels: what `identify` calls the languages of the two sides.
    """
    if clean.control or identify:
        seen = [look(pair, clean, labels, identify) for pair in pairs]
    else:  # the usual case, without a function call for each pair
        seen = [IDENTICAL if src == tgt else KEPT for src, tgt in pairs]
    if clean.duplicates is Duplicates.near:
        texts = [f"{skeleton(src)}\t{skeleton(tgt)}".encode() for src, tgt in pairs]
    else:
        texts = [f"{src}\t{tgt}".encode() for src, tgt in pairs]
    return Facts(
        np.array(seen, np.uint8),
        np.fromiter(map(xxhash.xxh3_64_intdigest, texts), np.uint64, len(pairs)),
        hash_sources(pairs),
    )


def look(pair: Pair, clean: CleanConfig, labels: Labels, identify: Identify | None) -> int:
    """Return the first fault of a pair's text, or KEPT; equal sides, which may be allowed, come last."""
    if clean.control and any(map(CONTROLS.search, pair)):
        return CONTROL
    sides = zip(pair, labels, strict=True)
    if identify and any(len(text) >= MIN_IDENTIFIABLE and identify(text) != label for text, label in sides):
        return LANGUAGE
    return IDENTICAL if pair[0] == pair[1] else KEPT


def skeleton(text: str) -> str:
    """Return only the letters and digits of a text, in lower case."""
    return str(OTHERS.sub("", text)).lower()


def hash_sources(pairs: Sequence[Pair]) -> Hashes:
    """Return the hashes of the sources of some pairs."""
    return np.fromiter((xxhash.xxh3_64_intdigest(src.encode()) for src, _ in pairs), np.uint64, len(pairs))


def reasons_to_drop(
    facts: Facts,
    lens: tuple[NDArray[np.int32], NDArray[np.int32]],
    clean: CleanConfig,
    max_lens: tuple[int, int],
    other_sources: Hashes,
) -> NDArray[np.uint8]:
    """Return why each pair is dropped, or KEPT, from its facts, lengths in pieces, and hashes of held-out sources."""
    reasons = np.zeros(len(facts.seen), np.uint8)
    shorter, longer = np.minimum(*lens), np.maximum(*lens)
    reasons[shorter == 0] = EMPTY
    reasons[(reasons == KEPT) & ((lens[0] > max_lens[0]) | (lens[1] > max_lens[1]))] = TOO_LONG
    if clean.max_ratio is not None:
        reasons[(reasons == KEPT) & (longer > clean.max_ratio * shorter)] = RATIO
    for fact, active in ((IDENTICAL, clean.identical), (CONTROL, clean.control), (LANGUAGE, clean.language)):
        if active:
            reasons[(reasons == KEPT) & (facts.seen == fact)] = fact
    if clean.overlap:
        reasons[(reasons == KEPT) & np.isin(facts.src_hashes, other_sources)] = OVERLAP
    return reasons


def mark_duplicates(reasons: NDArray[np.uint8], pair_hashes: Hashes, reason: int) -> None:
    """Give `reason`, in place, to each kept pair of a whole corpus that occurred before."""
    kept = np.flatnonzero(reasons == KEPT)
    _, first = np.unique(pair_hashes[kept], return_index=True)
    again = np.ones(len(kept), bool)
    again[first] = False
    reasons[kept[again]] = reason


def language_identifier(langs: tuple[str, str], key: str) -> tuple[Identify, Labels]:
    """Return a function that identifies the language of a text with py3langid, and what it calls two languages.

    Raises:
        UserError: it does not know one of them, or is not installed; the message names the `key` of the corpus.
    """
    require_package("py3langid", "data.clean.language")
    identifier, known = load_identifier()
    labels = [label_of(lang, known) for lang in langs]
    for lang, label in zip(langs, labels, strict=True):
        require(label is not None, f"{key}: data.clean.language=true cannot identify '{lang}': omit it.")
    return lambda text: str(identifier.classify(text)[0]), (str(labels[0]), str(labels[1]))
