"""An overview of a folder of runs: the state of each run, its scores and its size. torch is not needed here."""

import json
import math
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from mt.config.checks import check_file
from mt.config.choices import StoppingMetric
from mt.config.file import load_config
from mt.errors import UserError
from mt.runs.layout import BEST_SCORES, CheckpointLayout, RunLayout, stored_steps
from mt.runs.metrics_file import MetricsFile, test_scores
from mt.runs.ranking import comparison_score
from mt.runtime.checksums import check_sum
from mt.runtime.locks import is_locked

MAX_DEPTH = 3
"""levels of folders below the one that is listed: a sweep has its jobs in a folder of their own"""
MAX_STATE_BYTES = 1 << 20
RUNNING, RESUMABLE, DONE, PREPARED, MODEL, BROKEN = "running", "resumable", "done", "prepared", "model", "broken"
"""states: a process trains; training can go on; it has ended; it has not begun; there is a model alone; damaged"""


@dataclass(frozen=True)
class RunOverview:
    """A run at a glance."""

    name: str
    folder: Path
    state: str
    langs: str = ""
    step: int = 0
    minutes: float = 0.0
    metric: StoppingMetric = StoppingMetric.bleu
    best: float | None = None
    """best validation score"""
    tests: dict[str, float] | None = None
    """scores by their names, such as `test_bleu`"""
    n_parameters: int = 0
    n_bytes: int = 0
    """on disk"""
    modified: float = 0.0
    """seconds since 1970 when it last changed"""
    problem: str = ""
    """what is broken"""

    def as_row(self) -> dict[str, Any]:
        """Return the fields that are printed as JSON."""
        row = dict(vars(self))
        return row | {"folder": str(self.folder), "metric": self.metric.value, "tests": self.tests or {}}


def find_runs(folder: Path) -> list[RunOverview]:
    """Return the runs in a folder and its subfolders, or the one that it is, the one that changed last at the end."""
    if RunLayout(folder).config.is_file():
        return [describe_run(folder, folder.resolve().name)]
    runs = [describe_run(run, str(run.relative_to(folder))) for run in run_folders(folder, MAX_DEPTH)]
    return sorted(runs, key=lambda run: (run.modified, run.name))


def run_folders(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the folders with a configuration, each without those inside it; links are not followed."""
    for path in sorted(folder.iterdir()) if depth else []:
        if path.is_symlink() or not path.is_dir() or path.name.startswith("."):
            continue
        if RunLayout(path).config.is_file():
            yield path
        else:
            yield from run_folders(path, depth - 1)


def describe_run(folder: Path, name: str) -> RunOverview:
    """Return what is to be known about a run."""
    run = RunLayout(folder)
    n_bytes, modified = size_and_time(folder)
    try:
        config = load_config(run.config)
        metrics = MetricsFile(run.metrics)
        rows, validations = metrics.rows(), metrics.validations()
        state, facts = state_of(run)
        metric = config.training.early_stopping.metric
        best = max(validations, key=partial(comparison_score, metric), default=None)
        score = None if best is None else best[f"valid/{metric.value}"]
        return RunOverview(
            name, folder, state, f"{config.data.src_lang}-{config.data.tgt_lang}", facts.get("step", 0),
            facts.get("minutes", 0.0), metric, score, test_scores(rows), count_parameters(run), n_bytes, modified,
        )  # fmt: skip
    except UserError as error:
        return RunOverview(name, folder, BROKEN, n_bytes=n_bytes, modified=modified, problem=str(error))


def state_of(run: RunLayout) -> tuple[str, dict[str, Any]]:
    """Return the state of a run, and what its newest checkpoint says about training.

    Raises:
        UserError: that checkpoint is damaged.
    """
    checkpoints = stored_steps(run.checkpoints)
    facts = read_state(CheckpointLayout(checkpoints[-1]).state) if checkpoints else {}
    if is_locked(run.lock):
        return RUNNING, facts
    if checkpoints:
        return DONE if facts.get("is_finished") else RESUMABLE, facts
    return MODEL if run.weights.exists() else PREPARED, facts


def read_state(path: Path) -> dict[str, Any]:
    """Read the state of a training as plain values."""
    check_file(path, MAX_STATE_BYTES)
    check_sum(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {"step": int(values["step"]), "minutes": float(values["minutes"]), "is_finished": values["is_finished"]}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}).") from error


def count_parameters(run: RunLayout) -> int:
    """Return the number of weights of a run's model; 0 if there is none yet.

    Raises:
        UserError: the file of the weights is damaged.
    """
    if not run.weights.exists():
        return 0
    check_file(run.weights)
    try:
        with safe_open(run.weights, "np") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{run.weights} is damaged ({error}).") from error


def size_and_time(folder: Path) -> tuple[int, float]:
    """Return the bytes of all files in a folder, and when the last of them changed."""
    stats = []
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # training deletes files at any time
                stats.append(os.lstat(os.path.join(root, name)))
    stats = [one for one in stats if not stat.S_ISLNK(one.st_mode)]
    return sum(one.st_size for one in stats), max((one.st_mtime for one in stats), default=0.0)


def dispensable(run: RunOverview) -> list[Path]:
    """Return what a run no longer needs: damaged checkpoints; and when it is done, all checkpoints but the newest, and
    the models that were averaged."""
    layout = RunLayout(run.folder)
    found = sorted(
        path for path in layout.checkpoints.glob("damaged-step-*") if path.is_dir() and not path.is_symlink()
    )
    if run.state == DONE:
        found += stored_steps(layout.checkpoints)[:-1]
        found += [layout.best] if (layout.best / BEST_SCORES).is_file() else []
    return [] if run.state in (RUNNING, BROKEN) else found
