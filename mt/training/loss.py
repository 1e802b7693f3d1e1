"""Label-smoothed cross-entropy of the output projection, and the unsmoothed loss, summed over tokens.

Shapes: N tokens, n of them at a time, D model features, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_SIZE = {"cpu": 1 << 21, "cuda": 1 << 27}
"""logits in memory at once: few enough for a CPU's cache, enough to keep a GPU busy"""


class _ProjectedCrossEntropy(torch.autograd.Function):
    """Projection, softmax, loss and their gradients, some rows at a time.

    The logits (N, V) are the largest tensor of a step. Autograd would keep it and make five passes over it. Here the
    gradients of a chunk are computed as soon as its logits are, and overwrite them.
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        n_rows = max(1, CHUNK_SIZE.get(features.device.type, 1 << 24) // weight.size(0))
        trained, weight_trained = any(ctx.needs_input_grad), ctx.needs_input_grad[1]
        grad_features = torch.empty_like(features) if trained else None
        grad_weight = torch.zeros_like(weight) if weight_trained else None
        grad_bias = torch.zeros_like(bias) if bias is not None and ctx.needs_input_grad[2] else None
        projection = weight.to(features.dtype)
        sums = torch.zeros(2, device=features.device)  # loss, nll
        for start in range(0, features.size(0), n_rows):
            rows = slice(start, start + n_rows)
            logits = (features[rows] @ projection.t()).float()  # (n, V)
            if bias is not None:
                logits += bias
            sums += loss_to_gradient_(logits, targets[rows], smoothing)
            if grad_bias is not None:
                grad_bias += logits.sum(0)
            grad = logits.to(features.dtype)
            if grad_features is not None:
                torch.mm(grad, projection, out=grad_features[rows])
            if grad_weight is not None:
                if weight.dtype == grad.dtype:
                    grad_weight.addmm_(grad.t(), features[rows])
                else:
                    grad_weight += grad.t() @ features[rows]
        ctx.save_for_backward(grad_features, grad_weight, grad_bias)
        loss_sum, nll_sum = sums[0].clone(), sums[1].clone()
        ctx.mark_non_differentiable(nll_sum)
        return loss_sum, nll_sum

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grads = (None if grad is None else grad * grad_loss.to(grad.dtype) for grad in ctx.saved_tensors)
        return (*grads, None, None)


def loss_to_gradient_(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Return the smoothed and the unsmoothed loss summed over some rows, (2,), and turn `logits` into a gradient.

    The gradient of the smoothed loss is softmax minus the smoothed target distribution, (n, V).
    """
    targets = targets.unsqueeze(1)
    logits.sub_(logits.amax(-1, keepdim=True))
    at_target, mean = logits.gather(1, targets), logits.mean(-1, keepdim=True)
    probabilities = logits.exp_()
    z = probabilities.sum(-1, keepdim=True)
    nll = z.log() - at_target
    loss = (1 - smoothing) * nll + smoothing * (z.log() - mean)
    probabilities.div_(z).sub_(smoothing / logits.size(1))
    probabilities.scatter_add_(1, targets, torch.full_like(z, -(1 - smoothing)))
    return torch.stack((loss.sum(), nll.sum()))


def smoothed_cross_entropy(
    features: Tensor, weight: Tensor, targets: Tensor, smoothing: float = 0.0, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the loss to minimise and the one to report, each summed over the tokens, in float32.

    Args:
        features: input of the output projection, (N, D).
        weight: of the output projection, (V, D); the logits are `features @ weight.T + bias`.
        targets: the correct tokens, (N,).
        smoothing: part of the target probability that is spread evenly over the vocabulary (Szegedy et al., 2016,
            section 7).
        bias: of the output projection, (V,), if it has one.

    Returns:
        `(loss_sum, nll_sum)`: the smoothed cross-entropy, which has a gradient, and -Σ log p(target), which has none.
        Perplexity is exp(nll_sum / N).
    """
    with torch.autocast(features.device.type, enabled=False):
        loss_sum, nll_sum = _ProjectedCrossEntropy.apply(features, weight, bias, targets, smoothing)  # type: ignore[no-untyped-call]
    return loss_sum, nll_sum
