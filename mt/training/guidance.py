"""Guided attention: a lexicon teaches the decoder where in the source to look, besides what the translations teach.

To find that out is most of what a short training does (Chen et al., "Guided Alignment Training for Topic-Aware Neural
Machine Translation", 2016; Garg et al., "Jointly Learning to Align and Translate with Transformer Models", 2019).
"""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mt.data.batch import Batch
from mt.data.mixture import Mixture
from mt.data.sampler import Indices
from mt.text.tokenizer import EOS, PAD
from mt.training.lexicon import Lexicon, learn_lexicon

log = logging.getLogger(__name__)
MOST_PIECES = 64
"""of a side of a pair that the lexicon is learnt from, unless most pairs are longer"""
MOST_COMBINATIONS = 1 << 24
"""of pieces within pairs that it is learnt from: all of a small corpus, and at most 1.5 GB of memory meanwhile"""
MOST_CANDIDATES = 1 << 18
"""pairs of a large corpus among which these are chosen"""


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

        The ends of both sentences belong to each other.
        """
        tgt = torch.full_like(batch.tgt_in, PAD)
        tgt.view(-1)[batch.tgt_positions] = batch.tgt_out
        src_ends, tgt_ends = batch.src == EOS, tgt == EOS
        aligned = self.lexicon.align(batch.src, batch.src_mask & ~src_ends, tgt, (tgt != PAD) & ~tgt_ends)
        return aligned + (src_ends.unsqueeze(1) & tgt_ends.unsqueeze(2))


def learn_guidance(corpus: Mixture, vocab_sizes: tuple[int, int], weight: float, device: torch.device) -> Guidance:
    """Learn a lexicon from as much of the training text as is needed."""
    chosen = choose_pairs(corpus)
    lexicon = learn_lexicon(corpus.pairs(chosen), *vocab_sizes)
    log.info("Attention is guided by %s translations of pieces in %s pairs.", f"{len(lexicon):,}", f"{len(chosen):,}")
    return Guidance(lexicon.to(device), weight)


def choose_pairs(corpus: Mixture) -> Indices:
    """Return the pairs that a lexicon is learnt from: short ones from the whole corpus, at regular intervals."""
    candidates: Indices = np.arange(0, len(corpus), -(-len(corpus) // MOST_CANDIDATES))
    lens = corpus.src_lens[candidates].astype(np.int64), corpus.tgt_lens[candidates].astype(np.int64)
    longest = np.maximum(*lens)
    short = longest <= max(MOST_PIECES + 1, float(np.median(longest)))  # EOS is counted
    n_combinations = int((lens[0] * lens[1])[short].sum())
    chosen: Indices = candidates[short]
    return chosen[:: max(1, -(-n_combinations // MOST_COMBINATIONS))]
