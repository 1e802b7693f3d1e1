"""Subtitles, .srt. A subtitle of two lines is translated as one text, and divided into two lines again."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import srt

from mt.errors import UserError

DIALOGUE = ("-", "–", "—")
"""what a line of another speaker begins with; such lines are translated one by one"""


@dataclass
class Subtitles:
    """Subtitles, and the texts of each."""

    subtitles: list[srt.Subtitle]

    def __post_init__(self) -> None:
        self.parts = [texts_of(subtitle.content) for subtitle in self.subtitles]
        self.texts = [text for texts in self.parts for text in texts]

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the subtitles with the times that they have."""
        each = iter(translations)
        for subtitle, texts in zip(self.subtitles, self.parts, strict=True):
            own = [next(each) for _ in texts]
            n_lines = subtitle.content.count("\n") + 1
            subtitle.content = "\n".join(own if len(own) > 1 else lines_of(own[0], n_lines, spaced))
        path.write_text(srt.compose(self.subtitles, reindex=False), encoding="utf-8")


def read(path: Path) -> Subtitles:
    """Read a file."""
    try:
        return Subtitles(list(srt.parse(path.read_text(encoding="utf-8-sig"))))
    except (srt.SRTParseError, UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path} has no subtitles in UTF-8: {str(error).splitlines()[0]}") from error


def texts_of(content: str) -> list[str]:
    """Return the texts of a subtitle: one, or one for each line of a dialogue."""
    lines = content.split("\n")
    return lines if any(line.startswith(DIALOGUE) for line in lines) else [" ".join(lines)]


def lines_of(text: str, n_lines: int, spaced: bool) -> list[str]:
    """Divide a text into at most so many lines of similar length."""
    if n_lines == 1 or not text:
        return [text]
    if not spaced:
        width = -(-len(text) // n_lines)
        return [text[start : start + width] for start in range(0, len(text), width)]
    width = len(text) // n_lines
    while len(lines := textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)) > n_lines:
        width += 1
    return lines
