"""Subtitles, .srt. A subtitle of two lines is translated as one text, and divided into two lines again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import regex
import srt

from mt.errors import UserError
from mt.runtime.files import decode_utf8, encoding_like
from mt.text.markup import MARK

LEADING_TAGS = re.compile(r"(?:<[^<>]*>|\s)*")
SPEECH = re.compile(r"((?:<[^<>]*>)*)(\s*(?:[-–—]|>>+)\s*)")
"""how a line of another speaker begins; what each says is translated alone"""
PLACE = re.compile(r"(?:\{\\[^{}]*\})*")
ATOM_OF_WORDS = re.compile(rf"(?:(?:{MARK.pattern})|\S)+\s*", MARK.flags)
"""a word with its tags and the space after it"""
ATOM = regex.compile(rf"(?:{MARK.pattern})|[A-Za-z0-9]+|\X", MARK.flags)
"""a tag, a word in Latin letters, or a character with its accents and vowel signs"""


@dataclass
class Subtitles:
    """Subtitles, and the texts of each."""

    is_markup = False
    subtitles: list[srt.Subtitle]
    encoding: str = "utf-8"
    newline: str = "\n"

    def __post_init__(self) -> None:
        self.parts = [divide(subtitle.content) for subtitle in self.subtitles]
        self.texts = [speech.text for _, speeches in self.parts for speech in speeches]

    def save(self, translations: Sequence[str], path: Path, spaced: bool) -> None:
        """Write the subtitles with the times that they have."""
        each = iter(translations)
        for subtitle, (place, speeches) in zip(self.subtitles, self.parts, strict=True):
            own = [speech.write(next(each)) for speech in speeches]
            n_lines = subtitle.content.replace("\\N", "\n").count("\n") + 1
            subtitle.content = place + "\n".join(own if len(own) > 1 else lines_of(own[0], n_lines, spaced))
        content = srt.compose(self.subtitles, reindex=False)
        path.write_text(content, encoding=self.encoding, newline=self.newline)


def read(path: Path) -> Subtitles:
    """Read a file; its translation has the same line breaks, and a byte order mark if the file has one."""
    content = path.read_bytes()
    text = decode_utf8(content, str(path))
    newline = "\r\n" if "\r\n" in text else "\n"
    try:
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        return Subtitles(list(srt.parse(lines)), encoding_like(content), newline)
    except (srt.SRTParseError, OverflowError, ValueError) as error:
        raise UserError(f"{path} has no subtitles: {str(error).splitlines()[0]}") from error


@dataclass(frozen=True)
class Speech:
    """The words of one speaker: an optional dash, the text after it, and the tags before the dash."""

    dash: str
    text: str

    def write(self, translation: str) -> str:
        """Return a translation with the dash."""
        tags = LEADING_TAGS.match(translation)
        end = tags.end() if tags else 0
        return translation[:end] + self.dash + translation[end:]


def divide(content: str) -> tuple[str, list[Speech]]:
    """Return what places a subtitle on the screen, and what it says: one text, or one for each speaker."""
    place = PLACE.match(content)[0]  # type: ignore[index]  # it matches anywhere
    texts: list[str] = []
    lines = content[len(place) :].replace("\\N", "\n").split("\n")  # as ASS writes a line break
    is_dialogue = any(map(SPEECH.match, lines[1:]))
    for line in lines:
        if texts and not (is_dialogue and SPEECH.match(line)):
            texts[-1] = f"{texts[-1]} {line}".strip()
        else:
            texts.append(line)
    found = [(SPEECH.match(text), text) for text in texts]
    return place, [Speech(dash[2], dash[1] + text[dash.end() :]) if dash else Speech("", text) for dash, text in found]


def lines_of(text: str, n_lines: int, spaced: bool) -> list[str]:
    """Divide a text into at most so many lines of similar length, but neither a tag nor a word."""
    parts = [found[0] for found in (ATOM_OF_WORDS if spaced else ATOM).finditer(text)]
    length = sum(map(visible, parts)) / n_lines
    lines = [""]
    for part in parts:
        so_far = visible(lines[-1])
        if so_far and so_far + visible(part) / 2 > length and len(lines) < n_lines:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]


def visible(text: str) -> int:
    """Return the number of characters without tags."""
    return len(MARK.sub("", text).strip())
