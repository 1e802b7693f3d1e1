"""Which pairs form a batch, and in which order: a function of lengths, budget, seed and epoch, and of nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
POOL_SIZE = 1 << 17
"""Pairs that are sorted by length together: all of a small corpus; a random part of a large one, in bounded time."""


def plan_batches(
    src_lens: Indices, tgt_lens: Indices, max_tokens: int, seed: int | None = None, epoch: int = 0
) -> list[Indices]:
    """Cut a corpus into batches of pairs of like length within a token budget.

    Args:
        src_lens, tgt_lens: length of each side of each pair, end marks counted.
        max_tokens: budget of a batch: rows times the longest side of any of its pairs.
        seed: orders pairs of the same lengths, and the batches, at random; None leaves them sorted.
        epoch: another random order for each.

    Returns:
        Indices of pairs, an array a batch; every pair is in exactly one.

    Raises:
        ValueError: a pair alone is over the budget.
    """
    longest = np.maximum(src_lens, tgt_lens)
    if len(longest) and longest.max() > max_tokens:
        raise ValueError(f"a pair of {longest.max()} tokens is over the budget of {max_tokens}")
    generator = None if seed is None else np.random.default_rng([seed, epoch])
    order = np.arange(len(longest)) if generator is None else generator.permutation(len(longest))
    batches: list[Indices] = []
    for start in range(0, len(order), POOL_SIZE):
        pool = order[start : start + POOL_SIZE]
        # Sorted by the longer side, which the budget counts, then from long targets to long sources, so that neither
        # side has much padding; and back for the next length, so that a batch of two lengths has like ones, too.
        surplus = (src_lens[pool] - tgt_lens[pool]) * (-1) ** longest[pool]
        pool = pool[np.lexsort((surplus, longest[pool]))]
        batches += cut(pool, longest[pool], max_tokens)
    if generator is not None:
        batches = [batches[i] for i in generator.permutation(len(batches))]
    return batches


def cut(pairs: Indices, ascending: Indices, max_tokens: int) -> list[Indices]:
    """Cut pairs of ascending lengths where one more would go over the budget."""
    batches = []
    start = 0
    for i, length in enumerate(ascending):
        if (i + 1 - start) * length > max_tokens:
            batches.append(pairs[start:i])
            start = i
    if start < len(pairs):
        batches.append(pairs[start:])
    return batches
