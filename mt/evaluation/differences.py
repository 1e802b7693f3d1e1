"""Where a translation differs from its reference, word by word."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Span:
    """Some words in a row."""

    text: str
    differs: bool
    """they stand on this side only"""


def differences(reference: str, translation: str, spaced: bool) -> tuple[list[Span], list[Span]]:
    """Both texts in spans that are the same in the other, or not.

    Args:
        spaced: whether spaces separate words; where not, characters are compared.
    """
    separator = " " if spaced else ""
    a, b = (text.split() if spaced else list(text) for text in (reference, translation))
    spans: tuple[list[Span], list[Span]] = ([], [])
    for kind, *places in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for side, words, start, end in zip(spans, (a, b), places[::2], places[1::2], strict=True):
            if start < end:
                side.append(Span(separator.join(words[start:end]), kind != "equal"))
    return spans
