"""Pruning of sweep jobs that fall behind, judged by the run folders of the other jobs.

Jobs share nothing else, so this works with any sweeper and launcher, on one machine or a cluster.
"""

from pathlib import Path
from statistics import median

from mt.config.choices import StoppingMetric
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile

MIN_SIBLINGS = 3


def best_scores(run: RunLayout, metric: StoppingMetric) -> list[tuple[int, float]]:
    """Return the step and the best score so far at each validation of a run; larger is better."""
    scores: list[tuple[int, float]] = []
    best = float("-inf")
    key = f"valid/{metric.value}"
    for row in MetricsFile(run.metrics).rows():
        if key in row:
            best = max(best, metric.sign * row[key])
            scores.append((int(row["step"]), best))
    return scores


def is_hopeless(folder: Path, metric: StoppingMetric, step: int) -> bool:
    """Return whether a job's best score at `step` is below the median of the other jobs' at that step.

    This varies the median stopping rule of Golovin et al., "Google Vizier", 2017, section 3.2.2, which uses running
    averages. At least three other jobs must have reached the step.
    """

    def score_at(job: Path) -> float | None:
        reached = best_scores(RunLayout(job), metric)
        if not reached or reached[-1][0] < step:
            return None
        return max(best for at, best in reached if at <= step)

    own = score_at(folder)
    others = [score_at(job) for job in folder.parent.iterdir() if job != folder]
    known = [score for score in others if score is not None]
    return own is not None and len(known) >= MIN_SIBLINGS and own < median(known)
