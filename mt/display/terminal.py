"""Grids of numbers on a terminal, and sizes. Chinese characters take two columns; wcwidth counts them for tabulate."""

from collections.abc import Sequence

from tabulate import tabulate
from wcwidth import wcswidth, wcwidth

SHADES = " ░▒▓█"
UNITS = ("B", "kB", "MB", "GB", "TB")


def width_of(text: str) -> int:
    """Return the columns that a text takes; unprintable characters take none."""
    return max(wcswidth(text), sum(max(0, wcwidth(character)) for character in text))


def rows_of_text(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of text in columns."""
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def shade_grid(weights: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> str:
    """Draw weights from 0 to 1 as shades two characters wide; the columns are numbered and named below."""
    cells = [
        "".join(2 * SHADES[min(len(SHADES) - 1, round(weight * (len(SHADES) - 1)))] for weight in values)
        for values in weights
    ]
    numbers = "".join(f"{number % 100:2d}" for number in range(1, len(columns) + 1))
    names = "  ".join(f"{number} {name}" for number, name in enumerate(columns, start=1))
    width = max(map(width_of, rows))
    padded = [f"{name}{' ' * (width - width_of(name))}" for name in rows]
    lines = [f"{name} {line}" for name, line in zip([*padded, " " * width], [*cells, numbers], strict=True)]
    return "\n".join([*lines, names])


def number_grid(values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str]) -> str:
    """Draw numbers with two decimals in named rows and columns; minus infinity is left blank."""
    cells = [
        [name, *("" if value == float("-inf") else f"{value:.2f}" for value in line)]
        for name, line in zip(rows, values, strict=True)
    ]
    alignment = ["left", *["right"] * len(columns)]
    return tabulate(cells, ["", *columns], tablefmt="plain", disable_numparse=True, colalign=alignment)


def describe_bytes(count: float) -> str:
    """Format a size with two digits at least."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
