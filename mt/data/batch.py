"""Pairs of id sequences as the rectangular tensors that the model takes.

Shapes: B pairs, S longest source, T longest target, end marks counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Ids = Sequence[int]


@dataclass
class Batch:
    """Padding stands at the end of rows; masks are True on what is no padding."""

    src: Tensor
    """source ids and end mark, (B, S)"""
    src_mask: Tensor
    tgt_in: Tensor
    """start mark and target ids, (B, T)"""
    tgt_out: Tensor
    """target ids and end mark, (B, T): at each position the token that should come next"""
    tgt_mask: Tensor
    n_src_tokens: int
    n_tgt_tokens: int
    """real tokens, end marks counted"""

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(
            self.src.to(device, non_blocking=True),
            self.src_mask.to(device, non_blocking=True),
            self.tgt_in.to(device, non_blocking=True),
            self.tgt_out.to(device, non_blocking=True),
            self.tgt_mask.to(device, non_blocking=True),
            self.n_src_tokens,
            self.n_tgt_tokens,
        )


def pad_rows(rows: Sequence[Ids], pad_id: int) -> Tensor:
    """Rows of ids, (B, longest)."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows], dtype=torch.long)


def build_source(rows: Sequence[Ids], pad_id: int, eos_id: int) -> tuple[Tensor, Tensor]:
    """Source ids without end marks -> ids (B, S) with them, and their mask."""
    src = pad_rows([[*row, eos_id] for row in rows], pad_id)
    lengths = torch.tensor([len(row) + 1 for row in rows])
    return src, torch.arange(src.size(1)) < lengths.unsqueeze(1)


def build_batch(pairs: Sequence[tuple[Ids, Ids]], pad_id: int, bos_id: int, eos_id: int) -> Batch:
    """Pairs of source and target ids, without special ids, as a batch."""
    src, src_mask = build_source([src for src, _ in pairs], pad_id, eos_id)
    tgt_out, tgt_mask = build_source([tgt for _, tgt in pairs], pad_id, eos_id)
    tgt_in = pad_rows([[bos_id, *tgt] for _, tgt in pairs], pad_id)
    return Batch(src, src_mask, tgt_in, tgt_out, tgt_mask, int(src_mask.sum()), int(tgt_mask.sum()))
