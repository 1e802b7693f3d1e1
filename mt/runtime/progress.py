"""Progress for people: a bar where standard error is a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

from tqdm import tqdm

log = logging.getLogger(__name__)


def on_terminal() -> bool:
    """Whether standard error is a terminal, and this process the one of several that reports."""
    return sys.stderr.isatty() and os.environ.get("RANK", "0") == "0"


def describe_seconds(seconds: float) -> str:
    """As `1:02:03` or `02:03`."""
    return str(tqdm.format_interval(seconds))


class TrainingProgress:
    """Step, loss, speed and time left."""

    def __init__(self, step: int, max_steps: int | None) -> None:
        self.bar: tqdm[NoReturn] | None = None
        if on_terminal():
            self.bar = tqdm(
                initial=step,
                total=max_steps,
                unit="step",
                bar_format="{l_bar}{bar}| step {n_fmt}/{total_fmt}{postfix}" if max_steps else "step {n_fmt}{postfix}",
                dynamic_ncols=True,
            )

    def advance(self) -> None:
        """One more step is done."""
        if self.bar:
            self.bar.update()

    def report(self, step: int, loss: float, tokens_per_second: float, seconds_left: float | None) -> None:
        """Show the newest figures."""
        left = "unknown" if seconds_left is None else describe_seconds(seconds_left)
        text = f"loss {loss:.3f}, {tokens_per_second:,.0f} target tokens/s, {left} left"
        if self.bar:
            self.bar.set_postfix_str(text)
        else:
            log.info("step %d: %s", step, text)

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self.bar:
            self.bar.close()
