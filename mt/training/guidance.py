"""Guided attention: a lexicon teaches the decoder where in the source to look, besides what the translations teach.

To find that out is most of what a short training does (Chen et al., "Guided Alignment Training for Topic-Aware Neural
Machine Translation", 2016; Garg et al., "Jointly Learning to Align and Translate with Transformer Models", 2019).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from mt.data.batch import Batch
from mt.text.tokenizer import EOS, PAD
from mt.training.lexicon import Lexicon


class Guidance:
    """The part of the loss that teaches attention."""

    def __init__(self, lexicon: Lexicon, weight: float) -> None:
        self.lexicon = lexicon
        self.weight = weight

    def loss(self, heads: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the weighted cross-entropy between the lexicon's alignment and attention, summed over the tokens.

        Args:
            heads: attention weights (B, T, S) of one head of each layer that is taught.
        """
        aligned = self.align(batch)
        cross_entropies = [-(aligned * head.float().clamp(min=1e-30).log()).sum() for head in heads]
        return self.weight * torch.stack(cross_entropies).mean()

    @torch.no_grad()
    def align(self, batch: Batch) -> Tensor:
        """Return how probably the token that follows at each target position belongs to a source token, (B, T, S).

        EOS is aligned with EOS.
        """
        tgt = torch.full_like(batch.tgt_in, PAD)
        tgt.view(-1)[batch.tgt_positions] = batch.tgt_out
        src_ends, tgt_ends = batch.src == EOS, tgt == EOS
        aligned = self.lexicon.align(batch.src, batch.src_mask & ~src_ends, tgt, (tgt != PAD) & ~tgt_ends)
        return aligned + (src_ends.unsqueeze(1) & tgt_ends.unsqueeze(2))
