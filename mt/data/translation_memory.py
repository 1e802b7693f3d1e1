"""Translators' formats, read by translate-toolkit: translation memories (TMX) and bilingual documents (XLIFF 1 and 2).

The library reads a file whole. Codes such as <ph> are dropped with their content; <hi> and <g> keep their text.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec

from mt.errors import UserError
from mt.runtime.packages import require_package
from mt.text.language_names import same_language
from mt.text.languages import plain_language

TMX, XLIFF = (".tmx",), (".xlf", ".xliff")
SUFFIXES = TMX + XLIFF
CODES = ("bpt", "ept", "ph", "it", "ut")
"""elements of TMX and XLIFF 1 that hold codes of a document's format instead of words"""


def read_memory(path: Path, suffix: str, langs: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the sentences that a file has in both languages; `en` also matches en-US if there is no plain en."""
    require_package("translate", str(path), "translate-toolkit")
    import lxml.etree as xml

    try:
        with fsspec.open(str(path), "rb", compression="infer") as stream:
            content = stream.read()
        yield from read_tmx(content, langs, path) if suffix in TMX else read_xliff(content, langs, path)
    except (xml.LxmlError, ValueError, EOFError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None


def read_tmx(content: bytes, langs: tuple[str, str], path: Path) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a translation memory."""
    import lxml.etree as xml
    from translate.storage.lisa import getXMLlang
    from translate.storage.tmx import tmxfile

    any_code = not same_language(*langs)
    found: dict[str, None] = {}
    is_empty = True
    for unit in tmxfile.parsestring(content).units:
        xml.strip_tags(unit.xmlelement, "hi")
        xml.strip_elements(unit.xmlelement, *CODES, with_tail=False)
        texts = {normalise(getXMLlang(node) or ""): unit.getNodeText(node) for node in unit.getlanguageNodes()}
        found |= dict.fromkeys(texts)
        sides = [find_text(texts, lang, any_code) for lang in langs]
        if sides[0] is not None and sides[1] is not None:
            is_empty = False
            yield sides[0], sides[1]
    if is_empty:
        languages = ", ".join(lang or "?" for lang in found) or "none"
        raise UserError(f"{path} has no text in both {langs[0]} and {langs[1]}; its languages: {languages}.")


def read_xliff(content: bytes, langs: tuple[str, str], path: Path) -> Iterator[tuple[str, str]]:
    """Yield the translated pairs of a bilingual document, in the direction of `langs`."""
    import lxml.etree as xml
    from translate.storage.xliff import Xliff1File
    from translate.storage.xliff2 import Xliff2File

    version_2 = re.search(rb"<xliff[^>]*\bversion\s*=\s*[\"']2", content) is not None
    document: Any = (Xliff2File if version_2 else Xliff1File).parsestring(content)
    own = [normalise(lang or "") for lang in (document.sourcelanguage, document.targetlanguage)]
    is_forward, is_backward = (list(map(plain_language, own)) == list(map(plain_language, wanted))
                               for wanted in (langs, langs[::-1]))  # fmt: skip
    if not is_forward and not is_backward:  # perhaps by other codes
        is_forward, is_backward = (all(map(same_language, own, wanted)) for wanted in (langs, langs[::-1]))
    if not is_forward and not is_backward:
        raise UserError(
            f"{path} is from {own[0] or '?'} to {own[1] or '?'}, but the configuration has "
            f"data.src_lang={langs[0]} and data.tgt_lang={langs[1]}."
        )
    for unit in document.units:
        xml.strip_elements(unit.xmlelement, *(f"{{*}}{code}" for code in CODES), with_tail=False)
        if unit.source and unit.target:
            pair = (collapse_spaces(str(unit.source)), collapse_spaces(str(unit.target)))
            yield pair if is_forward else (pair[1], pair[0])


def normalise(lang: str) -> str:
    """Return a language code in lower case with hyphens."""
    return lang.lower().replace("_", "-")


def find_text(texts: dict[str, str | None], lang: str, any_code: bool) -> str | None:
    """Return the text in a language or in a variant of it; None if there is none.

    Args:
        any_code: whether other codes of the language count, such as `swa` for `sw`.
    """
    wanted = normalise(lang)
    variants = [text for own, text in texts.items() if plain_language(own) == plain_language(wanted)]
    others = [text for own, text in texts.items() if any_code and same_language(own, wanted)]
    text = texts.get(wanted) or next(filter(None, [*variants, *others]), None)
    return None if text is None else collapse_spaces(text)


def collapse_spaces(text: str) -> str:
    """Replace each run of white space, line breaks included, with one space, and strip both ends."""
    return " ".join(text.split())
