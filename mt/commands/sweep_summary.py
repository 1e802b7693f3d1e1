"""What a sweep has found: a table of its jobs, best first."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from mt.training.pruning import best_scores, read_metrics

log = logging.getLogger(__name__)


class SweepSummary(Callback):
    """Hydra calls it when all jobs have ended."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table."""
        folder = Path(config.run_dir)
        log.info("%s", summarise(folder, config.training.early_stopping.metric.value))


def summarise(folder: Path, metric: str) -> str:
    """The jobs in a sweep's folder by their best validation score, with their scores on test sets."""
    jobs = []
    for run in folder.iterdir() if folder.is_dir() else []:
        scores = best_scores(run, metric)
        if scores:
            best = max(score for _, score in scores)
            step = next(step for step, score in scores if score == best)
            jobs.append((best, step, scores[-1][0], run))
    if not jobs:
        return f"No job in {folder} has come to a validation."
    jobs.sort(key=lambda job: -job[0])
    lines = [f"{'valid ' + metric:>12} {'at step':>9} {'of':>9}  job (in {folder}) and test scores"]
    for best, step, last, run in jobs:
        tests = ", ".join(f"{name.removeprefix('test/')} {value:.2f}" for name, value in test_scores(run).items())
        lines.append(f"{abs(best):12.3f} {step:9,} {last:9,}  {run.name}{': ' + tests if tests else ''}")
    return "\n".join(lines)


def test_scores(run: Path) -> dict[str, float]:
    """The newest scores of a run on its test sets."""
    return {name: value for row in read_metrics(run) for name, value in row.items() if name.startswith("test/")}
