"""A training session, from start to stop: its progress display, curves, signals and clock."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mt.config.training import TrainingConfig
from mt.runs.checkpoint import TrainState
from mt.runs.layout import RunLayout
from mt.runtime.progress import TrainingProgress
from mt.runtime.signals import StopSignals
from mt.training.profiling import profiled_steps
from mt.training.reporting import Window
from mt.training.tracking import Tracker
from mt.training.validator import Validation


@dataclass
class Session:
    """A training session, from `fit` to its end: its displays, and its figures since the last report."""

    tracker: Tracker | None
    progress: TrainingProgress
    signals: StopSignals
    record_step: Callable[[], None]
    """called after each step, for the profiler"""
    started: float
    """start time of an equivalent uninterrupted training run, in seconds of the monotonic clock"""
    window: Window = field(default_factory=Window)
    outlook: str = ""
    """what score the training is heading for"""

    @property
    def minutes(self) -> float:
        """Minutes of training so far, over all sessions."""
        return (time.monotonic() - self.started) / 60

    def track(self, step: int, result: Validation) -> None:
        """Write what a validation has found, in the process that writes."""
        if self.tracker is None:
            return
        self.tracker.scalars(step, result.scalars)
        self.tracker.samples(step, result.samples)
        if attention := result.attention:
            self.tracker.attention(step, attention.heads, attention.src_pieces, attention.tgt_pieces)


@contextmanager
def open_session(run: RunLayout, config: TrainingConfig, state: TrainState, writes: bool) -> Iterator[Session]:
    """Open a session, with a tracker only in the process that writes, and close it at the end."""
    tracker = Tracker(run, state.step) if writes else None
    progress = TrainingProgress(state.step, config.max_steps)

    def show(table: str) -> None:
        if tracker:
            tracker.profile(state.step, table)

    n_profiled = config.profile_steps if tracker else 0
    started = time.monotonic() - 60 * state.minutes
    gc.freeze()  # garbage collection need not rescan existing objects
    try:
        with StopSignals() as signals, profiled_steps(n_profiled, run.profile, show) as record_step:
            yield Session(tracker, progress, signals, record_step, started)
    finally:
        gc.unfreeze()  # the next job of a sweep needs none of it
        progress.close()
        if tracker:
            tracker.close()
