"""The plain form of a text, which a model translates best, and the way back.

Around the text, list marks, emoji and quotation marks are taken off. In it, capitals become lower case, and markers
stand for what is to be copied. The translation is then written as the source was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from mt.text.casing import Casing, find_casing, lower
from mt.text.copying import EMOJI, Knows, mark, respell, unmark
from mt.text.sentences import LIST_MARK

QUOTES = {
    '"': '"', "'": "'", "“": "”", "”": "”", "„": "“”", "‘": "’", "‚": "‘’", "«": "»", "»": "«", "‹": "›", "›": "‹",
    "「": "」", "『": "』", "《": "》",
}  # fmt: skip
"""opening quotation marks, and the marks that close each"""
Span = tuple[int, int]
"""start and end, in characters"""
START = regex.compile(rf"\s*(?:{LIST_MARK}\s+)?(?:{EMOJI}|\s)*")
END = regex.compile(rf"(?r)(?:{EMOJI}|\s)*$")  # (?r): from the end


@dataclass(frozen=True)
class PlainForm:
    """The text that the model translates, and the parts that are put back."""

    text: str
    before: str = ""
    after: str = ""
    casing: Casing = Casing.plain
    copied: Sequence[str] = ()
    markers: Sequence[str] = ()
    """one marker for each copied part, or more markers"""
    lengths: Sequence[int] = ()
    """how many characters of the source each of `text` stands for; empty: one each"""
    tgt_lang: str = ""

    def restore(self, translation: str) -> str:
        """Write a translation of `text` as the source was written; what it has no marker for stands at its end."""
        if not self.text:
            return self.before + self.after
        text, missing = self.write(translation)
        return self.before + " ".join([*([text] if text else []), *(self.copied[i] for i in missing)]) + self.after

    def write(self, translation: str) -> tuple[str, list[int]]:
        """Write a translation of `text` in the casing of the source and with what is copied; return it, and the
        indices of what it has no marker for."""
        return unmark(self.casing.apply(translation, self.tgt_lang), self.copied, self.markers)

    def restored_span(self, translation: str, span: Span) -> Span:
        """Return where a part of a translation of `text` is in the restored one."""
        prefixes = (self.write(translation[:end])[0] for end in span)
        start, end = (len(self.before) + len(prefix) for prefix in prefixes)
        return start, end

    def missing_spans(self, translation: str) -> list[tuple[Span, Span]]:
        """Return where what the translation has no marker for is in `text`, and where it is in what is restored."""
        text, missing = self.write(translation)
        spans, end = [], len(self.before) + len(text) + bool(text)
        for number in missing:
            place = self.text.index(self.markers[number])
            spans.append(((place, place + 1), (end, end + len(self.copied[number]))))
            end += len(self.copied[number]) + 1
        return spans

    def source_span(self, span: Span) -> Span:
        """Return where a part of `text` is in the source."""
        start, end = (len(self.before) + (sum(self.lengths[:place]) if self.lengths else place) for place in span)
        return start, end


def to_plain(text: str, knows: Knows, markers: Sequence[str], langs: tuple[str, str] = ("", "")) -> PlainForm:
    """Return the plain form of a text. If nothing in it can be translated, that is empty, and all is put back.

    Args:
        knows: whether the vocabulary has every character of a text.
        markers: pieces of the vocabulary that can stand for what is copied.
        langs: source and target language, whose rules for capitals are followed.
    """
    before, core, after = take_off(text)
    core, lengths = respell(core, knows)
    rest, _ = mark(core, knows, [""] * len(core))
    if not any(map(str.isalpha, rest)):
        return PlainForm("", text.strip())
    marked, copied = mark(core, knows, markers)
    casing = find_casing(marked)
    plain = marked if casing is Casing.plain else lower(marked, langs[0])
    lengths = marked_lengths(lengths, marked, copied, markers)
    return PlainForm(plain, before, after, casing, copied, markers, lengths, langs[1])


def marked_lengths(lengths: Sequence[int], marked: str, copied: Sequence[str], markers: Sequence[str]) -> list[int]:
    """Return how many characters of the source each of `marked` stands for; `lengths` are those without markers."""
    places = dict(zip(markers, map(len, copied), strict=False))
    found, start = [], 0
    for character in marked:
        end = start + places.pop(character, 1)
        found.append(sum(lengths[start:end]))
        start = end
    return found


def take_off(text: str) -> tuple[str, str, str]:
    """Return what stands before a text, the text, and what stands after it."""
    start = START.match(text)
    first = start.end() if start else 0
    end = END.search(text, first)
    last = end.start() if end else len(text)
    closing = QUOTES.get(text[first : first + 1], "")
    if last - first > 2 and text[last - 1] in closing and not set(text[first + 1 : last - 1]) & {text[first], *closing}:
        first, last = first + 1, last - 1
    return text[:first].lstrip(), text[first:last], text[last:].rstrip()
