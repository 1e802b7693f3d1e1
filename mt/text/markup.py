"""Inline markup, tags such as `<b>` and placeholders such as `{name}`: taken out of a line of text and put back.

Markup is found with a pattern, because most lines are not well-formed XML: expat stops at `a < b`, and html.parser does
not preserve the spelling of a closing tag.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.entities import html5

from mt.errors import UserError

UNQUOTED = r"(?:[^<>\"'/]|/(?!>))*"
ATTRIBUTES = rf"{UNQUOTED}(?:(?:\"[^\"]*\"|'[^']*'){UNQUOTED}){{0,1000}}"
"""This and all else has bounds, so that no text takes a time that grows with the square of its length."""
TAG = re.compile(rf"<(?P<close>/?)(?P<name>[A-Za-z][\w:.-]*)(?=[\s/>]){ATTRIBUTES}(?P<single>/?)>|<!--.{{0,1000}}?-->")
"""a tag or a short comment"""
WIDTH = r"[-+#0]{0,5}(?:\d{1,20}|\*)?(?:\.(?:\d{1,20}|\*))?"
MARK = re.compile(
    rf"{TAG.pattern}|\$?\{{\{{?[^{{}}]*\}}?\}}|%(?:\d{{1,4}}\$|\([^()\s]*\)|\{{[^{{}}\s]*\}})?{WIDTH}"
    r"(?:hh?|ll?|[jztL])?[sdifuxXoceEgGp@](?![A-Za-z0-9_À-ɏ])|%%"
)
"""a tag, or a placeholder such as {name}, {{name}}, ${name}, %s, %1$s, %(name)s, %5.2f, %ld, %%"""
ENTITY = re.compile(r"&(?:[A-Za-z]\w*|#\d+|#x[\da-fA-F]+);")
QUOTE = re.compile(r"&(?:quot|apos|#39|#x27);")
MAX_DEPTH = 100
CLOSES = tuple(".,;:!?)]}、。，；：！？）")
OPENS = tuple("([{（")
Span = tuple[int, int]
"""start and end, in characters or words"""


@dataclass
class Element:
    """A pair of tags with the text between them; or a placeholder or a single tag, which encloses nothing."""

    opening: str
    source: Span
    """the enclosed part of the plain source text, in characters"""
    closing: str = ""
    spaces: tuple[bool, bool] = (True, True)
    """True if the source has a space before and after it"""
    children: list[Element] = field(default_factory=list)
    target: Span = (0, 0)
    """the enclosed part of a translation, in characters"""


@dataclass(frozen=True)
class MarkedText:
    """A text without its markup, and the markup."""

    plain: str
    root: Element
    escaped: bool
    """True if the text has entities such as `&amp;` for &"""
    quotes: bool
    """True if quotation marks are entities such as `&quot;`"""


def decode_entity(match: re.Match[str]) -> str:
    """Return the character of an entity; what only looks like one, as in `A&B;`, stays."""
    name = match[0][1:]
    return html.unescape(match[0]) if name.startswith("#") or name in html5 else match[0]


def join_tags(text: str) -> str:
    """Return a text in which no tag has a line break."""
    return MARK.sub(lambda mark: " ".join(mark[0].split("\n")) if mark[0].startswith("<") else mark[0], text)


def read_marks(text: str) -> MarkedText:
    """Separate a text from its markup; a tag whose other half is missing encloses nothing."""
    marks = list(MARK.finditer(text))
    partners = find_partners(marks)
    closers = set(partners.values())
    plain, offsets = strip_marks(text, marks, partners)
    root = Element("", (0, len(plain)))
    path = [(root, len(marks))]
    for number, mark in enumerate(marks):
        while path[-1][1] <= number:
            path.pop()
        if number not in closers:
            last = partners.get(number, number)
            before, after = text[: mark.start()], text[marks[last].end() :]
            spaces = (not before or before[-1].isspace(), not after or after[0].isspace())
            closing = marks[last][0] if last > number else ""
            element = Element(mark[0], (offsets[number], offsets[last]), closing, spaces)
            path[-1][0].children.append(element)
            if len(path) > MAX_DEPTH:
                raise UserError(f"Tags are nested more than {MAX_DEPTH} deep: {text[:60]}…")
            path.append((element, last))
    escaped = ENTITY.sub(decode_entity, text) != text
    return MarkedText(plain.strip(), root, escaped, QUOTE.search(text) is not None)


def strip_marks(text: str, marks: Sequence[re.Match[str]], partners: dict[int, int]) -> tuple[str, list[int]]:
    """Return the text without its marks, and the offset in it at which each mark stood."""
    closers = set(partners.values())
    plain, offsets = "", list[int]()
    for number, start in enumerate([0, *(mark.end() for mark in marks)]):
        part = text[start : marks[number].start() if number < len(marks) else len(text)]
        part = re.sub(r"\s+", " ", ENTITY.sub(decode_entity, part))
        plain, part = without_mark(plain, part, marks, number - 1, (partners, closers))
        if number:
            offsets[-1] = len(plain)
        plain += part
        offsets.append(len(plain.rstrip()) if number in closers else len(plain))
    return plain, offsets


def find_partners(marks: Sequence[re.Match[str]]) -> dict[int, int]:
    """Return the closing tag of each opening tag that has one, both by number."""
    partners: dict[int, int] = {}
    path: list[int] = []
    open_of: dict[str, list[int]] = defaultdict(list)
    """the tags of `path` by their names"""
    for number, mark in enumerate(marks):
        name = mark["name"]
        if mark["close"] and open_of[name]:
            opening = open_of[name][-1]
            partners[opening] = number
            while open_of[name] and open_of[name][-1] == opening:  # what stands inside without an end has none
                open_of[marks[path.pop()]["name"]].pop()
        elif name and not mark["close"] and not mark["single"]:
            path.append(number)
            open_of[name].append(number)
    return partners


def without_mark(
    left: str, right: str, marks: Sequence[re.Match[str]], number: int, pairs: tuple[dict[int, int], set[int]]
) -> tuple[str, str]:
    """Return the texts before and after a mark, with the spaces corrected for its removal.

    Args:
        number: of the mark; -1 at the beginning of the text.
        pairs: the closing tag of each opening one, and all closing tags.
    """
    if not left or left.endswith(" "):
        right = right.lstrip()
    if not left or not right or number < 0:
        return left, right
    partners, closers = pairs
    encloses = number in partners or number in closers
    if left.endswith(" ") and right.startswith(CLOSES) and not encloses:
        return left[:-1], right
    single_tag = marks[number]["name"] and not encloses
    before = marks[number - 1]
    side_by_side = number in partners and number > 0 and before["close"] and before.end() == marks[number].start()
    if (single_tag or side_by_side) and right[0].isalnum() and not left.endswith((" ", *OPENS)):  # <br/>, or </p><p>
        right = " " + right
    return left, right


def write_marks(marked: MarkedText, translation: str, spaced: tuple[bool, bool]) -> str:
    """Return a translation with the elements at their `target` spans.

    Args:
        spaced: True for the source, and for the target, if the language has spaces between words.
    """

    def inside(element: Element, start: int, end: int) -> str:
        result = ""
        for child in sorted(element.children, key=lambda child: child.target):
            first = min(max(start, child.target[0]), end)
            last = min(max(first, child.target[1]), end)
            result += translation_text(start, first)
            written, start = child.opening + inside(child, first, last) + child.closing, last
            if spaced[1] and first == last:
                rest = translation[start:end].lstrip()
                start = end - len(rest)
                before, after = gaps(child, result.rstrip(), rest, spaced[0])
                written = before + written + after
                result = result.rstrip()
            result += written
        return result + translation_text(start, end)

    def translation_text(start: int, end: int) -> str:
        part = translation[start:end]
        return html.escape(part, quote=marked.quotes) if marked.escaped else part

    return inside(marked.root, 0, len(translation))


def gaps(element: Element, left: str, right: str, src_spaced: bool) -> tuple[str, str]:
    """Return the spaces before and after an element that encloses nothing: those of the source, if it has any.

    A placeholder never touches a word. A tag touches a word only if it did so in a source language with spaces.
    """
    touches = element.opening.startswith("<") and src_spaced
    before = element.spaces[0] or (not touches and left[-1:].isalnum())
    after = element.spaces[1] or (not touches and right[:1].isalnum())
    return (
        " " if left and before and not left.endswith(OPENS) else "",
        " " if right and after and not right.startswith(CLOSES) else "",
    )
