"""Text that a translation copies from the source unchanged: addresses, emoji, numbers, unknown words.

In the text that the model sees, a marker stands for each of them. The vocabulary has a few markers, each a private-use
character, and the model learns from pairs with the same text on both sides to put them in the right place.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Sequence

import regex

from mt.text.casing import lower

MARKERS = tuple(map(chr, range(0xE001, 0xE009)))
"""private-use characters, which normal text does not contain"""
PICTURE = r"\p{Extended_Pictographic}[\uFE0F\p{EMod}]*+"
EMOJI = rf"(?:\p{{RI}}\p{{RI}}|[0-9#*]\uFE0F?\u20E3|{PICTURE}(?:\u200D{PICTURE})*+)"
INSIDE = r"[^\s()<>\"'“”„«»，。；！？、（）]"
"""a character of an address"""
ADDRESS = (
    rf"(?i:https?://|ftp://|www\.)(?:{INSIDE}|\({INSIDE}*\))+(?<![.,;:!?…])"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
)
LETTER = r"[\p{Latin}\p{Cyrillic}\p{Greek}\p{Arabic}\p{Hebrew}\p{M}_]"
NUMBER = (
    rf"(?<!{LETTER}|\d)(?<!\d[.,:/-])(?:\d{{1,4}}+(?:[.,:/-]\d++)++|\d{{3,}}+)"
    rf"(?!{LETTER}|\d|[万亿萬億千百兆])"  # such a number is not written with these digits everywhere
)
POSSIBLE = re.compile(r"[\d@/©®\u20E3-\U0001FFFF]|[wW]{3}\.")
"""a part of every emoji, every number, and nearly every address; most text has none"""
SPAN = regex.compile(rf"{ADDRESS}|{EMOJI}++|{NUMBER}|[{MARKERS[0]}-{MARKERS[-1]}]")
WORD = regex.compile(r"[^\s\p{P}]+")
WORDS_AND_GAPS = regex.compile(r"[^\s\p{P}]+|[\s\p{P}]+")
CHARACTER = regex.compile(r"\X")
"""with its accents, if they are characters of their own"""
INVISIBLE = regex.compile(r"[\u00AD\u200B\u200C\u2060\uFEFF]")
UNCASED = regex.compile(r"\p{Lo}")
"""a letter of a script without capitals, most of which have no spaces between words, so that a word may be a clause"""
MARKER = regex.compile(f"[{MARKERS[0]}-{MARKERS[-1]}]")

Knows = Callable[[str], bool]
"""whether the vocabulary has every character of a text"""


def find_spans(text: str, knows: Knows) -> list[tuple[int, int]]:
    """Return what has to be copied, in order: addresses, emoji, numbers of three digits or more or with separators,
    words with a character that the vocabulary lacks (in scripts without capitals, words of which it has no character),
    and characters that would be taken for markers."""
    spans = [match.span() for match in SPAN.finditer(text)] if POSSIBLE.search(text) else []
    if knows(text):
        return spans
    starts = [start for start, _ in spans]
    apart = []
    for word in WORD.finditer(text):
        before = bisect_left(starts, word.end()) - 1  # the last span that could overlap it
        if (before < 0 or spans[before][1] <= word.start()) and is_unknown(word[0], knows):
            apart.append(word.span())
    return sorted([*spans, *apart])


def respell(text: str, knows: Knows) -> tuple[str, list[int]]:
    """Spell text with invisible characters, ligatures, full-width or decomposed letters as the vocabulary does.

    Returns:
        The new text, and for each of its characters the number of those that it stands for.
    """
    if knows(text):
        return text, [1] * len(text)
    parts: list[str] = []
    lengths: list[int] = []
    old = 0
    for part in WORDS_AND_GAPS.findall(text):
        changes = is_unknown(part, knows) and not is_unknown(normal_form(part), knows)
        for character in CHARACTER.findall(part) if changes else part:
            parts.append(normal_form(character) if changes else character)
            old, new = old + len(character), len(parts[-1])
            if new:  # otherwise, the next character stands for this one, too
                lengths += [*[0] * (new - 1), old]
                old = 0
    return "".join(parts), lengths


def normal_form(text: str) -> str:
    """Return a text in normalisation form NFKC and without invisible characters."""
    return unicodedata.normalize("NFKC", INVISIBLE.sub("", text))


def is_unknown(word: str, knows: Knows) -> bool:
    """Return whether a word has a character, other than a capital, that the vocabulary lacks; if letters have no
    capitals, whether it lacks all of the word."""
    if UNCASED.search(word):
        return not any(map(knows, word))
    return not knows(word) and not knows(lower(word))


def mark(text: str, knows: Knows, markers: Sequence[str]) -> tuple[str, list[str]]:
    """Put a marker in the place of what has to be copied, as long as there are markers; return the text and what the
    markers stand for."""
    copied: list[str] = []
    parts, end = [], 0
    for start, stop in find_spans(text, knows)[: len(markers)]:
        parts += [text[end:start], markers[len(copied)]]
        copied.append(text[start:stop])
        end = stop
    return "".join([*parts, text[end:]]), copied


def mark_pair(src: str, tgt: str, knows: Knows, markers: Sequence[str]) -> tuple[str, str]:
    """Put a marker in the place of what has to be copied and occurs once in the source and once in the target."""
    used = 0
    for copied in [src[start:stop] for start, stop in find_spans(src, knows)]:
        if used < len(markers) and src.count(copied) == 1 == tgt.count(copied):
            target = tgt.index(copied)
            if (target, target + len(copied)) in find_spans(tgt, knows):
                src, tgt = src.replace(copied, markers[used]), tgt.replace(copied, markers[used])
                used += 1
    return src, tgt


def unmark(text: str, copied: Sequence[str], markers: Sequence[str]) -> tuple[str, list[int]]:
    """Put back what markers stand for, each once; return the text, and the indices of what it has no marker for."""
    missing = dict(zip(markers, range(len(copied)), strict=False))

    def put_back(marker: regex.Match[str]) -> str:
        number = missing.pop(marker[0], None)
        return "" if number is None else copied[number]

    return MARKER.sub(put_back, text), sorted(missing.values())
