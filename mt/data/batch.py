"""Pairs of id sequences as the rectangular tensors that the model takes.

Shapes: B pairs, S longest source, T longest target, EOS included; N real target tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Ids = Sequence[int]


@dataclass
class Batch:
    """Padded pairs; padding stands at the end of rows."""

    src: Tensor
    """source ids and EOS, (B, S)"""
    src_mask: Tensor
    """True at real tokens, (B, S)"""
    tgt_in: Tensor
    """BOS and target ids, (B, T)"""
    tgt_positions: Tensor
    """indices of the real tokens in the flattened target, (N,)"""
    tgt_out: Tensor
    """the token that should follow at each of these positions, EOS included, (N,)"""
    n_src_tokens: int
    """real tokens, EOS included"""

    @property
    def n_tgt_tokens(self) -> int:
        """Number of real target tokens, EOS included."""
        return len(self.tgt_out)

    @property
    def n_padded(self) -> int:
        """Number of positions on both sides, padding included."""
        return self.src.numel() + self.tgt_in.numel()

    def halves(self) -> tuple[Batch, Batch]:
        """Return two batches of half of the pairs each; there must be at least two pairs."""
        n_rows, width = len(self.src) // 2, self.tgt_in.size(1)
        n_first = int((self.tgt_positions < n_rows * width).sum())
        first, second = slice(n_rows), slice(n_rows, None)

        def part(rows: slice, tokens: slice, offset: int) -> Batch:
            mask = self.src_mask[rows]
            positions = self.tgt_positions[tokens] - offset
            return Batch(self.src[rows], mask, self.tgt_in[rows], positions, self.tgt_out[tokens], int(mask.sum()))

        return part(first, slice(n_first), 0), part(second, slice(n_first, None), n_rows * width)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on another device; the copy to a GPU does not block."""
        if self.src.device == device:
            return self
        pinned = device.type == "cuda"

        def move(tensor: Tensor) -> Tensor:
            return (tensor.pin_memory() if pinned else tensor).to(device, non_blocking=pinned)

        return Batch(
            move(self.src), move(self.src_mask), move(self.tgt_in), move(self.tgt_positions), move(self.tgt_out),
            self.n_src_tokens,
        )  # fmt: skip


def pad_rows(rows: Sequence[Ids], pad_id: int) -> Tensor:
    """Return rows of ids as a tensor (B, longest)."""
    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows], dtype=torch.long)


def build_source(rows: Sequence[Ids], pad_id: int, eos_id: int) -> tuple[Tensor, Tensor]:
    """Append EOS to each row; return the ids (B, S) and their mask."""
    src = pad_rows([[*row, eos_id] for row in rows], pad_id)
    lengths = torch.tensor([len(row) + 1 for row in rows])
    return src, torch.arange(src.size(1)) < lengths.unsqueeze(1)


def build_batch(pairs: Sequence[tuple[Ids, Ids]], pad_id: int, bos_id: int, eos_id: int) -> Batch:
    """Build a batch of pairs of source and target ids without special ids."""
    src, src_mask = build_source([src for src, _ in pairs], pad_id, eos_id)
    tgt_out, tgt_mask = build_source([tgt for _, tgt in pairs], pad_id, eos_id)
    tgt_in = pad_rows([[bos_id, *tgt] for _, tgt in pairs], pad_id)
    return Batch(src, src_mask, tgt_in, tgt_mask.flatten().nonzero().squeeze(1), tgt_out[tgt_mask], int(src_mask.sum()))
