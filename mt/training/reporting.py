"""Metrics of the last training steps, for the terminal and the run folder."""

import time
from dataclasses import dataclass, field
from math import exp

from torch import Tensor

from mt.data.batch import Batch
from mt.runtime.distributed import World


@dataclass
class Window:
    """Sums over the steps since the last report, as tensors, so that no step waits for a GPU."""

    started: float = field(default_factory=time.monotonic)
    loss_sum: Tensor | float = 0.0
    nll_sum: Tensor | float = 0.0
    n_tgt_tokens: int = 0
    n_tokens: int = 0
    n_padded: int = 0
    n_steps: int = 0

    def add(self, batch: Batch, loss_sum: Tensor, nll_sum: Tensor) -> None:
        """Add a batch and its losses."""
        self.loss_sum += loss_sum.detach()
        self.nll_sum += nll_sum
        self.n_tgt_tokens += batch.n_tgt_tokens
        self.n_tokens += batch.n_src_tokens + batch.n_tgt_tokens
        self.n_padded += batch.n_padded


@dataclass
class Figures:
    """Means over a window, in all processes together."""

    scalars: dict[str, float]
    """by their names in metrics.jsonl"""
    nll: float
    tgt_tokens_per_second: float
    seconds_per_step: float


def summarise(window: Window, learning_rate: float, grad_norm: Tensor, world: World) -> Figures:
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
        "train/learning_rate": learning_rate,
        "train/gradient_norm": float(grad_norm),
        "speed/target_tokens_per_second": n_tgt_tokens / seconds,
        "speed/padding_share": 1 - n_tokens / n_padded,
    }
    return Figures(scalars, nll, n_tgt_tokens / seconds, seconds / window.n_steps)
