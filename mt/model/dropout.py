"""Dropout that is cheap on a CPU: in random numbers, and in what is kept for the backward pass."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class Dropout(nn.Module):
    """Dropout: during training, zero each value with probability `p` and scale the others so that the mean stays.

    On a CPU, torch's own dropout draws a 64-bit random number for each value, which can take a fifth of a training
    step. Here eight values share one number, a byte each, so `p` is rounded to a multiple of 1/256 and the scale
    matches the rounded value. torch's own takes over where that would be 0, and on other devices.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        if not self.drops_bytes(x):
            return F.dropout(x, self.p, self.training)
        result: Tensor = _Dropped.apply(x, self.dropped)  # type: ignore[no-untyped-call]
        return result

    def relu(self, x: Tensor) -> Tensor:
        """Return dropout of max(x, 0), keeping no mask: where the result is positive, the gradient passes."""
        if not self.drops_bytes(x):
            return F.dropout(F.relu(x), self.p, self.training)
        result: Tensor = _DroppedRelu.apply(x, self.dropped)  # type: ignore[no-untyped-call]
        return result

    @property
    def dropped(self) -> int:
        """Number of values in 256 that are dropped on a CPU."""
        return min(255, round(self.p * 256))

    def drops_bytes(self, x: Tensor) -> bool:
        """Return whether values of `x` are dropped with random bytes, not by torch."""
        return self.training and self.dropped > 0 and x.device.type == "cpu"


def draw_kept(x: Tensor, dropped: int) -> Tensor:
    """Return a byte for each value of `x`: 0 with the probability dropped / 256, else 1."""
    random = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    # A comparison of bytes would do, but torch does not vectorise it.
    return random.view(torch.uint8)[: x.numel()].clamp(dropped - 1, dropped).sub_(dropped - 1).view(x.shape)


class _Dropped(torch.autograd.Function):
    """The product with a mask of bytes; autograd would keep the mask in the type of `x`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped: int) -> Tensor:
        kept, ctx.scale = draw_kept(x, dropped), 256 / (256 - dropped)
        ctx.save_for_backward(kept)
        return (x * kept).mul_(ctx.scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return (grad * kept).mul_(ctx.scale), None


class _DroppedRelu(torch.autograd.Function):
    """The same for max(x, 0). Only the result is kept, and the next linear map keeps it anyway, as its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped: int) -> Tensor:
        ctx.scale = 256 / (256 - dropped)
        result = (x * draw_kept(x, dropped)).clamp_min_(0).mul_(ctx.scale)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (result,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(grad, result, 0).mul_(ctx.scale), None
