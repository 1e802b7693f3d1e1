"""A lexicon of pieces that are translations of each other, and the alignment of pairs by it.

It has two models of one parameter table each, one for each direction: IBM model 1 (Brown et al., 1993, section 4.2)
whose alignments prefer the diagonal (Dyer, Chahuneau and Smith, 2013, section 2). Where both agree, pieces probably
belong together (Liang, Taskar and Klein, 2006, who let them agree in training, too). A piece may be aligned to nothing,
with a probability that is not learnt.

Shapes: E entries of the lexicon; B pairs, S source and T target positions of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

DIAGONAL = 4.0
"""how strongly alignments prefer the diagonal: λ of Dyer, Chahuneau and Smith"""
P_NULL = 0.08
"""probability that a piece is aligned to nothing"""


@dataclass(frozen=True)
class Lexicon:
    """The probabilities with which pieces are translations of each other, in both directions."""

    n_tgt_pieces: int
    keys: Tensor
    """keys of the entries, ascending: source piece · target pieces + target piece, (E,)"""
    tgt_given_src: Tensor
    """probabilities of the entries, (E,)"""
    src_given_tgt: Tensor
    src_unigrams: Tensor
    """relative frequency of each source piece"""
    tgt_unigrams: Tensor

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device) -> Lexicon:
        """Return the lexicon on another device."""
        tensors = (self.keys, self.tgt_given_src, self.src_given_tgt, self.src_unigrams, self.tgt_unigrams)
        return Lexicon(self.n_tgt_pieces, *(tensor.to(device) for tensor in tensors))

    def align(self, src: Tensor, src_mask: Tensor, tgt: Tensor, tgt_mask: Tensor) -> Tensor:
        """Return the probability that two positions are aligned, (B, T, S): the product of those of both directions.

        Args:
            src, tgt: pieces, (B, S) and (B, T).
            src_mask, tgt_mask: True at the pieces to align.
        """
        keys = src.unsqueeze(1) * self.n_tgt_pieces + tgt.unsqueeze(2)
        entries = torch.searchsorted(self.keys, keys).clamp_(max=len(self.keys) - 1)
        is_entry = (self.keys[entries] == keys) & src_mask.unsqueeze(1) & tgt_mask.unsqueeze(2)
        distances = (relative_positions(src_mask).unsqueeze(1) - relative_positions(tgt_mask).unsqueeze(2)).abs()
        near = torch.exp(-DIAGONAL * distances) * src_mask.unsqueeze(1) * tgt_mask.unsqueeze(2)
        of_src = posterior(self.tgt_given_src[entries] * is_entry, near, self.tgt_unigrams[tgt], 2)
        of_tgt = posterior(self.src_given_tgt[entries] * is_entry, near, self.src_unigrams[src], 1)
        return of_src * of_tgt


def relative_positions(mask: Tensor) -> Tensor:
    """Return the place of each position in its sentence, between 0 and 1."""
    return (mask.cumsum(1) - 0.5) / mask.sum(1, keepdim=True).clamp(min=1)


def posterior(likelihood: Tensor, near: Tensor, unigrams: Tensor, dim: int) -> Tensor:
    """Return to which position of dimension `dim` a piece is probably aligned; nothing is another possibility.

    Args:
        likelihood: of the piece, given each of these positions.
        near: how much an alignment to each is preferred.
        unigrams: likelihood of the piece, if it is aligned to nothing.
    """
    joint = (1 - P_NULL) * likelihood * near / near.sum(dim, keepdim=True).clamp(min=1e-30)
    return joint / (joint.sum(dim, keepdim=True) + P_NULL * unigrams.unsqueeze(dim)).clamp(min=1e-30)
