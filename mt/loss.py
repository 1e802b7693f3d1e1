"""Label-smoothed cross-entropy, summed over tokens, with the unsmoothed loss beside it.

Shapes: N tokens, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _SmoothedCrossEntropy(torch.autograd.Function):
    """Two numbers out of one pass over the logits, and the gradient in one more.

    Written out because autograd, given the same formula, makes five passes over (N, V), the largest tensor there is.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        log_z = logits.float().logsumexp(-1)
        nll = log_z - logits.gather(1, targets.unsqueeze(1)).squeeze(1).float()
        loss = (1 - smoothing) * nll + smoothing * (log_z - logits.mean(-1, dtype=torch.float32))
        ctx.save_for_backward(logits, targets, log_z)
        ctx.smoothing = smoothing
        nll_sum = nll.sum()
        ctx.mark_non_differentiable(nll_sum)
        return loss.sum(), nll_sum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        logits, targets, log_z = ctx.saved_tensors
        # d loss / d logits = softmax - the smoothed target distribution
        grad = torch.sub(logits, log_z.unsqueeze(1)).exp_().sub_(ctx.smoothing / logits.size(1))
        peak = torch.full_like(targets, -(1 - ctx.smoothing), dtype=grad.dtype).unsqueeze(1)
        grad.scatter_add_(1, targets.unsqueeze(1), peak)
        return grad.mul_(grad_loss).to(logits.dtype), None, None


def smoothed_cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """The loss that is trained on, and the one that is reported, each summed over the tokens, in float32.

    Args:
        logits: (N, V).
        targets: the right tokens, (N,).
        smoothing: share of the target probability that is spread evenly over the vocabulary (Szegedy et al., 2016,
            section 7).

    Returns:
        `(loss_sum, nll_sum)`: the smoothed cross-entropy, which has a gradient, and -Σ log p(target), which has none.
        Perplexity is exp(nll_sum / N).
    """
    loss_sum, nll_sum = _SmoothedCrossEntropy.apply(logits, targets, smoothing)  # type: ignore[no-untyped-call]
    return loss_sum, nll_sum
