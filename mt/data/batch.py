"""Pairs of id sequences as the rectangular tensors that the model takes.

Shapes: B pairs, S longest source, T longest target, end marks counted; n real target tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Ids = Sequence[int]


@dataclass
class Batch:
    """Padding stands at the end of rows; `src_mask` is True on what is no padding."""

    src: Tensor
    """source ids and end mark, (B, S)"""
    src_mask: Tensor
    tgt_in: Tensor
    """start mark and target ids, (B, T)"""
    places: Tensor
    """where the real tokens stand in the flattened target, (n,)"""
    targets: Tensor
    """at each place the token that should come next, end marks among them, (n,)"""
    n_src_tokens: int
    """real tokens, end marks counted"""

    @property
    def n_tgt_tokens(self) -> int:
        """Real target tokens, end marks counted."""
        return len(self.targets)

    @property
    def n_padded(self) -> int:
        """Positions of both sides, padding counted."""
        return self.src.numel() + self.tgt_in.numel()

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device; a GPU does not wait for it."""
        if self.src.device == device:
            return self
        pinned = device.type == "cuda"

        def move(tensor: Tensor) -> Tensor:
            return (tensor.pin_memory() if pinned else tensor).to(device, non_blocking=pinned)

        return Batch(
            move(self.src), move(self.src_mask), move(self.tgt_in), move(self.places), move(self.targets),
            self.n_src_tokens,
        )  # fmt: skip


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
    return Batch(src, src_mask, tgt_in, tgt_mask.flatten().nonzero().squeeze(1), tgt_out[tgt_mask], int(src_mask.sum()))
