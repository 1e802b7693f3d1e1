"""Dropout with a mask that is cheap to draw on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Module):
    """Dropout: during training, zero each value with probability `p` and scale the others so that the mean stays.

    On a CPU, torch's own dropout draws a 64-bit random number for each value, which can take a fifth of a training
    step. Here eight values share one number, a byte each, so `p` is rounded to a multiple of 1/256 and the scale
    matches the rounded value.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        dropped = min(255, round(self.p * 256))
        if not self.training or dropped == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        random = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        # 1 where a byte is at least `dropped`, else 0, without a comparison, which torch does not vectorise.
        kept = random.view(torch.uint8)[: x.numel()].clamp(dropped - 1, dropped).sub_(dropped - 1)
        return x * kept.view(x.shape).to(x.dtype).mul_(256 / (256 - dropped))
