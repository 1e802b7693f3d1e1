"""Pruning of sweep jobs that fall behind, judged by the run folders of the other jobs.

Jobs share nothing else, so this works with any sweeper and launcher, on one machine or a cluster.
"""

from pathlib import Path
from statistics import median

from mt.config.training import TrainingConfig
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile
from mt.runs.ranking import comparison_score

MIN_SIBLINGS = 3


def is_hopeless(folder: Path, config: TrainingConfig, step: int) -> bool:
    """Return True if a job is to be pruned: its best score up to `step` is below the median of those of the other jobs.

    This varies the median stopping rule of Golovin et al., "Google Vizier", 2017, section 3.2.2, which uses running
    averages. At least three other jobs must have reached the step.
    """
    metric, prune_after = config.early_stopping.metric, config.early_stopping.prune_after
    if not prune_after or step < prune_after * config.valid_every_steps:
        return False

    def score_at(job: Path) -> float | None:
        rows = MetricsFile(RunLayout(job).metrics).validations()
        if not rows or rows[-1]["step"] < step:
            return None
        return max((comparison_score(metric, row) for row in rows if row["step"] <= step), default=None)

    own = score_at(folder)
    others = [score_at(job) for job in folder.parent.iterdir() if job != folder]
    known = [score for score in others if score is not None]
    return own is not None and len(known) >= MIN_SIBLINGS and own < median(known)
