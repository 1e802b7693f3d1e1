"""Where the time of training steps goes, by torch's profiler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

log = logging.getLogger(__name__)
N_FIRST_STEPS = 10
"""Not recorded: memory is still being set aside then."""
N_ROWS = 25


@contextmanager
def profiled_steps(n_steps: int, folder: Path, show: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Give what is to be called after each step; after `N_FIRST_STEPS`, `n_steps` of them are recorded in `folder`.

    Args:
        n_steps: 0 records nothing.
        show: is given the table of the operations that took the most time.
    """
    if not n_steps:
        yield lambda: None
        return

    def write(recorded: profile) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        recorded.export_chrome_trace(str(folder / "trace.json.gz"))
        order = "self_cuda_time_total" if ProfilerActivity.CUDA in activities else "self_cpu_time_total"
        table = recorded.key_averages().table(sort_by=order, row_limit=N_ROWS, max_name_column_width=40)
        (folder / "operations.txt").write_text(table, encoding="utf-8")
        show(table)
        log.info("The profile of %d steps is in %s; ui.perfetto.dev shows its trace.", n_steps, folder)

    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * torch.cuda.is_available()]
    plan = schedule(wait=N_FIRST_STEPS - 1, warmup=1, active=n_steps, repeat=1)
    with profile(activities=activities, schedule=plan, on_trace_ready=write) as profiler:
        yield profiler.step
