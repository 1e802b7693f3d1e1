"""Encoded pairs on disk, in parts that are mapped into memory, so that a corpus may be larger than memory.

A part is an Arrow file with the ids of each side and the facts about the text (`mt.data.cleaning.Facts`). Parts are
written whole or not at all, so that an interrupted preparation can resume and several processes can share the work.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from mt.data.cleaning import Facts
from mt.data.readers import Pair
from mt.data.sources import ParallelText
from mt.runtime.files import replacing, write_text
from mt.runtime.progress import on_terminal
from mt.text.tokenizer import Pairs, Rows, Tokenizer

PAIRS_PER_PART = 1 << 16
ENCODING = 2
"""increased when the same tokenizer encodes the same text otherwise"""
COMPLETE = "complete"
"""name of the file that is written last"""
FACTS = tuple(field.name for field in fields(Facts))
T = TypeVar("T")


class EncodedPairs:
    """The pairs in a folder of parts."""

    def __init__(self, folder: Path) -> None:
        """Map the parts that `encode_text` wrote."""
        self.parts = [Part(path) for path in part_paths(folder)]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def pairs(self, rows: NDArray[np.integer[Any]]) -> Pairs:
        """Return the source and target ids of some rows."""
        slots = zip((rows // PAIRS_PER_PART).tolist(), (rows % PAIRS_PER_PART).tolist(), strict=True)
        return [(self.parts[part].ids(0, row), self.parts[part].ids(1, row)) for part, row in slots]


class Part:
    """One file of pairs; all files have the same number of pairs, except the last."""

    def __init__(self, path: Path) -> None:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        sides = [table.column(number).chunk(0) for number in range(2)]
        self.offsets = [side.offsets.to_numpy() for side in sides]
        self.values = [side.values.to_numpy() for side in sides]
        self.facts = Facts(*(table.column(name).to_numpy() for name in FACTS))

    def __len__(self) -> int:
        return len(self.facts.seen)

    def lens(self, side: int) -> NDArray[np.int32]:
        """Return the length of each row."""
        lens: NDArray[np.int32] = np.diff(self.offsets[side])
        return lens

    def ids(self, side: int, row: int) -> list[int]:
        """Return the ids of a row."""
        start, end = self.offsets[side][row : row + 2]
        ids: list[int] = self.values[side][start:end].tolist()
        return ids


def part_paths(folder: Path) -> list[Path]:
    """Return the existing parts, in order."""
    return sorted(folder.glob("part-*.arrow"))


@dataclass(frozen=True)
class Share:
    """The parts that one of several processes encodes: every `size`-th, starting at `rank`."""

    rank: int = 0
    size: int = 1


def encode_text(
    text: ParallelText,
    tokenizer: Tokenizer,
    observe: Callable[[Sequence[Pair]], Facts],
    folder: Path,
    label: str,
    share: Share = Share(),  # immutable
) -> None:
    """Encode the parts of a share that are missing or damaged; mark the folder complete if the share is everything."""
    if is_complete(folder):
        return
    dtype = np.uint16 if max(tokenizer.vocab_sizes) <= 1 << 16 else np.int32
    n_parts, n_pairs = 0, 0
    with tqdm(desc=label, total=text.n_pairs, unit="pair", disable=not on_terminal()) as bar:
        for number, pairs in enumerate(divide(text.read(), PAIRS_PER_PART)):
            path = folder / f"part-{number:06d}.arrow"
            n_parts, n_pairs = number + 1, n_pairs + len(pairs)
            if number % share.size == share.rank and count_pairs(path) != len(pairs):
                rows = tokenizer.encode_pairs(pairs)
                columns = {"src": as_array(rows[0], dtype), "tgt": as_array(rows[1], dtype)}
                facts = observe(pairs)
                write_part(path, pa.table(columns | {name: pa.array(getattr(facts, name)) for name in FACTS}))
            bar.update(len(pairs))
    if share.size == 1:
        write_text(folder / COMPLETE, f"{n_parts} parts, {n_pairs} pairs")


def is_complete(folder: Path) -> bool:
    """Return whether a folder has all the parts that were written to it, and none of them is damaged."""
    counts = [count_pairs(path) for path in part_paths(folder)]
    try:
        written = (folder / COMPLETE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return None not in counts and written == f"{len(counts)} parts, {sum(filter(None, counts))} pairs"


def count_pairs(path: Path) -> int | None:
    """Return the number of pairs in a part; None if there is none, or if it is damaged."""
    try:
        return len(Part(path))
    except (OSError, pa.ArrowInvalid, KeyError, IndexError):
        return None


def write_part(path: Path, table: pa.Table) -> None:
    """Write a file that can be mapped into memory, whole or not at all."""
    with replacing(path) as temporary, pa.ipc.new_file(str(temporary), table.schema) as writer:
        writer.write_table(table, max_chunksize=PAIRS_PER_PART)


def divide(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items, and one of the rest."""
    while part := list(islice(items, size)):
        yield part


def as_array(rows: Rows, dtype: type[np.generic]) -> pa.ListArray:
    """Return rows of ids as an Arrow array: all ids in sequence, and where each row ends."""
    ends = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, flatten(rows, dtype))


def flatten(rows: Iterable[Iterable[int]], dtype: type[np.generic]) -> NDArray[np.generic]:
    """Return all ids in sequence."""
    return np.fromiter(chain.from_iterable(rows), dtype)
