"""How the gradient becomes a change of the weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mt.runtime.distributed import whole


@dataclass
class Update:
    """One step of an optimizer, with what belongs to it."""

    optimizer: Optimizer
    learning_rate: Callable[[int, float], float]
    """step, counted from 1, and minutes of training -> learning rate"""
    grad_clip: float = 0.0
    shrink: Callable[[float], None] | None = None
    """L1 regularisation's step, given the learning rate"""

    def apply(self, model: nn.Module, step: int, minutes: float, n_tokens: float) -> tuple[float, Tensor]:
        """Make the gradients, sums over `n_tokens`, their mean; clip, step, clear them.

        Returns the learning rate and the mean gradient's norm before clipping.
        """
        learning_rate = self.learning_rate(step, minutes)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        norm = scale_gradients(model, 1 / n_tokens, self.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.shrink:
            self.shrink(learning_rate)
        return learning_rate, norm


@torch.no_grad()
def scale_gradients(model: nn.Module, factor: float, grad_clip: float) -> Tensor:
    """Multiply all gradients by `factor`, and further down to a norm of `grad_clip` (0: no limit).

    Both in one multiplication. Returns the norm after the first.
    """
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norm = whole(nn.utils.get_total_norm(gradients)) * factor
    scale = (grad_clip / (norm + 1e-6)).clamp(max=1.0) * factor if grad_clip else torch.full_like(norm, factor)
    for gradient in gradients:
        gradient.mul_(scale)
    return norm
