"""Web pages, .html, and pieces of HTML. What stands between the tags of blocks, such as paragraphs, is one text.

A text keeps the inline tags that it has, such as `<b>`. What is not to be translated, such as code, is put aside, and
`<kept-0/>` stands for it. Everything outside the texts stays as it is, to the letter.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mt.runtime.files import decode_utf8, encoding_like
from mt.text.markup import TAG

BLOCKS = frozenset(
    "address article aside blockquote body br button caption center col colgroup dd details dialog div dl dt fieldset "
    "figcaption figure footer form frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html label legend li link main "
    "menu meta nav noframes noscript ol optgroup option p pre script search section select style summary table tbody "
    "td template tfoot th thead title tr ul".split()
)
"""elements that begin and end a text"""
RAW = frozenset(("script", "style", "textarea"))
"""elements in which there are no tags"""
OPAQUE = RAW | frozenset("audio canvas code iframe kbd math object pre samp svg template var video".split())
"""elements that stay as they are"""
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
"""elements without an end"""
UNTRANSLATED = re.compile(
    r"""\stranslate\s*=\s*["']?no\b|\sclass\s*=\s*(?:"[^"]*\bnotranslate\b|'[^']*\bnotranslate\b|notranslate\b)""",
    re.IGNORECASE,
)
"""attributes of an element that stays as it is"""
SPECIAL = (
    ("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?php", "?>"), ("<?=", "?>"), ("<?xml", "?>"), ("<?", ">"), ("<!", ">"),
)  # fmt: skip
"""beginnings and ends of what is no element: comments, sections of characters, instructions and declarations"""
TOKEN = re.compile(rf"(?P<special><[!?])|{TAG.pattern}")
KEPT = re.compile(r"<kept-(\d+)/>")
CHARSET = re.compile(r"""(<(?:meta|\?xml)\b[^<>]*\b(?:charset|encoding)\s*=\s*["']?)[\w.:-]+""", re.IGNORECASE)


@dataclass
class Passage:
    """The text between two tags of blocks."""

    start: int
    end: int
    kept: list[tuple[int, int]] = field(default_factory=list)
    """what stays as it is, in characters of the page"""


class WebPage:
    """A page, and its texts."""

    is_markup = True

    def __init__(self, page: str, encoding: str = "utf-8") -> None:
        self.page = page
        self.encoding = encoding
        self.passages: list[Passage] = []
        self.texts: list[str] = []
        for passage in divide(page):
            text = one_line(self.with_marks(passage))
            if any(map(str.isalpha, html.unescape(TAG.sub("", text)))):
                self.passages.append(passage)
                self.texts.append(text.strip())

    def with_marks(self, passage: Passage) -> str:
        """Return the text of a passage with marks for what stays as it is."""
        parts, start = [], passage.start
        for number, (first, last) in enumerate(passage.kept):
            parts += [self.page[start:first], f"<kept-{number}/>"]
            start = last
        return "".join([*parts, self.page[start : passage.end]])

    def fill(self, translations: Sequence[str]) -> str:
        """Return the page with a translation for each text, between the white space that it has."""
        parts, end = [], 0
        for passage, translation in zip(self.passages, translations, strict=True):
            old = self.page[passage.start : passage.end]
            before, after = len(old) - len(old.lstrip()), len(old.rstrip())
            parts += [self.page[end : passage.start], old[:before], self.restored(passage, translation), old[after:]]
            end = passage.end
        return "".join([*parts, self.page[end:]])

    def restored(self, passage: Passage, translation: str) -> str:
        """Return a translation with its tags as they were written, and with what stays as it is."""
        written: dict[str, list[str]] = {}
        for tag in TAG.finditer(self.with_marks(passage)):
            written.setdefault(one_line(tag[0]), []).append(tag[0])
        kept = [self.page[first:last] for first, last in passage.kept]

        def restore(tag: re.Match[str]) -> str:
            if mark := KEPT.fullmatch(tag[0]):
                return kept[int(mark[1])]
            return written[tag[0]].pop(0) if written.get(tag[0]) else tag[0]

        return TAG.sub(restore, translation)

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the page, which states its encoding if it did so before."""
        content = CHARSET.sub(r"\1utf-8", self.fill(translations))
        path.write_text(content, encoding=self.encoding, newline="")


def read(path: Path) -> WebPage:
    """Read a file; its translation has a byte order mark if the file has one."""
    content = path.read_bytes()
    return WebPage(decode_utf8(content, str(path)), encoding_like(content))


def one_line(text: str) -> str:
    """Return a text with a single space for each piece of white space."""
    return re.sub(r"\s+", " ", text)


def divide(page: str) -> list[Passage]:
    """Divide a page at the tags of blocks."""
    passages = [Passage(0, len(page))]
    unclosed: set[str] = set()
    place = 0
    while token := TOKEN.search(page, place):
        name = (token["name"] or "").lower()
        opens = name and not token["close"]
        is_kept = opens and (name in OPAQUE or name.startswith("kept-") or UNTRANSLATED.search(token[0]))
        if token["special"]:
            place = end_of_special(page, token.start())
        else:
            place = end_of(page, token, name, unclosed) if is_kept else token.end()
        if name in BLOCKS:
            passages[-1].end = token.start()
            passages.append(Passage(place, len(page)))
        elif is_kept or not name:
            passages[-1].kept.append((token.start(), place))
    return passages


def end_of_special(page: str, start: int) -> int:
    """Return where a comment, a declaration or the like ends; that of the page, if it has no end."""
    begin, end = next((begin, end) for begin, end in SPECIAL if page.startswith(begin, start))
    found = page.find(end, start + len(begin))
    return len(page) if found < 0 else found + len(end)


def end_of(page: str, tag: re.Match[str], name: str, unclosed: set[str]) -> int:
    """Return where an element that begins with a tag ends; if it has no end, at the next tag of a block.

    Args:
        unclosed: names of elements that have been found without an end; one more is added here.
    """
    if name in VOID or tag["single"]:
        return tag.end()
    if name in RAW:
        closing = re.compile(rf"</{name}\b[^>]*>", re.IGNORECASE).search(page, tag.end())
        return closing.end() if closing else len(page)
    depth, next_block = 1, len(page)
    for other in TAG.finditer(page, tag.end()):
        own = (other["name"] or "").lower()
        next_block = min(next_block, other.start()) if own in BLOCKS else next_block
        if own == name and not other["single"]:
            depth += -1 if other["close"] else 1
            if depth == 0:
                return other.end()
        if name in unclosed and next_block < len(page):
            break
    unclosed.add(name)
    return next_block
