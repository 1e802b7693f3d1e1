"""Readers of parallel text in files: two text files, tab-separated columns, JSON rows, translation memories."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path

from mt.data.context import SourceContext
from mt.data.translation_memory import SUFFIXES as MEMORIES
from mt.data.translation_memory import read_memory
from mt.errors import UserError
from mt.runtime.files import plain_suffix, read_lines
from mt.text.characters import is_encodable

log = logging.getLogger(__name__)
Pair = tuple[str, str]
"""a source sentence and its translation"""


def read_pairs(files: list[Path], context: SourceContext) -> Iterator[Pair]:
    """Yield the pairs of one file, or of two text files.

    Raises:
        UserError: a file is malformed or not UTF-8, two files differ in length, or there is no pair.
    """
    suffix = plain_suffix(files[0])
    if is_table(files):
        pairs = read_table(files[0], context)
    elif len(files) == 2:
        pairs = read_two_files(*files)
    elif suffix in MEMORIES:
        pairs = read_memory(files[0], suffix, context.langs)
    else:
        pairs = read_jsonl(files[0], context.langs)
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


def is_table(files: list[Path]) -> bool:
    """Return whether the text is one file of columns separated by tabs."""
    return len(files) == 1 and plain_suffix(files[0]) not in (".jsonl", *MEMORIES)


@dataclass(frozen=True)
class Columns:
    """The columns of a table that hold source and target, counted from 0."""

    src: int
    tgt: int
    n_expected: int | None
    """columns of every line; None: any number that includes both"""
    has_header: bool


def find_columns(path: Path, context: SourceContext) -> Columns:
    """Find the columns of a file with tabs by the configuration, by its header, or else by their order."""
    first = next(read_lines(path), "").split("\t")
    names, langs = [name.strip().lower() for name in first], [lang.lower() for lang in context.langs]
    has_header = all(names.count(lang) == 1 for lang in langs)
    if context.columns:
        if len(context.columns) > len(first):
            names_given = ", ".join(context.columns)
            raise UserError(f"{path} has {len(first)} columns, but {len(context.columns)} are named: {names_given}.")
        src, tgt = (context.columns.index(lang) for lang in context.langs)
        return Columns(src, tgt, None, has_header and (names.index(langs[0]), names.index(langs[1])) == (src, tgt))
    if has_header:
        return Columns(names.index(langs[0]), names.index(langs[1]), None, has_header)
    return Columns(0, 1, len(first), has_header)


def describe_columns(columns: Columns, path: Path, context: SourceContext) -> None:
    """Log which columns are read if nothing names them and there are others."""
    if columns.n_expected is not None and columns.n_expected > 2:
        src, tgt = context.langs
        say_once(
            f"{context.key}: of the {columns.n_expected} columns of {path}, the first is read as {src} and the second "
            f"as {tgt}. If that is wrong, name them, such as 'data.columns=[{tgt},{src}]'."
        )


@cache
def say_once(message: str) -> None:
    """Log a message about a file, which may be opened more than once."""
    log.info("%s", message)


def read_table(path: Path, context: SourceContext) -> Iterator[Pair]:
    """Yield source and target of each line of columns separated by tabs, without quoting."""
    columns = find_columns(path, context)
    n_needed = 1 + max(columns.src, columns.tgt)
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split("\t")
        if not line:
            raise UserError(f"{path}, line {number} is empty: delete it.")
        if len(cells) < n_needed:
            raise UserError(f"{path}, line {number}: there is no column {n_needed}; source and target are expected.")
        if columns.n_expected not in (None, len(cells)):
            raise UserError(f"{path}, line {number}: {len(cells)} columns, but line 1 has {columns.n_expected}.")
        if number > 1 or not columns.has_header:
            yield cells[columns.src], cells[columns.tgt]


def read_jsonl(path: Path, langs: tuple[str, str]) -> Iterator[Pair]:
    """Yield the two languages of each line, a JSON object."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line:
            raise UserError(f"{path}, line {number} is empty: delete it.")
        try:
            row = json.loads(line)
            sides = row.get("translation", row)
            pair = (sides[langs[0]], sides[langs[1]])
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"{path}, line {number}: not a JSON object with the keys '{langs[0]}' and '{langs[1]}' ({error})."
            ) from None
        if not all(isinstance(side, str) and is_encodable(side) for side in pair):
            raise UserError(f"{path}, line {number}: '{langs[0]}' and '{langs[1]}' must both be text.")
        yield pair
