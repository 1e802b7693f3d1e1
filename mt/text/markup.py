"""Tags and placeholders in a line of text: taken out, and written again.

Tags are found by a pattern. Lines that are only almost XML are the rule here: expat stops at `a < b`, and html.parser
does not say how a closing tag was written.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mt.errors import UserError

ATTRIBUTES = r"(?:\"[^\"]*\"|'[^']*'|[^<>\"'])*?"
MARK = re.compile(
    rf"<(?P<close>/?)(?P<name>[A-Za-z][\w:.-]*)(?=[\s/>]){ATTRIBUTES}(?P<single>/?)>|<!--.{{0,1000}}?-->"
    r"|\$?\{\{?[^{}]*\}?\}|%(?:\d+\$|\([^()\s]*\)|\{[^{}\s]*\})?[sdif@](?!\w)"
)
"""a tag; a placeholder as {name}, {{name}}, ${name}, %s, %1$s, %(name)s"""
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d+|#x[\da-fA-F]+);")
QUOTE = re.compile(r"&(?:quot|apos|#39|#x27);")
DEEPEST = 100
CLOSES = tuple(".,;:!?)]}、。，；：！？）")
OPENS = tuple("([{（")
Span = tuple[int, int]
"""from and to"""


@dataclass
class Element:
    """A tag with what it encloses; or a placeholder, or a lone tag, which enclose nothing."""

    opening: str
    source: Span
    """what it encloses of the plain text, in characters"""
    closing: str = ""
    spaces: tuple[bool, bool] = (True, True)
    """whether there is one before and after it"""
    children: list[Element] = field(default_factory=list)
    target: Span = (0, 0)
    """what it encloses of a translation, in characters"""


@dataclass(frozen=True)
class MarkedText:
    """A text without its tags and placeholders, and these."""

    plain: str
    root: Element
    escaped: bool
    """whether it has `&amp;` for &"""
    quotes: bool
    """whether it has `&quot;` or the like for quotation marks"""


def read_marks(text: str) -> MarkedText:
    """Take tags and placeholders out; a tag whose other half is missing encloses nothing."""
    marks = list(MARK.finditer(text))
    partners = find_partners(marks)
    closers = set(partners.values())
    escaped = ENTITY.search(text) is not None
    plain, places = "", list[int]()
    for number, start in enumerate([0, *(mark.end() for mark in marks)]):
        part = text[start : marks[number].start() if number < len(marks) else len(text)]
        part = re.sub(r"\s+", " ", ENTITY.sub(lambda match: html.unescape(match[0]), part))
        plain, part = without_mark(plain, part, marks[:number], partners)
        places[-1:] = [len(plain)] * (number > 0)
        plain += part
        places.append(len(plain.rstrip()) if number in closers else len(plain))
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
            element = Element(mark[0], (places[number], places[last]), closing, spaces)
            path[-1][0].children.append(element)
            if len(path) > DEEPEST:
                raise UserError(f"Tags are nested more than {DEEPEST} deep: {text[:60]}…")
            path.append((element, last))
    return MarkedText(plain.strip(), root, escaped, QUOTE.search(text) is not None)


def find_partners(marks: Sequence[re.Match[str]]) -> dict[int, int]:
    """Opening and closing tags that belong together, by their numbers."""
    partners: dict[int, int] = {}
    path: list[int] = []
    for number, mark in enumerate(marks):
        if mark["close"]:
            for depth in range(len(path) - 1, -1, -1):
                if marks[path[depth]]["name"] == mark["name"]:
                    partners[path[depth]] = number
                    del path[depth:]
                    break
        elif mark["name"] and not mark["single"]:
            path.append(number)
    return partners


def without_mark(left: str, right: str, marks: Sequence[re.Match[str]], partners: dict[int, int]) -> tuple[str, str]:
    """Two parts of a text, with the spaces that they need without the last of `marks`, which stood between them."""
    if not left or left.endswith(" "):
        right = right.lstrip()
    if not left or not right or not marks:
        return left, right
    number = len(marks) - 1
    encloses = number in partners or number in partners.values()
    if left.endswith(" ") and right.startswith(CLOSES) and not encloses:
        return left[:-1], right
    lone_tag = marks[-1]["name"] and not encloses
    side_by_side = number in partners and number > 0 and marks[-2]["close"] and marks[-2].end() == marks[-1].start()
    if (lone_tag or side_by_side) and right[0].isalnum() and not left.endswith((" ", *OPENS)):  # <br/>, or </p><p>
        right = " " + right
    return left, right


def write_marks(marked: MarkedText, translation: str, spaced: tuple[bool, bool]) -> str:
    """The translation with the elements at their `target`; `spaced`: whether source and target language have spaces."""

    def inside(element: Element, place: int, end: int) -> str:
        result = ""
        for child in sorted(element.children, key=lambda child: child.target):
            first = max(place, child.target[0])
            last = max(first, child.target[1])
            result += translation_text(place, first)
            written, place = child.opening + inside(child, first, last) + child.closing, last
            if spaced[1] and first == last:
                rest = translation[place:end].lstrip()
                place = end - len(rest)
                before, after = gaps(child, result.rstrip(), rest, spaced[0])
                written = before + written + after
                result = result.rstrip()
            result += written
        return result + translation_text(place, end)

    def translation_text(start: int, end: int) -> str:
        part = translation[start:end]
        return html.escape(part, quote=marked.quotes) if marked.escaped else part

    return inside(marked.root, 0, len(translation))


def gaps(element: Element, left: str, right: str, src_spaced: bool) -> tuple[str, str]:
    """The spaces around an element that encloses nothing: as in the source, if that has any.

    A placeholder touches no word. A tag touches both neighbours only where it did so in a language with spaces.
    """
    touches = element.opening.startswith("<") and src_spaced
    before = element.spaces[0] or (not touches and left[-1:].isalnum())
    after = element.spaces[1] or (not touches and right[:1].isalnum())
    return (
        " " * bool(left and before and not left.endswith(OPENS)),
        " " * bool(right and after and not right.startswith(CLOSES)),
    )
