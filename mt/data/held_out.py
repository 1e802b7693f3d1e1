"""Held-out pairs: a part of the training text for validation and testing that shares no sentence with the rest."""

import itertools
import logging
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from mt.data.readers import Pair, read_two_files
from mt.data.sources import ParallelText
from mt.errors import UserError
from mt.runtime.checksums import check_sum, record_files
from mt.runtime.files import replacing, write_text

log = logging.getLogger(__name__)
Parts = dict[str, list[Pair]]
"""held-out pairs by the name of their part, such as `valid`"""
MOST_HELD_OUT = 0.9
"""largest fraction of a text that may be held out"""
BREAKS = re.compile("[\r\n\ufeff]")
"""what a line of a text file cannot hold, or not at its beginning"""
LARGEST_GROUP = 0.05
"""A group of pairs that share sentences is held out only if it is at most this fraction of its part."""


@dataclass(frozen=True)
class Hashes:
    """Hashes of sources, of targets, and of whole pairs with a seed; 0 for a pair that text files could not hold."""

    src: NDArray[np.uint64]
    tgt: NDArray[np.uint64]
    order: NDArray[np.uint64]


def hold_out(text: ParallelText, sizes: Mapping[str, float], seed: int, key: str) -> Parts:
    """Choose pairs of a text at random.

    Pairs with the same source or the same target form a group, which is never divided. A group's place in the random
    order depends only on its pairs and the seed, so most of the same pairs are chosen when the text grows.

    Args:
        sizes: how many pairs each part gets; a number below 1 is a fraction of the text.
        key: configuration key of the text, for messages.

    Raises:
        UserError: the text is too small.
    """
    hashes = hash_pairs(text, seed)
    usable = np.flatnonzero(hashes.order)
    wanted = {part: max(1, round(size * len(usable))) if size < 1 else int(size) for part, size in sizes.items()}
    part_of = np.zeros(len(hashes.order), np.int32)  # the number of each pair's part, from 1; 0: the rest
    if sum(wanted.values()) > MOST_HELD_OUT * len(usable):
        n_pairs = f"{len(usable):,} pair{'s' * (len(usable) != 1)} with text on both sides"
        raise UserError(f"{key} has {n_pairs}: {describe_sizes(wanted)} would leave too few to train on.")
    groups = iter(groups_in_order(hashes, usable))
    largest = 0
    for number, size in enumerate(wanted.values(), start=1):
        left = size
        while left:
            group = next(groups, None)
            if group is None:
                raise UserError(
                    f"{key}: {describe_sizes(wanted)} cannot be held out, because pairs with a sentence in common stay "
                    f"together. One such group has {largest:,} of {len(usable):,} pairs: is the right column read?"
                )
            largest = max(largest, len(group))
            if len(group) <= min(left, max(1, LARGEST_GROUP * size)):
                part_of[group] = number
                left -= len(group)
    held_out: Parts = {part: [] for part in sizes}
    pairs = list(held_out.values())
    for code, pair in zip(part_of.tolist(), text.read(), strict=True):
        if code:
            pairs[code - 1].append(pair)
    log.info("Held out of %s: %s.", key, describe_sizes(wanted))
    return held_out


def describe_sizes(sizes: Mapping[str, int]) -> str:
    """Return the sizes of parts in words."""
    return " and ".join(f"{size:,} pair{'s' * (size != 1)} for {name}" for name, size in sizes.items())


def hash_pairs(text: ParallelText, seed: int) -> Hashes:
    """Hash every pair of a text."""
    hashes = array("Q")  # 24 bytes for each pair, also of a corpus of millions
    for src, tgt in text.read():
        if src.strip() and tgt.strip() and not any(BREAKS.search(side) for side in (src, tgt)):
            hashes.extend((hash_text(src), hash_text(tgt), hash_text(f"{src}\t{tgt}", seed) or 1))
        else:
            hashes.extend((0, 0, 0))
    return Hashes(*np.frombuffer(hashes, np.uint64).reshape(-1, 3).T)


def hash_text(text: str, seed: int = 0) -> int:
    """Return a 64-bit hash."""
    return xxhash.xxh3_64_intdigest(text.encode(), seed % 2**64)


def groups_in_order(hashes: Hashes, usable: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield groups of pairs that are connected by equal sentences, in random order, each as indices of its pairs."""
    from scipy.sparse import coo_array  # slow to import, and not always needed
    from scipy.sparse.csgraph import connected_components

    sides = [np.unique(side[usable], return_inverse=True)[1] for side in (hashes.src, hashes.tgt)]
    n_nodes = [int(side.max(initial=-1)) + 1 for side in sides]
    edges = (np.ones(len(usable), bool), (sides[0], n_nodes[0] + sides[1]))
    _, components = connected_components(coo_array(edges, shape=(sum(n_nodes),) * 2), directed=False)
    group = components[sides[0]]  # of each pair
    by_group = np.lexsort((hashes.order[usable], group))
    starts = np.flatnonzero(np.diff(group[by_group], prepend=-1))
    ends = np.append(starts[1:], len(by_group))
    first = hashes.order[usable][by_group[starts]]  # the smallest of each group
    for number in np.argsort(first, kind="stable"):
        yield usable[by_group[starts[number] : ends[number]]]


def save_parts(parts: Parts, folder: Path, langs: tuple[str, str]) -> None:
    """Write the files `PART.SRC` and `PART.TGT` of every part, all or none of them."""
    if not parts:
        return
    with replacing(folder) as temporary:
        for part, pairs in parts.items():
            for side, lang in enumerate(langs):
                lines = "".join(f"{BREAKS.sub(' ', pair[side])}\n" for pair in pairs)
                write_text(temporary / f"{part}.{lang}", lines)
        record_files(temporary)


def load_parts(sizes: Mapping[str, float], folder: Path, langs: tuple[str, str]) -> Parts | None:
    """Read what `save_parts` wrote; None if a part is missing or has another size.

    Raises:
        UserError: a file is damaged.
    """
    files = {name: [folder / f"{name}.{lang}" for lang in langs] for name in sizes}
    if not all(file.is_file() for pair in files.values() for file in pair):
        return None
    for path in itertools.chain.from_iterable(files.values()):
        check_sum(path)
    parts = {name: list(read_two_files(*pair)) for name, pair in files.items()}
    return parts if all(size < 1 or len(parts[name]) == size for name, size in sizes.items()) else None
