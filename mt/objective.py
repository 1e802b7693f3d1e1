"""What training minimises: the model and its loss as one module, from a batch to two sums.

One module, so that it is what processes share (`mt.distributed`), whatever parts it has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mt.data.batch import Batch
from mt.loss import smoothed_cross_entropy
from mt.model.transformer import Transformer


class Objective(nn.Module):
    """Label-smoothed cross-entropy of the target given the source."""

    def __init__(self, model: Transformer, label_smoothing: float = 0.0, bf16: bool = False) -> None:
        super().__init__()
        self.model = model
        self.label_smoothing = label_smoothing
        self.bf16 = bf16

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss with smoothing, which has a gradient, and without, each summed over the batch's target tokens."""
        with torch.autocast(batch.src.device.type, torch.bfloat16, enabled=self.bf16):
            memory = self.model.encode(batch.src, batch.src_mask)
            features = self.model.decode(batch.tgt_in, memory, batch.src_mask)
        at_tokens = features.flatten(0, 1).index_select(0, batch.places)  # (B, T, D) -> (n, D)
        return smoothed_cross_entropy(at_tokens, self.model.projection.weight, batch.targets, self.label_smoothing)
