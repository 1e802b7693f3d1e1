"""Optimizers, learning-rate schedules and L1."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from functools import partial

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop


def leave_compiler_out() -> None:
    """Keep torch's optimizers from importing its compiler, which takes longer than all else before the first step.

    They import it to exclude their methods from compilation, which is not wanted here. Where a version of torch does
    that in another way, this has no effect.
    """
    for method in (Optimizer.add_param_group, Optimizer.state_dict, Optimizer.load_state_dict, Optimizer.zero_grad):
        function = getattr(method, "__wrapped__", None)
        if function is not None:
            function.__dynamo_disable = function


def build_optimizer(name: str, model: nn.Module, lr: float, weight_decay: float = 0.0) -> Optimizer:
    """The named optimizer over a model's parameters; biases, norms and other vectors get no weight decay.

    Adam and AdamW use the Transformer paper's betas (0.9, 0.98) and epsilon 1e-9 (section 5.3); RMSprop averages
    squares over 0.98 as well; SGD has momentum 0.9.
    """
    leave_compiler_out()
    optimizer = make_optimizer(name, model, lr, weight_decay)
    step = inspect.unwrap(type(optimizer).step)  # without what is wrapped around it: hooks, and the compiler again
    optimizer.step = torch.no_grad()(partial(step, optimizer))  # type: ignore[method-assign]
    return optimizer


def make_optimizer(name: str, model: nn.Module, lr: float, weight_decay: float) -> Optimizer:
    """As `build_optimizer`, of torch's own kind."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if name == "sgd":
        return SGD(groups, lr=lr, momentum=0.9)
    if name == "rmsprop":
        return RMSprop(groups, lr=lr, alpha=0.98, eps=1e-8)
    kind = {"adam": Adam, "adamw": AdamW}[name]
    optimizer: Optimizer = kind(groups, lr=lr, betas=(0.9, 0.98), eps=1e-9, fused=True)
    return optimizer


def learning_rate_factor(
    schedule: str, step: int, warmup_steps: int, max_steps: int | None = None, share_of_time: float = 0.0
) -> float:
    """What the highest learning rate is multiplied by at `step` (the first is 1).

    All schedules rise linearly over `warmup_steps`. Then "inverse_sqrt" falls as √(warmup_steps / step) (section 5.3 of
    "Attention Is All You Need", scaled to a peak of 1), "cosine" and "linear" fall to zero at `max_steps`, or when
    `share_of_time` reaches 1, whichever is first, and "constant" stays.
    """
    if step < warmup_steps:
        return step / warmup_steps
    if schedule == "constant":
        return 1.0
    if schedule == "inverse_sqrt":
        return math.sqrt(max(warmup_steps, 1) / step)
    share_of_steps = (step - warmup_steps) / max(1, max_steps - warmup_steps) if max_steps else 0.0
    done = min(1.0, max(share_of_steps, share_of_time))
    return 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2


@torch.no_grad()
def shrink(parameters: Iterable[nn.Parameter], amount: float) -> None:
    """L1 regularisation's step: draw every trained matrix entry towards zero by `amount`, and stop at zero.

    This is the proximal operator of the L1 norm (Parikh and Boyd, "Proximal Algorithms", 6.5.2). Added to the gradient,
    L1 would be rescaled by Adam and no weight would ever be exactly zero.
    """
    for parameter in parameters:
        if parameter.requires_grad and parameter.dim() > 1:
            parameter.copy_(parameter.sign() * (parameter.abs() - amount).clamp_min_(0))
