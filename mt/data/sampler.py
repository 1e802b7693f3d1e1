"""The plan of an epoch's batches, a function of lengths, budget, seed and epoch alone."""

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Lengths = NDArray[np.int32] | NDArray[np.int64]
POOL_SIZE = 1 << 17
"""Pairs that are sorted by length and planned together: all of a small corpus, a random part of a large one."""


@dataclass(frozen=True)
class DataPosition:
    """A point in the order of all batches."""

    epoch: int = 0
    pool: int = 0
    """pool of this epoch, see `Epoch`"""
    cursor: int = 0
    """batches of this pool already used, by any rank"""
    stage: int = 0
    """stage of the corpora's weights, see `mt.data.mixture`"""


@dataclass(frozen=True)
class Epoch:
    """Pairs of a corpus in random order, in pools that are planned one at a time."""

    src_lens: Lengths
    """lengths of all pairs of the corpus, EOS included"""
    tgt_lens: Lengths
    max_tokens: int
    """budget of a batch, as in `plan_batches`"""
    drawn: Indices
    """the pairs of this epoch in no particular order; a pair may occur several times"""
    seed: int
    number: int
    """number of the epoch, which determines its order"""

    @cached_property
    def shuffled(self) -> tuple[Indices, np.random.Generator]:
        """The pairs in their order, and the generator in the state after drawing it."""
        generator = np.random.default_rng([self.seed, self.number])
        return self.drawn[generator.permutation(len(self.drawn))], generator

    @property
    def n_pools(self) -> int:
        """Number of pools of this epoch."""
        return -(-len(self.drawn) // POOL_SIZE)

    def start_of(self, pool: int) -> int:
        """Return the number of pairs before a pool."""
        return min(pool * POOL_SIZE, len(self.drawn))

    def pairs(self, pool: int) -> Indices:
        """Return the pairs of a pool, in random order."""
        return self.shuffled[0][self.start_of(pool) : self.start_of(pool + 1)]

    def batches(self, pool: int) -> list[Indices]:
        """Return the batches of a pool, in random order."""
        pairs = self.pairs(pool)
        return [pairs[batch] for batch in self.cut(pool, self.src_lens[pairs], self.tgt_lens[pairs])]

    def cut(self, pool: int, src_lens: Lengths, tgt_lens: Lengths) -> list[Indices]:
        """Return the batches of a pool, in random order, if its pairs have these lengths; indices within the pool."""
        batches = plan_batches(src_lens, tgt_lens, self.max_tokens)
        generator = np.random.default_rng([self.seed, self.number, pool]) if pool else deepcopy(self.shuffled[1])
        return [batches[i] for i in generator.permutation(len(batches))]


def spread(n_pairs: int, n_used: int) -> Indices:
    """Return the numbers of `n_used` of some pairs, evenly spread; of all pairs if it is 0."""
    n_used = min(n_used, n_pairs) or n_pairs
    return np.arange(n_used) * n_pairs // n_used


def plan_batches(src_lens: Lengths, tgt_lens: Lengths, max_tokens: int) -> list[Indices]:
    """Divide pairs into batches of similar length within a token budget, short ones first.

    Args:
        src_lens, tgt_lens: length of each side of each pair, EOS included.
        max_tokens: budget of a batch: rows times the longest side of any of its pairs.

    Returns:
        An array of indices for each batch; every pair is in exactly one.

    Raises:
        ValueError: a single pair exceeds the budget.
    """
    src_lens, tgt_lens = src_lens.astype(np.int64), tgt_lens.astype(np.int64)
    longest = np.maximum(src_lens, tgt_lens)
    if len(longest) and longest.max() > max_tokens:
        raise ValueError(f"a pair of {longest.max()} tokens is over the budget of {max_tokens}")
    # Sort by the longer side, which the budget counts, then from long targets to long sources, so that neither side
    # has much padding. Every other length is sorted the other way round, so that a batch of two lengths fits, too.
    order = np.lexsort(((src_lens - tgt_lens) * (-1) ** longest, longest))
    return cut_ascending(order, longest[order], max_tokens)


def cut_ascending(pairs: Indices, ascending: Indices, max_tokens: int) -> list[Indices]:
    """Cut pairs of ascending lengths where one more would exceed the budget."""
    batches = []
    start = 0
    for i, length in enumerate(ascending):
        if (i + 1 - start) * length > max_tokens:
            batches.append(pairs[start:i])
            start = i
    if start < len(pairs):
        batches.append(pairs[start:])
    return batches
