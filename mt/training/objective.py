"""The training objective: model and loss in one module, which maps a batch to two sums.

Several processes share the parameters of one module, so the loss has to be part of it (`mt.runtime.distributed`).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mt.data.batch import Batch
from mt.model.transformer import Transformer
from mt.training.guidance import Guidance
from mt.training.loss import smoothed_cross_entropy

CUT = 0.05
"""fraction of the tokens that SimCut drops in its second pass"""


class Objective(nn.Module):
    """Label-smoothed cross-entropy, and during training R-Drop, SimCut and guided attention if they are switched on."""

    def __init__(
        self,
        model: Transformer,
        label_smoothing: float = 0.0,
        r_drop: float = 0.0,
        bf16: bool = False,
        simcut: float = 0.0,
        guidance: Guidance | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.label_smoothing = label_smoothing
        self.r_drop = r_drop
        self.simcut = simcut
        self.bf16 = bf16
        self.guidance = guidance

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the model, with arguments of `torch.compile`, and leave the loss as it is.

        The loss goes through its rows in chunks, so it would be compiled again for each number of target tokens.
        """
        self.features = torch.compile(self.features, *args, **kwargs)  # type: ignore[method-assign]

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss to minimise and the unsmoothed cross-entropy, each summed over the batch's target tokens."""
        first_heads: list[Tensor] | None = [] if self.training and self.guidance else None
        features = self.features(batch, first_heads=first_heads)
        loss_sum, nll_sum = self.cross_entropy(features, batch)
        if self.training and self.r_drop:
            again = self.features(batch)  # with other dropout
            again_sum, _ = self.cross_entropy(again, batch)
            logits, others = self.logits(features), self.logits(again)
            # Half of equation 4 of the paper, so that the scale is the same as without R-Drop.
            loss_sum = (loss_sum + again_sum) / 2 + self.r_drop / 4 * symmetric_divergence(logits, others)
        if self.training and self.simcut:
            cut = self.features(batch, CUT)
            loss_sum = loss_sum + self.simcut * divergence(self.logits(features), self.logits(cut))
        if self.guidance and first_heads:
            loss_sum = loss_sum + self.guidance.loss(first_heads, batch)
        return loss_sum, nll_sum

    def cross_entropy(self, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the smoothed and the unsmoothed loss of the projection's input (N, D), summed over the tokens."""
        projection = self.model.projection
        return smoothed_cross_entropy(features, projection.weight, batch.tgt_out, self.label_smoothing, projection.bias)

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits (N, V) of the projection's input (N, D)."""
        projection = self.model.projection
        return F.linear(
            features,
            projection.weight.to(features.dtype),
            None if projection.bias is None else projection.bias.to(features.dtype),
        )

    def features(self, batch: Batch, cut: float = 0.0, first_heads: list[Tensor] | None = None) -> Tensor:
        """Return the projection's input at each real target token, (N, D).

        Args:
            cut: fraction of the tokens that are dropped.
            first_heads: as for `Transformer.decode`.
        """
        with torch.autocast(batch.src.device.type, torch.bfloat16, enabled=self.bf16):
            memory = self.model.encode(batch.src, batch.src_mask, cut)
            decoded = self.model.decode(batch.tgt_in, memory, batch.src_mask, cut, first_heads)
        at_tokens = decoded.flatten(0, 1).index_select(0, batch.tgt_positions)  # (B, T, D) -> (N, D)
        # The last layer normalisation returns float32; the projection, a fifth of all products, takes bfloat16.
        return at_tokens.to(torch.bfloat16) if self.bf16 else at_tokens


def symmetric_divergence(logits: Tensor, others: Tensor) -> Tensor:
    """Return KL(p ‖ q) + KL(q ‖ p) of the distributions of two logits (N, V), summed over rows."""
    p, q = logits.float().log_softmax(-1), others.float().log_softmax(-1)
    return ((p.exp() - q.exp()) * (p - q)).sum()


def divergence(logits: Tensor, others: Tensor) -> Tensor:
    """Return KL(p ‖ q) of the distributions of two logits (N, V), summed over rows."""
    p, q = logits.float().log_softmax(-1), others.float().log_softmax(-1)
    return (p.exp() * (p - q)).sum()
