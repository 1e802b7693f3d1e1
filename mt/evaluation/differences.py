"""Word-by-word differences between a translation and its reference."""

from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Span:
    """Consecutive words that all differ, or all agree."""

    text: str
    differs: bool
    """True if only this side has them"""


def differences(reference: str, translation: str, spaced: bool) -> tuple[list[Span], list[Span]]:
    """Divide both texts into spans that the other has or lacks: of words, or of characters if not `spaced`."""
    separator = " " if spaced else ""
    a, b = (text.split() if spaced else list(text) for text in (reference, translation))
    spans: tuple[list[Span], list[Span]] = ([], [])
    for kind, *bounds in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        for side, words, start, end in zip(spans, (a, b), bounds[::2], bounds[1::2], strict=True):
            if start < end:
                side.append(Span(separator.join(words[start:end]), kind != "equal"))
    return spans
