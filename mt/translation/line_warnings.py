"""Warnings about lines that were translated in parts, or whose translation was cut."""

import logging
from collections.abc import Sequence

from mt.search.hypotheses import Hypothesis

log = logging.getLogger(__name__)
CUT = "translation cut at search.max_len_ratio x source length + search.max_len_offset."


def warn_about(
    numbers: Sequence[int], parts: Sequence[list[list[int]]], found: Sequence[list[list[Hypothesis]]], part_len: int
) -> None:
    """Warn about long lines and cut translations.

    Args:
        numbers: of the lines.
        parts: the ids of each line's parts.
        found: the hypotheses for each part of each line.
        part_len: most pieces of a part.
    """
    long = [number for number, ids in zip(numbers, parts, strict=True) if len(ids) > 1]
    cut = [n for n, line in zip(numbers, found, strict=True) if not all(best[0].complete for best in line)]
    warn(long, f"longer than the training sentences, translated in parts of at most {part_len} pieces.")
    warn(cut, CUT)


def warn(lines: list[int], message: str) -> None:
    """Log a warning about some lines that names the first few."""
    if numbers := list(dict.fromkeys(map(str, lines))):
        more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
        unit = "line" if len(numbers) == 1 else "lines"
        log.warning("%s %s%s: %s", unit, ", ".join(numbers[:5]), more, message)
