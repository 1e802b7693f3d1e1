"""`metrics.jsonl`: the curves of a training run as rows of JSON, each with its step."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mt.config.checks import check_file
from mt.runtime.checksums import forget_sum, record_sum, warn_if_damaged
from mt.runtime.files import sync, write_text

Row = dict[str, float]
MAX_BYTES = 1 << 28
"""larger than the curves of any training: a million rows"""


@dataclass(frozen=True)
class MetricsFile:
    """The metrics of a run, appended to while it trains."""

    path: Path

    def append(self, step: int, values: Mapping[str, float]) -> None:
        """Add a row."""
        forget_sum(self.path)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def replace(self, step: int, values: Mapping[str, float]) -> None:
        """Add a row in place of those of the same step with some of the same names, which an earlier start wrote."""
        if not values:
            return
        forget_sum(self.path)
        kept = [line for line, row in self._complete_lines() if row["step"] != step or not row.keys() & values.keys()]
        write_text(self.path, "".join(f"{line}\n" for line in [*kept, json.dumps({"step": step, **values})]))

    def sync(self) -> None:
        """Wait until all rows are on the disk."""
        if self.path.exists():
            sync(self.path)

    def complete(self) -> None:
        """Record the sum of the file until it changes again."""
        if self.path.exists():
            record_sum(self.path)

    def warn_if_damaged(self) -> None:
        """Warn if the file is complete, and not as it was then."""
        warn_if_damaged(self.path)

    def rows(self) -> list[Row]:
        """Return all complete rows; an empty list if there is no file."""
        return [row for _, row in self._complete_lines()]

    def validations(self) -> list[Row]:
        """Return the rows that are validations."""
        return [row for row in self.rows() if row.keys() >= {"valid/loss", "valid/bleu", "valid/chrf"}]

    def drop_after(self, step: int) -> None:
        """Delete incomplete rows and those of later steps, which a resumed run writes again."""
        if self.path.exists():
            forget_sum(self.path)
            kept = [line for line, row in self._complete_lines() if row["step"] <= step]
            write_text(self.path, "".join(f"{line}\n" for line in kept))

    def _complete_lines(self) -> list[tuple[str, Row]]:
        if not self.path.exists():
            return []
        check_file(self.path, MAX_BYTES)
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        return [(line, row) for line in lines if (row := read_row(line)) is not None]


def test_scores(rows: Iterable[Row]) -> dict[str, float]:
    """Return the last score of each test set, such as {"news_bleu": 20.0}."""
    return {key.removeprefix("test/"): value for row in rows for key, value in row.items() if key.startswith("test/")}


def read_row(line: str) -> Row | None:
    """Parse a row; None if it is being written, was cut short by a kill, or is none of ours."""
    try:
        row = json.loads(line)
        is_row = isinstance(row, dict) and type(row.get("step")) is int
        return row if is_row and all(type(value) in (int, float) for value in row.values()) else None
    except (ValueError, RecursionError):
        return None
