"""Word documents, .docx. Text that is formatted in another way than the rest of its paragraph becomes a tag.

A paragraph is divided at tabs and line breaks. A part of several runs is translated as `Text in one run, <r1>in
another</r1>, and <r2/>`, where r2 is anything but plain text, such as a picture or a field. All runs but those of the
most frequent format get a tag, so that their text keeps its format where it has moved to.
"""

import html
import re
import zipfile
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docx
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from lxml.etree import LxmlError

from mt.errors import UserError
from mt.text.documents.kinds import MAX_BYTES

RUN, TEXT, FORMAT, FIELD = (qn(f"w:{name}") for name in ("r", "t", "rPr", "fldChar"))
TEXTS = (TEXT, qn("w:noBreakHyphen"))
NO_BREAK_HYPHEN = "\u2011"
LINKS = tuple(qn(f"w:{name}") for name in ("hyperlink", "dir", "bdo"))
"""what holds runs and is a format of its own: links, and text of another direction"""
WRAPPERS = (qn("w:smartTag"), qn("w:customXml"))
"""what holds runs and is not seen"""
BETWEEN = (qn("w:tab"), qn("w:br"), qn("w:cr"))
"""what divides a paragraph into parts that are translated alone"""
IGNORED = tuple(qn(f"w:{name}") for name in ("pPr", "proofErr"))
STARTS = tuple(qn(f"w:{name}Start") for name in ("bookmark", "commentRange"))
ENDS = tuple(qn(f"w:{name}End") for name in ("bookmark", "commentRange"))
"""bounds of ranges, which come to enclose the whole part that they are in"""
PROPERTIES = (qn("w:smartTagPr"), qn("w:customXmlPr"))
INVISIBLE = (qn("w:lang"), qn("w:noProof"))
"""formats that only the spelling checker sees"""
PAGE_BREAK = qn("w:lastRenderedPageBreak")
PAGES = tuple(f"{page}{part}" for page in ("", "first_page_", "even_page_") for part in ("header", "footer"))
"""the properties of a section"""
TAG = re.compile(r"<(/?)r(\d+)(/?)>")
MAX_XML_TAGS = 1_000_000
"""tags in all parts together, some 500 pages of text in several formats"""


@dataclass
class Inline:
    """A part of a paragraph: text of one format, or something without text."""

    elements: list[Any]
    text: str | None
    """None: without text, such as a picture or a field"""

    @property
    def is_between(self) -> bool:
        """True for a tab or a line break."""
        return any(child.tag in BETWEEN for child in self.elements[0])

    @property
    def format(self) -> str:
        """A text that is equal for equal formats; a link is a format of its own."""
        element = self.elements[0]
        if element.tag != RUN:
            return str(id(element))
        return "".join(style.xml for style in element.iterfind(f"{FORMAT}/*") if style.tag not in INVISIBLE)

    def with_text(self, text: str) -> Any:
        """Return a copy with another text."""
        copy = deepcopy(self.elements[0])
        runs = [copy] if copy.tag == RUN else [run for run in copy.findall(RUN) if not is_empty(run)]
        for run in runs[1:]:
            run.getparent().remove(run)
        for old in [child for child in runs[0] if child.tag in TEXTS]:
            runs[0].remove(old)
        runs[0].add_t(text)
        return copy


class Passage:
    """A paragraph, or a part of one between tabs and line breaks, and the text that stands for it."""

    def __init__(self, inlines: list[Inline]) -> None:
        self.inlines = inlines
        lengths: dict[str, int] = {}
        for inline in self.inlines:
            if inline.text is not None and inline.elements[0].tag == RUN:
                lengths[inline.format] = lengths.get(inline.format, 0) + len(inline.text)
        self.usual = max(lengths, key=lambda format: lengths[format], default=None)
        self.plain = len(self.inlines) == 1 and self.usual is not None

    @property
    def text(self) -> str:
        """Return the text; empty if there is nothing to translate."""
        if not any((inline.text or "").strip() for inline in self.inlines):
            return ""
        if self.plain:
            return self.inlines[0].text or ""
        return "".join(self.tagged(number, inline) for number, inline in enumerate(self.inlines))

    def tagged(self, number: int, inline: Inline) -> str:
        """Return the text of a part, in a tag unless it has the usual format."""
        if inline.text is None:
            return f"<r{number}/>"
        text = html.escape(inline.text, quote=False)
        return text if inline.format == self.usual else f"<r{number}>{text}</r{number}>"

    def fill(self, translation: str) -> None:
        """Replace the text, between the spaces that it has."""
        start, end = len(self.text) - len(self.text.lstrip()), len(self.text.rstrip())
        translation = self.text[:start] + translation.strip() + self.text[end:]
        old = [element for inline in self.inlines for element in inline.elements]
        new = [self.inlines[0].with_text(translation)] if self.plain else list(self.pieces(translation))
        first, last = OxmlElement("w:r"), OxmlElement("w:r")
        old[0].addprevious(first)
        old[-1].addnext(last)
        for element in list(first.itersiblings()):
            if element is last:
                break
            if element.tag in STARTS:
                first.addprevious(element)
            elif element.tag in ENDS:
                last.addnext(element)
        for element in old:
            element.getparent().remove(element)
        for element in new:
            first.addprevious(element)
        for element in (first, last):
            element.getparent().remove(element)

    def pieces(self, translation: str) -> Iterator[Any]:
        """Yield the elements of a translation with tags."""
        with_text = [inline for inline in self.inlines if inline.text is not None]
        outside = next((inline for inline in with_text if inline.format == self.usual), with_text[0])
        inside, start = outside, 0
        for tag in [*TAG.finditer(translation), None]:
            text = html.unescape(translation[start : tag.start() if tag else len(translation)])
            if text:
                yield inside.with_text(text)
            if tag is None:
                return
            start, named = tag.end(), self.inlines[int(tag[2])]
            if tag[3]:
                yield from named.elements
            else:
                inside = outside if tag[1] else named


class WordDocument:
    """A document: the paragraphs of its body, tables, text boxes, headers and footers."""

    is_markup = False

    def __init__(self, document: Any) -> None:
        self.document = document
        pages = [getattr(section, name) for section in document.sections for name in PAGES]
        # by their parts, because sections may share them
        own = {page.part.partname: page._element for page in pages if not page.is_linked_to_previous}
        parts = [document.element.body, *own.values()]
        paragraphs = [element for part in parts for element in list(part.iter(qn("w:p")))]
        passages = [passage for element in paragraphs for passage in passages_of(element)]
        self.passages = [passage for passage in passages if passage.text]
        self.texts = [passage.text.strip() for passage in self.passages]

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the document."""
        for passage, translation in zip(self.passages, translations, strict=True):
            passage.fill(translation)
        self.document.save(str(path))


def read(path: Path) -> WordDocument:
    """Read a file."""
    try:
        check_size(path)
        document = docx.Document(str(path))
        if getattr(document.element, "body", None) is None:
            raise ValueError("it has no text")
        return WordDocument(document)
    except (zipfile.BadZipFile, PackageNotFoundError, KeyError, ValueError, SyntaxError, LxmlError) as error:
        raise UserError(f"{path} is not a Word document, or is damaged: {error}") from error


def check_size(path: Path) -> None:
    """Raise `UserError` for a document that would take too much memory: an element takes up to 100 times its bytes."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_BYTES:
            raise UserError(f"{path} is larger than {MAX_BYTES:,} bytes when it is unpacked.")
        texts = (archive.read(entry) for entry in entries if entry.filename.lower().endswith((".xml", ".rels")))
        if sum(text.count(b"<") for text in texts) > MAX_XML_TAGS:
            raise UserError(f"{path} has more than {MAX_XML_TAGS:,} tags of XML.")


def passages_of(paragraph: Any) -> Iterator[Passage]:
    """Yield the passages of a paragraph."""
    divide_runs(paragraph)
    passage: list[Inline] = []
    for inline in find_inlines(paragraph):
        if inline.is_between:
            yield Passage(merged(passage))
            passage = []
        else:
            passage.append(inline)
    yield Passage(merged(passage))


def divide_runs(paragraph: Any) -> None:
    """Divide runs of the paragraph so that each holds text, or one other thing, such as a tab."""
    for wrapper in list(paragraph.iter(*WRAPPERS))[::-1]:  # the inner ones first
        for child in [child for child in wrapper if child.tag not in PROPERTIES]:
            wrapper.addprevious(child)
        wrapper.getparent().remove(wrapper)
    for run in paragraph.findall(RUN):
        contents = [child for child in run if child.tag not in (FORMAT, PAGE_BREAK)]
        for content in contents[:-1]:  # the last one stays in the run
            part = OxmlElement("w:r")
            part.extend([deepcopy(style) for style in run.findall(FORMAT)])
            part.append(content)
            run.addprevious(part)


def find_inlines(paragraph: Any) -> Iterator[Inline]:
    """Yield the parts of a paragraph; a field, from its begin to its end, is one without text."""
    field: list[Any] = []
    depth = 0
    for child in paragraph:
        if child.tag in (*IGNORED, *STARTS, *ENDS) or is_empty(child):
            continue
        kinds = [mark.get(qn("w:fldCharType")) for mark in child.iter(FIELD)]
        depth = max(0, depth + kinds.count("begin") - kinds.count("end"))
        if field or kinds:
            field.append(child)
            if depth == 0:
                yield Inline(field, None)
                field = []
        else:
            yield Inline([child], plain_text(child))
    if field:
        yield Inline(field, None)


def is_empty(element: Any) -> bool:
    """Return whether an element is a run without content."""
    return element.tag == RUN and all(child.tag in (FORMAT, PAGE_BREAK) for child in element)


def plain_text(element: Any) -> str | None:
    """Return the text of a run, or of a link whose runs hold nothing but text; None for anything else."""
    runs = [element] if element.tag == RUN else list(element) if element.tag in LINKS else []
    runs = [run for run in runs if run.tag not in (*IGNORED, *STARTS, *ENDS) and not is_empty(run)]
    if not runs or any(run.tag != RUN for run in runs):
        return None
    contents = [child for run in runs for child in run if child.tag not in (FORMAT, PAGE_BREAK)]
    if not contents or any(child.tag not in TEXTS for child in contents):
        return None
    return "".join(NO_BREAK_HYPHEN if child.tag != TEXT else child.text or "" for child in contents)


def merged(inlines: list[Inline]) -> list[Inline]:
    """Join neighbouring runs of one format, into which Word divides text as it is edited."""
    result: list[Inline] = []
    for inline in inlines:
        last = result[-1] if result else None
        if last and last.text is not None and inline.text is not None and last.format == inline.format:
            last.text += inline.text
            last.elements += inline.elements
        else:
            result.append(inline)
    return result
