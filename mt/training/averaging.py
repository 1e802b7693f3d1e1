"""Averages of weights, over training steps or over saved models; they often translate better than each model alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from mt.errors import UserError
from mt.model.lora import merge_lora
from mt.runs.checkpoint import read_tensors
from mt.runs.layout import CheckpointLayout
from mt.runtime.distributed import whole


class MovingAverage:
    """Exponential moving average of a model's weights (Polyak and Juditsky, 1992; section 7 of the Adam paper).

    After step t it is `d * average + (1 - d) * weights` with d = min(decay, (1 + t) / (10 + t)), so that the random
    initial weights soon lose their influence.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    def whole_weights(self) -> dict[str, Tensor]:
        """Return the whole averages on the CPU, gathered from all processes, all of which must call this."""
        return {name: whole(average).contiguous().cpu() for name, average in self.weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Include the weights after `step`, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step))
        own = dict(self.model.named_parameters())
        for name, average in self.weights.items():
            average.lerp_(own[name], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights within this context."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        own = dict(self.model.named_parameters())
        for name, average in self.weights.items():
            kept = own[name].detach().clone()
            own[name].copy_(average)
            average.copy_(kept)


def average_weights(paths: Sequence[Path], read: Callable[[Path], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean, in float32, of the weights that `read` finds at some paths."""
    total: dict[str, Tensor] = {}
    for path in paths:
        tensors = read(path)
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if total and shapes != {name: tensor.shape for name, tensor in total.items()}:
            raise UserError(f"{path} and {paths[0]} hold different models: only weights of one model can be averaged.")
        for name, tensor in tensors.items():  # in double precision, so that the order does not matter
            total[name] = total.get(name, 0) + tensor.double() / len(paths)
    return {name: tensor.float() for name, tensor in total.items()}


def read_checkpoint(folder: Path, lora_scale: float) -> dict[str, Tensor]:
    """Return the model of a checkpoint: the moving average if it has one, with low-rank maps merged."""
    layout = CheckpointLayout(folder)
    weights = read_tensors(layout.weights)
    if layout.average.is_file():
        weights |= read_tensors(layout.average)
    return merge_lora(weights, lora_scale)
