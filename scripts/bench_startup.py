"""Time from `mt train` to the end of the first step on a prepared corpus, in turn with `import torch` alone."""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds_to(command: list[str], line_start: str | None = None) -> float:
    """Return the seconds until a command prints a line with this start to standard error, or else until it ends."""
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line_start and line.startswith(line_start):
                seconds = time.perf_counter() - start
                process.kill()
                return seconds
    if line_start or process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - start


def main() -> None:
    """Prepare the data once, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    starts = parser.parse_args().starts
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        limits = [f"run_dir={run}", "data.test=null", "training.max_steps=1", "training.log_every_steps=1"]
        train = ["-m", "mt", "train", *limits]
        seconds_to(train)
        first_step, torch = [], []
        for _ in range(starts):
            shutil.rmtree(run / "checkpoints")
            first_step.append(seconds_to(train, "step 1:"))
            torch.append(seconds_to(["-c", "import torch"]))
            (run / "checkpoints").mkdir(exist_ok=True)
        help_page = [seconds_to(["-m", "mt", "--help"]) for _ in range(starts)]
    medians = {"first step": first_step, "import torch": torch, "mt --help": help_page}
    print(", ".join(f"{name} {statistics.median(times):.2f} s" for name, times in medians.items()))


if __name__ == "__main__":
    main()
