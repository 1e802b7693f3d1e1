"""Texts of several sentences: split, and joined again with what stood between the sentences."""

import re
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

import regex

from mt.text.languages import plain_language
from mt.text.markup import MARK, find_partners

LIST_MARK = r"(?:[-*•] \[[ xX]\]|[-*•·–—▪●>]|#{1,6}|(?:\d{1,3}\.)*(?:\d{1,3}[.)]|\p{L}\))|\((?:\d{1,3}|\p{L})\))"
"""what can stand before an item of a list, a heading or a quotation"""
ONLY_MARK = regex.compile(rf"\s*{LIST_MARK}\s*")


@dataclass(frozen=True)
class SplitText:
    """A text in sentences. The gaps and sentences joined are the text."""

    sentences: list[str]
    gaps: list[str]
    """white space before each sentence, and after the last; tags around the whole text, too"""

    def join(self, translations: list[str], spaced: bool) -> str:
        """Join the sentences' translations with the same line breaks, and with spaces if the language uses them."""
        parts = []
        for number, (gap, translation) in enumerate(zip(self.gaps, translations, strict=False)):
            if "\n" in gap or number == 0:
                parts.append(gap)
            elif spaced:
                parts.append(gap or " ")
            parts.append(translation)
        return "".join([*parts, self.gaps[-1]])


def split_text(text: str, lang: str) -> SplitText:
    """Split a text with sentencex, which has rules for 300 languages and uses those of a related one for others.

    A text of one sentence stays as it is, with the white space around it. A list mark belongs to what follows.
    """
    sentences, gaps = [], [""]
    for part in (part for line in text.splitlines(keepends=True) for part in parts_of_line(line, lang)):
        sentence = part.strip()
        if not sentence:
            gaps[-1] += part
            continue
        start = part.index(sentence)
        gaps[-1] += part[:start]
        sentences.append(sentence)
        gaps.append(part[start + len(sentence) :])
    return SplitText(sentences, gaps) if len(sentences) > 1 else SplitText([text], ["", ""])


def parts_of_line(line: str, lang: str) -> list[str]:
    """Return the sentences of a line with the white space after each. A list mark, which sentencex takes for a
    sentence, stands with the one after it."""
    from sentencex import segment

    parts: list[str] = []
    for part in segment(plain_language(lang), line):
        if parts and ONLY_MARK.fullmatch(parts[-1]):
            parts[-1] += part
        else:
            parts.append(part)
    return parts


def split_marked(text: str, lang: str) -> SplitText:
    """Split a text with markup, but never between a tag and its other half, unless they enclose the whole text."""
    start, stop = inside_tags(text)
    cuts = [start, *(start + cut for cut in places_to_cut(text[start:stop], lang)), stop]
    if len(cuts) == 2:
        return SplitText([text], ["", ""])
    parts = [text[first:last] for first, last in pairwise(cuts)]
    gaps = [part[: len(part) - len(part.lstrip())] for part in parts]
    last_gap = parts[-1][len(parts[-1].rstrip()) :]
    return SplitText([part.strip() for part in parts], [text[:start] + gaps[0], *gaps[1:], last_gap + text[stop:]])


def inside_tags(text: str) -> tuple[int, int]:
    """Return where the text within the tags that enclose all of it starts and stops."""
    marks = list(MARK.finditer(text))
    partners = find_partners(marks)
    start, stop, first, last = 0, len(text), 0, len(marks) - 1
    while partners.get(first) == last and marks[first].start() == start and marks[last].end() == stop:
        start, stop = marks[first].end(), marks[last].start()
        first, last = first + 1, last - 1
    return start, stop


def places_to_cut(text: str, lang: str) -> list[int]:
    """Return where a text with markup can be divided into sentences: closing tags belong to the sentence before."""
    marks = list(MARK.finditer(text))
    partners = find_partners(marks)
    closing = [marks[number] for number in sorted(partners.values())]
    outermost: list[tuple[int, int]] = []
    for first, last in sorted(partners.items()):
        if not outermost or marks[first].start() >= outermost[-1][1]:
            outermost.append((marks[first].start(), marks[last].end()))
    plain, places = without_marks(text)
    split = split_text(plain, lang)
    cuts, end = [], len(split.gaps[0])
    for sentence, gap in zip(split.sentences[:-1], split.gaps[1:-1], strict=True):
        end += len(sentence)
        start, stop = places[end - 1] + 1, places[end + len(gap)]
        before = bisect_left(closing, stop, key=re.Match.start)
        cut = closing[before - 1].end() if before and closing[before - 1].start() >= start else start
        around = bisect_left(outermost, (cut, 0)) - 1
        if around < 0 or outermost[around][1] <= cut:
            cuts.append(cut)
        end += len(gap)
    return cuts


def without_marks(text: str) -> tuple[str, list[int]]:
    """Return a text without its markup, and where each of its characters stands in `text`."""
    marked = {place for mark in MARK.finditer(text) for place in range(*mark.span())}
    places = [place for place in range(len(text)) if place not in marked]
    return "".join(text[place] for place in places), places
