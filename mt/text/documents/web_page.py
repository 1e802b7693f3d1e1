"""Web pages, .html, and pieces of HTML. What stands between the tags of blocks, such as paragraphs, is one text.

A text keeps the inline tags that it has, such as `<b>`. What is not to be translated, such as code, is put aside, and
`<kept-0/>` stands for it. Everything outside the texts stays as it is, to the letter.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mt.runtime.files import decode_utf8
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
    r"""\stranslate\s*=\s*["']?no\b|\sclass\s*=\s*(?:"[^"]*\bnotranslate\b|'[^']*\bnotranslate\b)"""
)
"""attributes of an element that stays as it is"""
KEPT = re.compile(r"<kept-(\d+)/>")


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

    def __init__(self, page: str) -> None:
        self.page = page
        self.passages: list[Passage] = []
        self.texts: list[str] = []
        for passage in divide(page):
            text = self.text_of(passage)
            if any(map(str.isalpha, html.unescape(TAG.sub("", text)))):
                self.passages.append(passage)
                self.texts.append(text.strip())

    def text_of(self, passage: Passage) -> str:
        """Return the text of a passage on one line."""
        parts, start = [], passage.start
        for number, (first, last) in enumerate(passage.kept):
            parts += [self.page[start:first], f"<kept-{number}/>"]
            start = last
        return re.sub(r"\s+", " ", "".join([*parts, self.page[start : passage.end]]))

    def fill(self, translations: Sequence[str]) -> str:
        """Return the page with a translation for each text, between the white space that it has."""
        parts, end = [], 0
        for passage, translation in zip(self.passages, translations, strict=True):
            old = self.page[passage.start : passage.end]
            before, after = len(old) - len(old.lstrip()), len(old.rstrip())
            kept = [self.page[first:last] for first, last in passage.kept]
            new = KEPT.sub(lambda mark, kept=kept: kept[int(mark[1])], translation)  # type: ignore[misc]
            parts += [self.page[end : passage.start], old[:before], new, old[after:]]
            end = passage.end
        return "".join([*parts, self.page[end:]])

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the page in UTF-8."""
        path.write_text(self.fill(translations), encoding="utf-8", newline="")


def read(path: Path) -> WebPage:
    """Read a file."""
    return WebPage(decode_utf8(path.read_bytes(), str(path)))


def divide(page: str) -> list[Passage]:
    """Divide a page at the tags of blocks."""
    passages = [Passage(0, len(page))]
    place = 0
    while tag := TAG.search(page, place):
        place = tag.end()
        name = (tag["name"] or "").lower()
        is_kept = name and not tag["close"] and (name in OPAQUE or UNTRANSLATED.search(tag[0]))
        if is_kept:
            place = end_of(page, tag, name)
        if name in BLOCKS or tag[0].startswith(("<!D", "<!d", "<?")):
            passages[-1].end = tag.start()
            passages.append(Passage(place, len(page)))
        elif is_kept or not name:
            passages[-1].kept.append((tag.start(), place))
    return passages


def end_of(page: str, tag: re.Match[str], name: str) -> int:
    """Return where an element that begins with a tag ends; that of the page, if it has no end."""
    if name in VOID or tag["single"]:
        return tag.end()
    if name in RAW:
        closing = re.compile(rf"</{name}\b[^>]*>", re.IGNORECASE).search(page, tag.end())
        return closing.end() if closing else len(page)
    depth = 1
    for other in TAG.finditer(page, tag.end()):
        if (other["name"] or "").lower() == name and not other["single"]:
            depth += -1 if other["close"] else 1
            if depth == 0:
                return other.end()
    return len(page)
