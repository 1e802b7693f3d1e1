"""Grids of numbers in characters, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import east_asian_width

SHADES = " ░▒▓█"


def cells(text: str) -> int:
    """The width of a text on a terminal: Chinese characters take two places."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def padded(text: str, width: int) -> str:
    """Text with spaces behind it."""
    return text + " " * (width - cells(text))


def shaded(shares: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> str:
    """Shares from 0 to 1 as shades, two characters each; the columns are named below."""
    width = max(map(cells, rows))
    lines = [
        f"{padded(name, width)} "
        + "".join(2 * SHADES[min(len(SHADES) - 1, round(share * (len(SHADES) - 1)))] for share in values)
        for name, values in zip(rows, shares, strict=True)
    ]
    numbers = " " * (width + 1) + "".join(f"{number % 100:2d}" for number in range(1, len(columns) + 1))
    names = "  ".join(f"{number} {name}" for number, name in enumerate(columns, start=1))
    return "\n".join([*lines, numbers, names])


def written(values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> str:
    """Numbers with two decimals under the names of their columns; a column is as wide as its name, 6 at least."""
    width, widths = max(map(cells, rows)), [max(6, cells(name) + 1) for name in columns]
    head = " " * width + "".join(" " * (w - cells(name)) + name for name, w in zip(columns, widths, strict=True))
    lines = [
        padded(name, width) + "".join(f"{number(value):>{w}}" for value, w in zip(line, widths, strict=True))
        for name, line in zip(rows, values, strict=True)
    ]
    return "\n".join([head, *lines])


def number(value: float) -> str:
    """A number of two decimals, or nothing where there is none."""
    return "" if value == float("-inf") else f"{value:.2f}"


def is_text(line: str) -> bool:
    """Whether it can be written: half a surrogate pair, which JSON can spell, cannot."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
