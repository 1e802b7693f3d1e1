"""Profiles of training steps by torch's profiler."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

log = logging.getLogger(__name__)
N_FIRST_STEPS = 10
"""steps that are not recorded, while memory is still being allocated"""
N_ROWS = 25


@contextmanager
def profiled_steps(n_steps: int, folder: Path, show: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each step; after the first few, record `n_steps` and `show` a table of them."""
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
        log.info("The profile is in %s; open its trace at ui.perfetto.dev.", folder)

    activities = [ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(ProfilerActivity.CUDA)
    plan = schedule(wait=N_FIRST_STEPS - 1, warmup=1, active=n_steps, repeat=1)
    with profile(activities=activities, schedule=plan, on_trace_ready=write) as profiler:
        yield profiler.step
    if profiler.step_num < N_FIRST_STEPS + n_steps:
        log.warning(
            "training.profile_steps=%d needs %d steps, more than this start has made: the profile is not complete.",
            n_steps,
            N_FIRST_STEPS + n_steps,
        )
