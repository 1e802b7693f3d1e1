"""Files that come back translated: plain text, tables, and the documents of `mt translate`."""

from __future__ import annotations

import re
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from mt.errors import UserError
from mt.runtime.files import decode_utf8
from mt.text.documents.kinds import KINDS, Document, read_document

CELLS = {".txt": r"(\r?\n)", ".tsv": r"(\t|\r?\n)"}
"""what separates the texts of a file"""
SUFFIXES = (*CELLS, *KINDS)
MAX_FILE_BYTES = 20_000_000
"""largest file that can be sent"""
MAX_STORED_BYTES = 200_000_000
"""all translated files that wait to be fetched; the oldest are deleted"""


class PlainText:
    """Text, of which every line is translated, or a table, of which every cell is."""

    is_markup = False

    def __init__(self, content: str, separator: str) -> None:
        self.parts = re.split(separator, content)
        self.texts = self.parts[::2]

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the translation."""
        parts = [*self.parts]
        parts[::2] = translations
        path.write_text("".join(parts), encoding="utf-8", newline="")


@dataclass
class TranslatedFiles:
    """The translated files, by keys that nobody can guess."""

    files: OrderedDict[str, tuple[str, bytes]] = field(default_factory=OrderedDict)

    def add(self, name: str, content: bytes) -> str:
        """Keep a file and return its key."""
        key = secrets.token_urlsafe(16)
        self.files[key] = (name, content)
        while len(self.files) > 1 and sum(len(stored) for _, stored in self.files.values()) > MAX_STORED_BYTES:
            self.files.popitem(last=False)
        return key


def read_file(name: str, content: bytes) -> Document:
    """Read a file that was sent.

    Raises:
        UserError: it is of no known kind, or damaged.
    """
    suffix = suffix_of(name)
    if suffix not in SUFFIXES:
        raise UserError(f"'{suffix}' files are not translated, but these: {', '.join(SUFFIXES)}.")
    if suffix in CELLS:
        return PlainText(decode_utf8(content, "FILE"), CELLS[suffix])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        path.write_bytes(content)
        try:
            return read_document(path)
        except UserError as error:
            raise UserError(str(error).replace(str(path), "FILE")) from error


def write_file(document: Document, translations: Sequence[str], suffix: str, spaced: bool) -> bytes:
    """Return a document with its translation."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        document.save(translations, path, spaced)
        return path.read_bytes()


def suffix_of(name: str) -> str:
    """Return the kind of a file."""
    return PurePath(name).suffix.lower()


def translated_name(name: str, target: str) -> str:
    """Return the name of a file in another language: `film.de.srt` for `film.srt`."""
    path = PurePath(name.replace("\\", "/"))
    return f"{path.stem}.{target}{path.suffix}"
