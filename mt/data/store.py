"""Encoded pairs on disk, in parts that are mapped into memory: a corpus may be larger than that.

A part is an Arrow file: the ids of each side, and what was seen in the text (`mt.data.cleaning.Facts`). Parts are
written whole or not at all, so that an interrupted preparation goes on, and several processes can share the work.
"""

from __future__ import annotations

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
from mt.data.sources import Pair, ParallelText
from mt.runtime.files import replacing, write_text
from mt.runtime.progress import on_terminal
from mt.text.tokenizer import Pairs, Rows, Tokenizer

PAIRS_A_PART = 1 << 16
COMPLETE = "complete"
"""the file that is written last"""
FACTS = tuple(field.name for field in fields(Facts))
T = TypeVar("T")


class EncodedPairs:
    """The pairs of a folder of parts."""

    def __init__(self, folder: Path) -> None:
        """Map the parts that `encode_text` wrote."""
        self.parts = [Part(path) for path in part_paths(folder)]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def pairs(self, rows: NDArray[np.integer[Any]]) -> Pairs:
        """The source and target ids of some rows."""
        places = zip((rows // PAIRS_A_PART).tolist(), (rows % PAIRS_A_PART).tolist(), strict=True)
        return [(self.parts[part].ids(0, row), self.parts[part].ids(1, row)) for part, row in places]


class Part:
    """One file, all of which are equally long but the last."""

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
        """The length of each row."""
        lens: NDArray[np.int32] = np.diff(self.offsets[side])
        return lens

    def ids(self, side: int, row: int) -> list[int]:
        """A row."""
        start, end = self.offsets[side][row : row + 2]
        ids: list[int] = self.values[side][start:end].tolist()
        return ids


def part_paths(folder: Path) -> list[Path]:
    """The parts that there are, in order."""
    return sorted(folder.glob("part-*.arrow"))


@dataclass(frozen=True)
class Share:
    """Which parts one of several processes encodes: every `size`-th, from `rank` on."""

    rank: int = 0
    size: int = 1


def encode_text(
    text: ParallelText,
    tokenizer: Tokenizer,
    observe: Callable[[Sequence[Pair]], Facts],
    folder: Path,
    what: str,
    share: Share = Share(),  # it cannot change
) -> None:
    """Encode the pairs of a share of the parts into a folder, those that are not there yet.

    Args:
        what: stands beside the progress bar.
        share: of all parts; only where it is the whole, the folder is then complete.
    """
    if (folder / COMPLETE).exists():
        return
    dtype = np.uint16 if max(tokenizer.vocab_sizes) <= 1 << 16 else np.int32
    with tqdm(desc=what, total=text.n_pairs, unit="pair", disable=not on_terminal()) as bar:
        for number, pairs in enumerate(in_parts(text.read())):
            path = folder / f"part-{number:06d}.arrow"
            if number % share.size == share.rank and not path.exists():
                rows = tokenizer.encode_src([src for src, _ in pairs]), tokenizer.encode_tgt([tgt for _, tgt in pairs])
                columns = {"src": as_array(rows[0], dtype), "tgt": as_array(rows[1], dtype)}
                facts = observe(pairs)
                write_part(path, pa.table(columns | {name: pa.array(getattr(facts, name)) for name in FACTS}))
            bar.update(len(pairs))
    if share.size == 1:
        write_text(folder / COMPLETE, "")


def write_part(path: Path, table: pa.Table) -> None:
    """Write a file that can be mapped into memory, whole or not at all."""
    with replacing(path) as temporary, pa.ipc.new_file(str(temporary), table.schema) as writer:
        writer.write_table(table, max_chunksize=PAIRS_A_PART)


def in_parts(pairs: Iterator[T]) -> Iterator[list[T]]:
    """As many as a part holds at a time."""
    while part := list(islice(pairs, PAIRS_A_PART)):
        yield part


def as_array(rows: Rows, dtype: type[np.generic]) -> pa.ListArray:
    """Rows of ids as Arrow keeps them: all ids one behind the other, and where each row ends."""
    ends = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, flat(rows, dtype))


def flat(rows: Iterable[Iterable[int]], dtype: type[np.generic]) -> NDArray[np.generic]:
    """All ids one behind the other."""
    return np.fromiter(chain.from_iterable(rows), dtype)
