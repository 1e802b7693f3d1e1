"""What `mt translate` reads: lines of text, or one column of a table, of which the other columns stay as they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mt.data.sources import plain_suffix
from mt.display.terminal import is_text
from mt.errors import UserError


class Rows(Protocol):
    """How a text is found in a line of a file, and its translation put there."""

    def text(self, line: str, number: int) -> str:
        """The text to translate.

        Raises:
            UserError: there is none; `number` is the line's.
        """

    def filled(self, line: str, translation: str) -> str:
        """The line with the translation in place of the text."""


class PlainRows:
    """The line is the text."""

    def text(self, line: str, number: int) -> str:
        """As `Rows.text`."""
        return line

    def filled(self, line: str, translation: str) -> str:
        """As `Rows.filled`."""
        return translation


@dataclass(frozen=True)
class TsvRows:
    """Columns with tabs between them, no quoting."""

    column: int
    """counted from 1"""

    def text(self, line: str, number: int) -> str:
        """As `Rows.text`."""
        columns = line.split("\t")
        if not line:
            return ""
        if len(columns) < self.column:
            raise UserError(f"--input, line {number}: {len(columns)} columns; there is no column {self.column}.")
        return columns[self.column - 1]

    def filled(self, line: str, translation: str) -> str:
        """As `Rows.filled`."""
        if not line:
            return ""
        columns = line.split("\t")
        columns[self.column - 1] = translation.replace("\t", " ")
        return "\t".join(columns)


@dataclass(frozen=True)
class JsonRows:
    """A JSON object a line."""

    key: str

    def text(self, line: str, number: int) -> str:
        """As `Rows.text`."""
        if not line:
            return ""
        try:
            row: Any = json.loads(line)
            text = row[self.key]
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise UserError(f"--input, line {number}: not a JSON object with the key '{self.key}' ({error}).") from None
        if not isinstance(text, str):
            raise UserError(f"--input, line {number}: '{self.key}' must be text.")
        return text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text

    def filled(self, line: str, translation: str) -> str:
        """As `Rows.filled`."""
        if not line:
            return ""
        row = json.loads(line)
        row[self.key] = translation
        filled = json.dumps(row, ensure_ascii=False)
        return filled if is_text(filled) else json.dumps(row)


def rows_of(path: Path | None, column: str | None) -> Rows:
    """How to read a file, by its suffix and `--column`.

    Raises:
        UserError: they do not go together.
    """
    suffix = plain_suffix(path) if path else ""
    if suffix == ".jsonl" and column:
        return JsonRows(column)
    if suffix == ".tsv" and column:
        if not (column.isascii() and column.isdigit()) or int(column) < 1:
            raise UserError(f"--column {column}: the columns of a .tsv file are counted from 1.")
        return TsvRows(int(column))
    if column:
        raise UserError("--column is for --input FILE.tsv or FILE.jsonl.")
    return PlainRows()
