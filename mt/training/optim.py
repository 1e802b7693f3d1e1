"""Optimizers, learning-rate schedules, L1, and the update of the weights that combines them."""

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from typing_extensions import assert_never

from mt.config.choices import OptimizerName, Schedule
from mt.config.schema import OptimConfig
from mt.config.training import TrainingConfig
from mt.runtime.distributed import whole
from mt.training.muon import Muon

TABLES = ("src_embedding", "tgt_embedding", "projection")
"""beginnings of the names of parameters with a row for each piece or position, which Muon leaves to AdamW"""


@dataclass(frozen=True)
class LearningRate:
    """The learning rate as a function of the step, of time and of the epoch."""

    config: OptimConfig
    limits: TrainingConfig = field(default_factory=TrainingConfig)
    """The schedule ends at the first limit of training in steps, minutes or epochs."""

    def at(self, step: int, minutes: float = 0.0, epochs: float = 0.0) -> float:
        """Return the learning rate of a step, counted from 1, after some minutes and epochs of training."""
        config, limits = self.config, self.limits
        pairs = ((minutes, limits.max_minutes), (epochs, limits.max_epochs))
        share_done = max((done / limit for done, limit in pairs if limit), default=0.0)
        return config.lr * learning_rate_factor(
            config.schedule, step, config.warmup_steps, limits.max_steps, share_done
        )


@dataclass
class Update:
    """One step of an optimizer with its schedule, clipping and L1."""

    optimizer: Optimizer
    config: OptimConfig
    learning_rate: LearningRate

    def apply(
        self, model: nn.Module, n_tokens: float, step: int, minutes: float = 0.0, epochs: float = 0.0
    ) -> tuple[float, float]:
        """Turn gradients, which are sums over `n_tokens`, into their mean; clip, step, and clear them.

        If the gradient is not finite, nothing changes: one such step would make every weight NaN.

        Returns:
            The learning rate, and the norm of the mean gradient before clipping.
        """
        learning_rate = self.learning_rate.at(step, minutes, epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        norm = float(scale_gradients(model, 1 / n_tokens, self.config.grad_clip))
        if math.isfinite(norm):
            self.optimizer.step()
            if self.config.l1:
                shrink(model.parameters(), learning_rate * self.config.l1)
        self.optimizer.zero_grad(set_to_none=True)
        return learning_rate, norm


def build_optimizer(config: OptimConfig, model: nn.Module, bf16: bool = False) -> Optimizer:
    """Build the optimizer of a model's trained parameters; biases, norms and other vectors get no weight decay.

    Adam and AdamW use the Transformer paper's betas (0.9, 0.98) and epsilon 1e-9 (section 5.3). RMSprop uses a
    decay (alpha) of 0.98. SGD has momentum 0.9. Muon computes in bfloat16 if `bf16`.
    """
    return without_compiler(partial(make_optimizer, config, model, bf16))


def without_compiler(make: Callable[[], Optimizer]) -> Optimizer:
    """Make an optimizer without importing torch's compiler, which would delay the first step by a second.

    torch's optimizers import the compiler only to exclude their own methods from compilation. Nothing compiles them
    here, so the import is unnecessary. If a version of torch does this differently, this function has no effect.
    """
    for method in (Optimizer.add_param_group, Optimizer.state_dict, Optimizer.load_state_dict, Optimizer.zero_grad):
        function = getattr(method, "__wrapped__", None)
        if function is not None:
            function.__dynamo_disable = function
    optimizer = make()
    step = inspect.unwrap(type(optimizer).step)  # without its wrappers: hooks, and again the compiler
    optimizer.step = torch.no_grad()(partial(step, optimizer))  # type: ignore[method-assign]
    return optimizer


def make_optimizer(config: OptimConfig, model: nn.Module, bf16: bool) -> Optimizer:
    """Make an optimizer."""
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    decay = config.weight_decay or 0.0
    matrices = {name: parameter for name, parameter in named.items() if parameter.dim() > 1}
    vectors = {"params": [parameter for parameter in named.values() if parameter.dim() <= 1], "weight_decay": 0.0}
    groups = [{"params": [*matrices.values()], "weight_decay": decay}, vectors]
    match config.name:
        case OptimizerName.adam:
            return Adam(groups, lr=config.lr, betas=(0.9, 0.98), eps=1e-9, fused=True)
        case OptimizerName.adamw:
            return AdamW(groups, lr=config.lr, betas=(0.9, 0.98), eps=1e-9, fused=True)
        case OptimizerName.muon:
            tables = [p for name, p in matrices.items() if name.startswith(TABLES)]
            others = [p for name, p in matrices.items() if not name.startswith(TABLES)]
            divided = [{"params": params, "weight_decay": decay} for params in (others, tables)]
            dtype = torch.bfloat16 if bf16 else torch.float32
            return Muon([*divided, vectors], dtype, lr=config.lr, betas=(0.9, 0.98), eps=1e-9, fused=True)
        case OptimizerName.rmsprop:
            return RMSprop(groups, lr=config.lr, alpha=0.98, eps=1e-8)
        case OptimizerName.sgd:
            return SGD(groups, lr=config.lr, momentum=0.9)
        case other:
            assert_never(other)


def learning_rate_factor(
    schedule: Schedule, step: int, warmup_steps: int, max_steps: int | None = None, share_done: float = 0.0
) -> float:
    """Return the learning rate at `step`, counted from 1, relative to the peak.

    All schedules rise linearly over `warmup_steps`. Then `inverse_sqrt` falls as √(warmup_steps / step) ("Attention Is
    All You Need", section 5.3, scaled to a peak of 1). `cosine` and `linear` fall to zero over the steps from the end
    of warm-up to `max_steps`, or as `share_done` grows from 0 to 1, whichever is further. `constant` stays at 1.
    """
    warmth = min(1.0, step / warmup_steps) if warmup_steps else 1.0
    step_fraction = (step - warmup_steps) / max(1, max_steps - warmup_steps) if max_steps else 0.0
    done = min(1.0, max(0.0, step_fraction, share_done))
    match schedule:
        case Schedule.constant:
            return warmth
        case Schedule.inverse_sqrt:
            return warmth if warmth < 1 else math.sqrt(max(warmup_steps, 1) / step)
        case Schedule.linear:
            return warmth * (1 - done)
        case Schedule.cosine:
            return warmth * (1 + math.cos(math.pi * done)) / 2
        case other:
            assert_never(other)


@torch.no_grad()
def scale_gradients(model: nn.Module, factor: float, grad_clip: float) -> Tensor:
    """Multiply all gradients by `factor`, then clip their norm to at most `grad_clip` (0: no limit).

    Both are one multiplication. Returns the norm after `factor` alone.
    """
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norm = whole(nn.utils.get_total_norm(gradients)) * factor
    scale = (grad_clip / (norm + 1e-6)).clamp(max=1.0) * factor if grad_clip else torch.full_like(norm, factor)
    for gradient in gradients:
        gradient.mul_(scale)
    return norm


@torch.no_grad()
def shrink(parameters: Iterable[nn.Parameter], amount: float) -> None:
    """Apply the step of L1 regularisation: move the entries of every trained matrix towards zero, but not past it.

    This is the proximal operator of the L1 norm (Parikh and Boyd, "Proximal Algorithms", 6.5.2). If L1 were added to
    the gradient, Adam would rescale it and no weight would ever be exactly zero.
    """
    for parameter in parameters:
        if parameter.requires_grad and parameter.dim() > 1:
            parameter.copy_(parameter.sign() * (parameter.abs() - amount).clamp_min_(0))
