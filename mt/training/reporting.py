"""Metrics of the last training steps, for the terminal and the run folder."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp

from torch import Tensor

from mt.data.batch import Batch
from mt.runtime.distributed import World


@dataclass
class Window:
    """Sums over the steps since the last report that were not skipped."""

    started: float = field(default_factory=time.monotonic)
    loss_sum: Tensor | float = 0.0
    nll_sum: Tensor | float = 0.0
    n_tgt_tokens: int = 0
    n_tokens: int = 0
    n_padded: int = 0
    n_steps: int = 0
    learning_rate: float = 0.0
    """learning rate of the last step"""
    grad_norm: float = 0.0
    """norm of the gradient in the last step, before clipping"""

    @classmethod
    def resume(cls, saved: Mapping[str, float], is_main: bool) -> "Window":
        """Return a window as it was saved; the first process has the sums of all."""
        values = {name: value for name, value in saved.items() if name == "n_steps" or (is_main and name != "seconds")}
        window = cls(**values)  # type: ignore[arg-type]
        window.started -= saved.get("seconds", 0.0)
        return window

    def saved(self, world: World) -> dict[str, float]:
        """Return the sums of all processes, all of which must call this; nothing if there was no step."""
        names = ("loss_sum", "nll_sum", "n_tgt_tokens", "n_tokens", "n_padded")
        sums = world.sum([float(getattr(self, name)) for name in names])
        if not self.n_steps:
            return {}
        counts = {name: value if name.endswith("sum") else int(value) for name, value in zip(names, sums, strict=True)}
        last = {"n_steps": self.n_steps, "learning_rate": self.learning_rate, "grad_norm": self.grad_norm}
        return {**counts, **last, "seconds": time.monotonic() - self.started}

    def add(
        self, batches: Sequence[Batch], loss_sum: Tensor, nll_sum: Tensor, learning_rate: float, grad_norm: float
    ) -> None:
        """Add a step: its batches, its losses, its learning rate and the norm of its gradient."""
        self.n_steps += 1
        self.learning_rate, self.grad_norm = learning_rate, grad_norm
        self.loss_sum += loss_sum
        self.nll_sum += nll_sum
        for batch in batches:
            self.n_tgt_tokens += batch.n_tgt_tokens
            self.n_tokens += batch.n_src_tokens + batch.n_tgt_tokens
            self.n_padded += batch.n_padded


@dataclass
class Figures:
    """Means over a window, in all processes together."""

    scalars: dict[str, float]
    """values by their names in metrics.jsonl"""
    nll: float
    tgt_tokens_per_second: float
    seconds_per_step: float


def summarise(window: Window, world: World) -> Figures:
    """Compute the figures of a window; all processes must call this."""
    seconds = time.monotonic() - window.started
    loss_sum, nll_sum, n_tgt_tokens, n_tokens, n_padded = world.sum(
        [float(window.loss_sum), float(window.nll_sum), window.n_tgt_tokens, window.n_tokens, window.n_padded]
    )
    nll = nll_sum / n_tgt_tokens
    scalars = {
        "train/loss": loss_sum / n_tgt_tokens,
        "train/nll": nll,
        "train/perplexity": exp(min(nll, 100)),
        "train/learning_rate": window.learning_rate,
        "train/gradient_norm": window.grad_norm,
        "speed/target_tokens_per_second": n_tgt_tokens / seconds,
        "speed/padding_share": 1 - n_tokens / n_padded,
    }
    return Figures(scalars, nll, n_tgt_tokens / seconds, seconds / window.n_steps)
