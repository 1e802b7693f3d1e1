"""The results of an evaluation, as text to read and as data for programs."""

from dataclasses import asdict, dataclass, field
from typing import Any

from tabulate import tabulate

from mt.evaluation.breakdown import Breakdown
from mt.text.metrics import Score


@dataclass(frozen=True)
class Sentence:
    """One sentence of a test set and its translation by a run."""

    number: int
    """line number, from 1"""
    chrf: float
    source: str
    reference: str
    translation: str


@dataclass
class RunResult:
    """The scores of one run on a test set."""

    run: str
    translations: list[str]
    scores: list[Score]
    worst: list[Sentence] = field(default_factory=list)
    best: list[Sentence] = field(default_factory=list)


@dataclass
class TestSetResult:
    """The scores of several runs on a test set; the others are compared with the first."""

    name: str
    n_sentences: int
    runs: list[RunResult]
    breakdowns: list[Breakdown] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """Return everything except the translations as plain values."""
        data = asdict(self)
        for run in data["runs"]:
            del run["translations"]
        return data

    def as_text(self, name_width: int) -> str:
        """Return scores with their signatures, breakdowns and the worst sentences."""
        parts = [self.comparison() if len(self.runs) > 1 else self.scores(name_width)]
        parts += [self.table(breakdown) for breakdown in self.breakdowns]
        parts += [self.sentences(run) for run in self.runs if run.worst]
        return "\n\n".join(parts)

    def scores(self, name_width: int) -> str:
        """Return the scores of one run, one per line."""
        return "\n".join(f"{self.name:<{name_width}}  {score}" for score in self.runs[0].scores)

    def comparison(self) -> str:
        """Return a table with a row for each run, then the signatures."""
        first = self.runs[0].scores
        rows = [[run.run, *map(describe, run.scores)] for run in self.runs]
        table = tabulate(rows, ["run", *(score.metric for score in first)], disable_numparse=True)
        signatures = "\n".join(f"{score.metric}: {score.signature}" for score in first if score.signature)
        tested = any(score.half_interval is not None for score in first)
        meaning = (
            f"± half of the 95% interval; p: p-value of the difference from {self.runs[0].run}, * below 0.05"
            if tested
            else ""
        )
        return "\n".join(
            part for part in (f"{self.name}, {self.n_sentences:,} sentences", table, meaning, signatures) if part
        )

    def table(self, breakdown: Breakdown) -> str:
        """Return a breakdown with a row for each group."""
        several = len(self.runs) > 1
        headers = [breakdown.by, breakdown.unit] + [
            f"{run.run} {figure}" if several else figure
            for run, figures in zip(self.runs, breakdown.rows[0].figures, strict=True)
            for figure in figures
        ]
        rows = [
            [row.label, f"{row.count:,}", *(f"{value:.2f}" for figures in row.figures for value in figures.values())]
            for row in breakdown.rows
        ]
        alignment = ["left", *["right"] * (len(headers) - 1)]
        return f"{self.name}\n{tabulate(rows, headers, disable_numparse=True, colalign=alignment)}"

    def sentences(self, run: RunResult) -> str:
        """Return the worst translations of a run."""
        blocks = [f"{self.name}, worst of {run.run} by chrF"]
        blocks += [
            f"line {one.number}, chrF {one.chrf:.1f}\n  source       {one.source}\n  reference    {one.reference}\n"
            f"  translation  {one.translation}"
            for one in run.worst
        ]
        return "\n".join(blocks)


def describe(score: Score) -> str:
    """Format a score as a cell of a table."""
    text = f"{score.value:.2f}"
    if score.half_interval is not None:
        text += f" ± {score.half_interval:.2f}"
    if score.p_value is not None:
        text += f" (p = {score.p_value:.3f}{'*' if score.p_value < 0.05 else ''})"
    return text
