"""The kinds of documents, by suffix. The module of a kind, and the package that it needs, are imported to read one."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from mt.errors import UserError
from mt.runtime.packages import require_package


class Document(Protocol):
    """A document that has been read."""

    texts: list[str]
    """what is to be translated, in order; it may have markup"""
    is_markup: bool
    """whether all of it is written as markup, so that `&amp;` stands for &"""

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the document with a translation for each text; `spaced`: the language has spaces between words."""


KINDS = {
    ".srt": ("mt.text.documents.subtitles", "srt", "srt"),
    ".po": ("mt.text.documents.catalogue", "polib", "polib"),
    ".docx": ("mt.text.documents.word", "docx", "python-docx"),
    ".html": ("mt.text.documents.web_page", "", ""),
    ".htm": ("mt.text.documents.web_page", "", ""),
    ".xhtml": ("mt.text.documents.web_page", "", ""),
}
"""suffix -> our module, and the module that it needs, if any, with its name for pip"""
MAX_BYTES = 100_000_000
"""largest document, unpacked"""


def is_document(path: Path | None) -> bool:
    """Return whether a file is of such a kind, by its name."""
    return path is not None and path.suffix.lower() in KINDS


def read_document(path: Path) -> Document:
    """Read a document.

    Raises:
        UserError: it is damaged or too large, or a package is missing.
    """
    module, needed, package = KINDS[path.suffix.lower()]
    if needed:
        require_package(needed, path.suffix, package)
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{path} is larger than {MAX_BYTES:,} bytes.")
    loaded: Any = importlib.import_module(module)
    return cast(Document, loaded.read(path))
