"""Readers of parallel text in files: two text files, tab-separated columns, JSON rows, translation memories."""

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from mt.data.translation_memory import SUFFIXES as MEMORIES
from mt.data.translation_memory import read_memory
from mt.errors import UserError
from mt.runtime.files import plain_suffix, read_lines

Pair = tuple[str, str]
"""a source sentence and its translation"""


def read_pairs(files: list[Path], langs: tuple[str, str]) -> Iterator[Pair]:
    """Yield the pairs of one file, or of two text files.

    Raises:
        UserError: a file is malformed or not UTF-8, two files differ in length, or there is no pair.
    """
    suffix = plain_suffix(files[0])
    if len(files) == 2:
        pairs = read_two_files(*files)
    elif suffix == ".tsv":
        pairs = read_tsv(files[0])
    elif suffix in MEMORIES:
        pairs = read_memory(files[0], suffix, langs)
    else:
        pairs = read_jsonl(files[0], langs)
    empty = True
    for pair in pairs:
        empty = False
        yield pair
    if empty:
        raise UserError(f"{' and '.join(map(str, files))}: no pair of sentences found.")


def read_two_files(src_path: Path, tgt_path: Path) -> Iterator[Pair]:
    """Yield line n of one file with line n of the other."""
    counts = [0, 0]
    for src, tgt in zip_longest(read_lines(src_path), read_lines(tgt_path)):
        for side, line in enumerate((src, tgt)):
            if line is not None:
                counts[side] += 1
        if src is not None and tgt is not None:
            yield src, tgt
    if counts[0] != counts[1]:
        raise UserError(
            f"{src_path} has {counts[0]:,} lines but {tgt_path} has {counts[1]:,}: line n of one must be the "
            "translation of line n of the other."
        )


def read_tsv(path: Path) -> Iterator[Pair]:
    """Yield the two columns of each line, separated by a tab, without quoting."""
    for number, line in enumerate(read_lines(path), start=1):
        columns = line.split("\t")
        if len(columns) != 2:
            raise UserError(f"{path}, line {number}: {len(columns)} columns; source, a tab and target are expected.")
        yield columns[0], columns[1]


def read_jsonl(path: Path, langs: tuple[str, str]) -> Iterator[Pair]:
    """Yield the two languages of each line, a JSON object."""
    for number, line in enumerate(read_lines(path), start=1):
        try:
            row = json.loads(line)
            sides = row.get("translation", row)
            pair = (sides[langs[0]], sides[langs[1]])
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}, line {number}: not a JSON object with the keys '{langs[0]}' and '{langs[1]}' ({error})."
            ) from None
        if not all(isinstance(side, str) for side in pair):
            raise UserError(f"{path}, line {number}: '{langs[0]}' and '{langs[1]}' must both be text.")
        yield pair
