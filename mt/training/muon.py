"""Muon for the matrices of the layers, and AdamW for everything else.

Shapes: M matrices of one shape, (M, A, B).
"""

import inspect
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""coefficients of the polynomial that moves all singular values near 1 in five steps (Jordan et al., 2024)"""
N_ITERATIONS = 5
MOMENTUM = 0.95
RMS = 0.2
"""root mean square of AdamW's updates, in multiples of the learning rate"""
adamw_step = inspect.unwrap(AdamW.step)  # without its wrappers, which import torch's compiler


class Muon(AdamW):
    """Muon (Jordan et al., 2024): the momentum of each matrix is made orthogonal before it is subtracted.

    Updates are scaled to the size of AdamW's (Liu et al., "Muon is Scalable for LLM Training", 2025, section 2.2), so
    that both share a learning rate and a weight decay. torch has a Muon, too; for the small matrices of these models
    its loop over them takes a third longer than products of all matrices of a shape at once.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], dtype: torch.dtype, **settings: Any) -> None:
        """Train the first of `groups` with Muon, in products of `dtype`, and the others with AdamW and `settings`."""
        super().__init__(groups, **settings)
        self.dtype = dtype

    def step(self) -> None:  # type: ignore[override]
        """Update all parameters that have a gradient."""
        matrices = self.param_groups[0]
        by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for parameter in matrices["params"]:
            if parameter.grad is not None:
                by_shape[parameter.shape].append(parameter)
        for parameters in by_shape.values():
            self.step_matrices(parameters, matrices["lr"], matrices["weight_decay"])
        adamw_step(self)

    @torch.no_grad()
    def step_matrices(self, parameters: list[Tensor], lr: float, weight_decay: float) -> None:
        """Update matrices of one shape and clear their gradients, so that AdamW leaves them alone."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        states = [self.state[parameter] for parameter in parameters]
        for state, parameter in zip(states, parameters, strict=True):
            if not state:  # AdamW cannot load a state without a step
                state.update(step=torch.zeros(()), momentum_buffer=torch.zeros_like(parameter))
            state["step"] += 1
            parameter.grad = None
        momenta = [state["momentum_buffer"] for state in states]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        ahead = torch.stack(gradients).lerp_(torch.stack(momenta), MOMENTUM)  # Nesterov's momentum
        updates = orthogonalize(ahead, self.dtype)
        torch._foreach_mul_(parameters, 1 - lr * weight_decay)
        torch._foreach_add_(parameters, updates.unbind(), alpha=-lr * RMS * math.sqrt(max(parameters[0].shape)))


def orthogonalize(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return about U Vᵀ for each matrix U S Vᵀ (M, A, B), by a Newton-Schulz iteration in products of `dtype`.

    The singular values of the result are between 0.7 and 1.2, which serves as well as 1.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.size(1) > matrices.size(2)
    x = matrices.mT if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(dtype)
    for _ in range(N_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)
