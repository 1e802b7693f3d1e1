"""The results of a sweep: a table of its jobs, best first."""

import logging
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from tabulate import tabulate

from mt.config.choices import StoppingMetric
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile, test_scores
from mt.runs.ranking import comparison_score
from mt.runtime.files import remove

log = logging.getLogger(__name__)


class SweepSummary(Callback):
    """A callback of Hydra at the end of a sweep."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Log the table, and delete Hydra's own folder, which says no more than the jobs' folders."""
        folder = Path(config.run_dir)
        log.info("%s", summarise(folder, config.training.early_stopping.metric))
        of_hydra = Path(config.hydra.sweep.dir)
        remove(of_hydra / "multirun.yaml")
        with suppress(OSError):  # of another sweep, too
            of_hydra.rmdir()


def summarise(folder: Path, metric: StoppingMetric) -> str:
    """Return the jobs in a sweep's folder by their best validation score, with their scores on test sets."""
    jobs = []
    for job in folder.iterdir() if folder.is_dir() else []:
        if rows := MetricsFile(RunLayout(job).metrics).validations():
            jobs.append((max(rows, key=partial(comparison_score, metric)), rows[-1]["step"], job))
    if not jobs:
        return f"No job in {folder} has been validated yet."
    jobs.sort(key=lambda job: comparison_score(metric, job[0]), reverse=True)
    table = []
    for best, last, job in jobs:
        scores = test_scores(MetricsFile(RunLayout(job).metrics).rows())
        tests = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
        figures = [
            f"{best[f'valid/{metric.value}']:.3f}",
            f"{best['valid/loss']:.3f}",
            f"{best['step']:,}",
            f"{last:,}",
        ]
        table.append([*figures, f"{job.name}: {tests}" if tests else job.name])
    headers = [f"valid {metric.value}", "valid loss", "at step", "of", f"job (in {folder}) and test scores"]
    return tabulate(table, headers, tablefmt="plain", disable_numparse=True, colalign=["right"] * 4 + ["left"])
