"""What decoding one more position needs of the earlier ones, written once and never copied.

Every position of every hypothesis has a slot for its keys and values. A hypothesis that goes on from another one takes
nothing along: it notes whose slots hold its earlier positions, and attention is masked to those. All hypotheses of a
sentence thus look at the same slots at once, which is one product instead of a row for each, and a beam that changes
its order moves no memory.

Shapes: B sentences, N hypotheses a sentence in this step, M the most of them, S source and T target positions, H heads,
K features a head. The slots of a sentence are T x M, position by position.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FIRST_POSITIONS = 16


@dataclass
class LayerCache:
    """Keys and values of one decoder layer."""

    memory_keys: Tensor
    """of the source, (B, H, S, K)"""
    memory_values: Tensor
    keys: Tensor
    """of the target so far, (B, H, slots, K), with slots to spare"""
    values: Tensor

    def put(self, keys: Tensor, values: Tensor, slots: slice) -> None:
        """Write the newest position's, (B, H, N, K), to the first of its slots. What nobody looks at must be finite."""
        for cache, new in ((self.keys, keys), (self.values, values)):
            position = cache[:, :, slots]
            position[:, :, : new.size(2)] = new
            position[:, :, new.size(2) :] = 0

    def grow(self, n_slots: int) -> None:
        """Have at least so many slots."""
        if n_slots > self.keys.size(2):
            self.keys, self.values = (torch.cat((x, torch.empty_like(x)), dim=2) for x in (self.keys, self.values))

    def keep(self, rows: Tensor, places: Tensor) -> None:
        """Go on with the sentences `rows`, of which only those that come to `places` are elsewhere now."""
        self.memory_keys, self.memory_values, self.keys, self.values = (
            moved_up(cache, rows, places) for cache in (self.memory_keys, self.memory_values, self.keys, self.values)
        )


def moved_up(cache: Tensor, rows: Tensor, places: Tensor) -> Tensor:
    """`cache[rows]`, where only the rows that change their place are copied; the old tensor is used up."""
    cache[places] = cache[rows[places]]
    return cache[: len(rows)]


class DecodingState:
    """The caches of all layers, and which slots belong to which hypothesis."""

    def __init__(self, layers: list[LayerCache], src_mask: Tensor, n_hypotheses: int, watched: bool = False) -> None:
        """Nothing decoded yet.

        Args:
            src_mask: (B, 1, 1, S), True at source pieces.
            n_hypotheses: M, the most that a sentence can have.
            watched: whether somebody asks for `attention`.
        """
        self.layers = layers
        self.src_mask = src_mask
        self.n_hypotheses = n_hypotheses
        self.watched = watched
        self.source_shares = torch.empty(0)
        self.ancestors = torch.empty(src_mask.size(0), 1, 0, dtype=torch.long, device=src_mask.device)
        """whose slot holds each position of each hypothesis, (B, N, T)"""

    @property
    def length(self) -> int:
        """Positions so far."""
        return self.ancestors.size(2)

    def attention(self) -> Tensor:
        """What the last layer looked at in the source in the last step, the mean over its heads, (B, N, S)."""
        assert self.watched
        return self.source_shares

    def follow(self, parents: Tensor) -> None:
        """Hypothesis n of sentence b goes on from hypothesis `parents[b, n]` of the last step."""
        self.ancestors = self.ancestors.gather(1, parents.unsqueeze(2).expand(-1, -1, self.length))

    def keep(self, rows: Tensor) -> None:
        """Go on with these sentences, in this order."""
        self.ancestors, self.src_mask = self.ancestors[rows], self.src_mask[rows]
        places = (rows != torch.arange(len(rows), device=rows.device)).nonzero().squeeze(1)
        for layer in self.layers:
            layer.keep(rows, places)

    def extend(self, n_hypotheses: int) -> Tensor | None:
        """Make room for one more position of each of N hypotheses.

        Returns who may look at which slot, (B, 1, N, T x M); None where all may look at all.
        """
        own = torch.arange(n_hypotheses, device=self.ancestors.device).expand(len(self.ancestors), -1).unsqueeze(2)
        self.ancestors = torch.cat((self.ancestors.expand(-1, n_hypotheses, -1), own), dim=2)
        n_slots = self.length * self.n_hypotheses
        for layer in self.layers:
            layer.grow(n_slots)
        if self.n_hypotheses == 1:
            return None
        first_slots = torch.arange(0, n_slots, self.n_hypotheses, device=self.ancestors.device)
        mask = torch.zeros(*self.ancestors.shape[:2], n_slots, dtype=torch.bool, device=self.ancestors.device)
        return mask.scatter_(2, first_slots + self.ancestors, value=True).unsqueeze(1)
