"""Input of `mt translate`: lines of text, or one column of a table whose other columns are kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mt.errors import UserError
from mt.runtime.files import plain_suffix
from mt.text.characters import is_encodable
from mt.text.documents.kinds import KINDS

NOT_LINES = (
    ".ass", ".csv", ".doc", ".epub", ".json", ".odt", ".pdf", ".pot", ".properties", ".resx", ".rtf", ".sbv", ".ssa",
    ".strings", ".svg", ".tmx", ".ts", ".vtt", ".xlf", ".xliff", ".xml", ".yaml", ".yml",
)  # fmt: skip
"""suffixes of files that are not lines of text"""


class Rows(Protocol):
    """A way to find the text in a line of a file, and to replace it by its translation."""

    def text(self, line: str, number: int) -> str:
        """Return the text to translate; `number` is that of the line, for messages."""

    def fill(self, line: str, translation: str) -> str:
        """Return the line with the translation instead of the text."""


class PlainRows:
    """Plain lines: the whole line is the text to translate."""

    def text(self, line: str, number: int) -> str:
        """Return the line."""
        return line

    def fill(self, line: str, translation: str) -> str:
        """Return the translation."""
        return translation


@dataclass(frozen=True)
class TsvRows:
    """Lines of columns separated by tabs, without quoting."""

    column: int
    """counted from 1"""

    def text(self, line: str, number: int) -> str:
        """Return the column; an empty line has an empty text."""
        columns = line.split("\t")
        if line and len(columns) < self.column:
            raise UserError(f"--input, line {number}: {len(columns)} columns; there is no column {self.column}.")
        return columns[self.column - 1] if line else ""

    def fill(self, line: str, translation: str) -> str:
        """Return the line with the translation in the column."""
        if not line:
            return ""
        columns = line.split("\t")
        columns[self.column - 1] = translation.replace("\t", " ")
        return "\t".join(columns)


@dataclass(frozen=True)
class JsonRows:
    """Lines that are JSON objects."""

    key: str

    def text(self, line: str, number: int) -> str:
        """Return the value of the key; an empty line has an empty text."""
        if not line:
            return ""
        try:
            row: Any = json.loads(line)
            text = row[self.key]
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise UserError(f"--input, line {number}: not a JSON object with the key '{self.key}' ({error}).") from None
        if not isinstance(text, str):
            raise UserError(f"--input, line {number}: '{self.key}' must be text.")
        return text.encode("utf-8", "replace").decode()  # a lone surrogate cannot be written

    def fill(self, line: str, translation: str) -> str:
        """Return the object with the translation as the value of the key."""
        if not line:
            return ""
        row = json.loads(line)
        row[self.key] = translation
        filled = json.dumps(row, ensure_ascii=False)
        return filled if is_encodable(filled) else json.dumps(row)


def choose_rows(path: Path | None, column: str | None) -> Rows:
    """Choose how to read a file by its suffix and `--column`."""
    suffix = plain_suffix(path) if path else ""
    if suffix == ".jsonl" and column:
        return JsonRows(column)
    if suffix == ".tsv" and column:
        if not (column.isascii() and column.isdigit()) or int(column) < 1:
            raise UserError(f"--column {column}: the columns of a .tsv file are counted from 1.")
        return TsvRows(int(column))
    if column:
        raise UserError("--column needs --input FILE.tsv or FILE.jsonl.")
    if suffix in (".tsv", ".jsonl"):
        raise UserError(f"--input {path}: say which column is to be translated with --column.")
    if suffix in NOT_LINES:
        raise UserError(
            f"--input {path}: the lines of {suffix} files are not plain text. {', '.join(KINDS)} files are translated, "
            f"and columns of .tsv and .jsonl. To translate every line all the same, give it as standard input: < {path}"
        )
    return PlainRows()
