"""The decoder's cache: keys and values of earlier positions, written once and never copied.

Every position of every hypothesis has a slot for its keys and values. A hypothesis that extends another one copies
nothing: it records whose slots hold its earlier positions, and attention is masked to these. All hypotheses of a
sentence thus attend to the same slots, in one product instead of a row for each, and reordering a beam moves no memory.

Shapes: B sentences, N hypotheses of each in this step, M the most of them, S source and T target positions, H heads,
K features of a head. A sentence has T x M slots, position by position.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

FIRST_POSITIONS = 16
"""positions that a new cache has room for"""


@dataclass
class LayerCache:
    """Keys and values of one decoder layer."""

    memory_keys: Tensor
    """keys of the source, (B, H, S, K)"""
    memory_values: Tensor
    keys: Tensor
    """keys of the target so far, (B, H, slots, K), with slots to spare"""
    values: Tensor

    def put(self, keys: Tensor, values: Tensor, slots: slice) -> None:
        """Write the newest position (B, H, N, K) to its slots; unused slots must be finite, so they are zeroed."""
        for cache, new in ((self.keys, keys), (self.values, values)):
            position = cache[:, :, slots]
            position[:, :, : new.size(2)] = new
            position[:, :, new.size(2) :] = 0

    def grow(self, n_slots: int) -> None:
        """Make room for at least `n_slots` slots."""
        if n_slots > self.keys.size(2):
            self.keys, self.values = (torch.cat((x, torch.empty_like(x)), dim=2) for x in (self.keys, self.values))

    def keep(self, rows: Tensor, moved: Tensor) -> None:
        """Keep the sentences `rows`, in this order; only the rows `moved` get new content."""
        self.memory_keys, self.memory_values, self.keys, self.values = (
            keep_rows(cache, rows, moved) for cache in (self.memory_keys, self.memory_values, self.keys, self.values)
        )


def keep_rows(cache: Tensor, rows: Tensor, moved: Tensor) -> Tensor:
    """Return `cache[rows]`, overwriting the old tensor: only the rows that change are copied."""
    cache[moved] = cache[rows[moved]]
    return cache[: len(rows)]


class DecodingState:
    """The caches of all layers, and which slots belong to which hypothesis."""

    def __init__(
        self, layers: list[LayerCache], src_mask: Tensor, n_hypotheses: int, records_attention: bool = False
    ) -> None:
        """Start with nothing decoded.

        Args:
            src_mask: (B, 1, 1, S), added to the scores of attention: 0 at source pieces, minus infinity at padding.
            n_hypotheses: M, the most hypotheses of a sentence.
            records_attention: whether `attention` will be called.
        """
        self.layers = layers
        self.src_mask = src_mask
        self.n_hypotheses = n_hypotheses
        self.records_attention = records_attention
        self.source_weights = torch.empty(0)
        self.ancestors = torch.empty(src_mask.size(0), 1, 0, dtype=torch.long, device=src_mask.device)
        """the hypothesis whose slot holds each position of each hypothesis, (B, N, T)"""

    @property
    def length(self) -> int:
        """Positions decoded so far."""
        return self.ancestors.size(2)

    def attention(self) -> Tensor:
        """Return the last layer's attention to the source in the last step, averaged over its heads, (B, N, S)."""
        assert self.records_attention
        return self.source_weights

    def follow(self, parents: Tensor) -> None:
        """Let hypothesis n of sentence b extend hypothesis `parents[b, n]` of the last step."""
        self.ancestors = self.ancestors.gather(1, parents.unsqueeze(2).expand(-1, -1, self.length))

    def keep(self, rows: Tensor) -> None:
        """Keep these sentences, in this order."""
        self.ancestors, self.src_mask = self.ancestors[rows], self.src_mask[rows]
        moved = (rows != torch.arange(len(rows), device=rows.device)).nonzero().squeeze(1)
        for layer in self.layers:
            layer.keep(rows, moved)

    def extend(self, n_hypotheses: int) -> Tensor | None:
        """Make room for one more position of each of N hypotheses.

        Returns:
            What to add to the scores of attention, (B, 1, N, T x M): 0 at the slots that a hypothesis may attend to,
            minus infinity elsewhere; None if all may attend to all.
        """
        own = torch.arange(n_hypotheses, device=self.ancestors.device).expand(len(self.ancestors), -1).unsqueeze(2)
        self.ancestors = torch.cat((self.ancestors.expand(-1, n_hypotheses, -1), own), dim=2)
        n_slots = self.length * self.n_hypotheses
        for layer in self.layers:
            layer.grow(n_slots)
        if self.n_hypotheses == 1:
            return None
        first_slots = torch.arange(0, n_slots, self.n_hypotheses, device=self.ancestors.device)
        mask = self.src_mask.new_full((*self.ancestors.shape[:2], n_slots), -math.inf)
        return mask.scatter_(2, first_slots + self.ancestors, value=0.0).unsqueeze(1)
