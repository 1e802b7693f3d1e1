"""Progress of training: a bar if standard error is a terminal, plain lines otherwise."""

import logging
import os
import sys
from typing import NoReturn

from tqdm import tqdm

log = logging.getLogger(__name__)


def on_terminal() -> bool:
    """Return whether standard error is a terminal and this process is the one that reports."""
    return sys.stderr.isatty() and os.environ.get("RANK", "0") == "0"


def describe_seconds(seconds: float) -> str:
    """Format a duration as `1:02:03` or `02:03`."""
    return str(tqdm.format_interval(seconds))


class TrainingProgress:
    """Display of the step, the loss, the speed and the time left."""

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
        """Count one more step."""
        if self.bar is not None:  # a bar without a total has no truth value
            self.bar.update()

    def report(
        self, step: int, loss: float, tokens_per_second: float, seconds_left: float | None, outlook: str = ""
    ) -> None:
        """Show the newest figures."""
        left = "unknown" if seconds_left is None else describe_seconds(seconds_left)
        text = f"loss {loss:.3f}, {tokens_per_second:,.0f} target tokens/s, {left} left{outlook}"
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        else:
            log.info("step %d: %s", step, text)

    def close(self) -> None:
        """Restore the terminal."""
        if self.bar is not None:
            self.bar.close()
