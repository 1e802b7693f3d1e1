"""Ending the hopeless jobs of a sweep early, by what their siblings' run folders tell.

The jobs share nothing else: it works with any sweeper and launcher, on one machine or on a cluster.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from statistics import median

MIN_SIBLINGS = 3


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The whole rows of a run's metrics.jsonl; none where there is no such run."""
    try:
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    rows = []
    for line in lines:
        with suppress(ValueError):  # being written, or cut by a kill
            rows.append(json.loads(line))
    return rows


def best_scores(run: Path, metric: str) -> list[tuple[int, float]]:
    """Step and best score so far at each validation of a run, larger is better."""
    scores: list[tuple[int, float]] = []
    best = float("-inf")
    for row in read_metrics(run):
        if f"valid/{metric}" in row:
            best = max(best, row[f"valid/{metric}"] * (-1 if metric == "loss" else 1))
            scores.append((int(row["step"]), best))
    return scores


def is_hopeless(run: Path, metric: str, step: int) -> bool:
    """Whether a job's best score at `step` is below the median of its siblings' at that step.

    After the median stopping rule of Golovin et al., "Google Vizier", 2017, section 3.2.2, which compares with running
    averages; at least three siblings must have come so far.
    """

    def score_at(folder: Path) -> float | None:
        reached = best_scores(folder, metric)
        if not reached or reached[-1][0] < step:
            return None
        return max(best for at, best in reached if at <= step)

    own = score_at(run)
    siblings = [score_at(folder) for folder in run.parent.iterdir() if folder != run]
    known = [score for score in siblings if score is not None]
    return own is not None and len(known) >= MIN_SIBLINGS and own < median(known)
