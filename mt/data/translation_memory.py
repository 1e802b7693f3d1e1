"""What translators have: translation memories (TMX) and bilingual documents (XLIFF 1 and 2), read by translate-toolkit.

A file is read whole, as that library does. What stands for markup in a sentence is left out, the words within it stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec

from mt.errors import UserError
from mt.text.sentences import plain_language

TMX, XLIFF = (".tmx",), (".xlf", ".xliff")
SUFFIXES = TMX + XLIFF
CODES = ("bpt", "ept", "ph", "it", "ut")
"""TMX's elements that hold codes of a document's format, not words"""


def read_memory(path: Path, suffix: str, langs: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The sentences that a file has in both languages.

    Args:
        suffix: one of `SUFFIXES`; `path` may have that of a compression behind it.
        langs: source and target; `en` finds en-US, too, where there is no plain en.

    Raises:
        UserError: the file is damaged, or of other languages, or the library is not there.
    """
    try:
        import lxml.etree as xml
        import translate.storage.lisa  # noqa: F401
    except ImportError:
        raise UserError(f"{path} needs the package translate-toolkit: pip install 'mt[tmx]'.") from None
    with fsspec.open(str(path), "rb", compression="infer") as stream:
        content = stream.read()
    try:
        yield from read_tmx(content, langs) if suffix in TMX else read_xliff(content, langs, path)
    except (xml.LxmlError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None


def read_tmx(content: bytes, langs: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The pairs of a translation memory."""
    import lxml.etree as xml
    from translate.storage.lisa import getXMLlang
    from translate.storage.tmx import tmxfile

    for unit in tmxfile.parsestring(content).units:
        xml.strip_tags(unit.xmlelement, "hi")
        xml.strip_elements(unit.xmlelement, *CODES, with_tail=False)
        texts = {normalised(getXMLlang(node) or ""): unit.getNodeText(node) for node in unit.getlanguageNodes()}
        sides = [text_in(texts, lang) for lang in langs]
        if sides[0] is not None and sides[1] is not None:
            yield sides[0], sides[1]


def read_xliff(content: bytes, langs: tuple[str, str], path: Path) -> Iterator[tuple[str, str]]:
    """The translated pairs of a bilingual document, in the direction that is asked for."""
    from translate.storage.xliff import Xliff1File
    from translate.storage.xliff2 import Xliff2File

    version_2 = re.search(rb"<xliff[^>]*\bversion\s*=\s*[\"']2", content) is not None
    document: Any = (Xliff2File if version_2 else Xliff1File).parsestring(content)
    own = [plain_language(normalised(lang or "")) for lang in (document.sourcelanguage, document.targetlanguage)]
    wanted = [plain_language(normalised(lang)) for lang in langs]
    if own not in (wanted, wanted[::-1]):
        raise UserError(
            f"{path} is from {own[0] or '?'} to {own[1] or '?'}; data.src_lang={langs[0]} and data.tgt_lang={langs[1]} "
            "are wanted."
        )
    for unit in document.units:
        if unit.source and unit.target:
            pair = (one_line(str(unit.source)), one_line(str(unit.target)))
            yield pair if own == wanted else (pair[1], pair[0])


def normalised(lang: str) -> str:
    """A language code in small letters, with a hyphen."""
    return lang.lower().replace("_", "-")


def text_in(texts: dict[str, str | None], lang: str) -> str | None:
    """The text in a language, or in a variant of it."""
    wanted = normalised(lang)
    variants = [text for own, text in texts.items() if plain_language(own) == plain_language(wanted)]
    text = texts.get(wanted) or next(filter(None, variants), None)
    return None if text is None else one_line(text)


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())
