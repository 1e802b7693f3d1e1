"""What comes out: a translation of a line, joined where the line was translated in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Translation:
    """One translation of a line."""

    text: str
    score: float
    """what search compared it by: the log-probability over the length penalty, or the utility of minimum Bayes risk; of
    a line in parts, their sum"""
    log_prob: float
    complete: bool = True
    """False where it was cut at the length limit"""
    pieces: Sequence[str] = ()
    """subword pieces of the target, with the end marks"""
    log_probs: Sequence[float] = ()
    """of each piece"""
    parts: Sequence[tuple[list[int], list[int]]] = ()
    """source and target ids, without marks, of each part that was translated for itself"""

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "parts"}


def join_translations(parts: Sequence[Translation], text: str) -> Translation:
    """The translation `text` of something that was translated in parts."""
    return Translation(
        text,
        sum(part.score for part in parts),
        sum(part.log_prob for part in parts),
        all(part.complete for part in parts),
        [piece for part in parts for piece in part.pieces],
        [log_prob for part in parts for log_prob in part.log_probs],
        [ids for part in parts for ids in part.parts],
    )


def one_line(text: str) -> str:
    """Text without line breaks, which bytes can spell: one line out for every line in."""
    return " ".join(text.splitlines())
