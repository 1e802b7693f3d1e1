"""An endless stream of training batches that can be resumed at any point."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mt.data.batch import Batch, build_batch
from mt.data.mixture import Mixture
from mt.data.sampler import DataPosition, Epoch, Indices, plan_batches, spread
from mt.runtime.distributed import ALONE, World
from mt.runtime.seeds import derive_seed
from mt.text.tokenizer import BOS, EOS, PAD, Pairs

Vary = Callable[[Pairs, Sequence[str], int], Pairs]
"""pairs of ids, the source language of each, and a seed -> other ids for the same sentences"""
IdArrays = list[tuple[NDArray[np.int32], NDArray[np.int32]]]
"""pairs of ids, which take less memory than as lists"""
CHUNK = 1024
"""pairs that are varied at once"""


@dataclass(frozen=True)
class Pool:
    """The pairs of a pool, and how they are divided into batches."""

    pairs: Callable[[Indices], Pairs]
    """indices within the pool -> pairs"""
    batches: list[Indices]


class BatchLoader:
    """Batches of one epoch after another. `position` is the whole state: set it to resume there.

    Of several processes, all must call the same methods in the same order.
    """

    def __init__(
        self, corpus: Mixture, max_tokens: int, seed: int, world: World = ALONE, vary: Vary | None = None
    ) -> None:
        """Load one of every `world.size` batches, the one of this process; `vary` changes the pairs, as noise does."""
        self.corpus = corpus
        self.max_tokens = max_tokens
        self.seed = seed
        self.world = world
        self.vary = vary
        self.position = DataPosition()
        self.step = 0
        self._epoch: tuple[tuple[int, int], Epoch] | None = None
        self._pool: tuple[DataPosition, Pool] | None = None

    def epoch(self) -> Epoch:
        """Return the current epoch."""
        corpus, number, stage = self.corpus, self.position.epoch, self.position.stage
        if self._epoch is None or self._epoch[0] != (number, stage):
            drawn = corpus.draw(self.seed, number, stage)
            epoch = Epoch(corpus.src_lens, corpus.tgt_lens, self.max_tokens, drawn, self.seed, number)
            self._epoch = ((number, stage), epoch)
        return self._epoch[1]

    def pool(self) -> Pool:
        """Return the current pool."""
        key = replace(self.position, cursor=0)
        if self._pool is None or self._pool[0] != key:
            self._pool = (key, self.build_pool(self.epoch(), self.position.pool))
        return self._pool[1]

    def build_pool(self, epoch: Epoch, number: int) -> Pool:
        """Divide a pool into batches, by the lengths that its pairs have when they are varied."""
        corpus, pairs = self.corpus, epoch.pairs(number)
        if self.vary is None:
            batches = epoch.cut(number, corpus.src_lens[pairs], corpus.tgt_lens[pairs])
            return Pool(lambda batch: corpus.pairs(pairs[batch]), batches)
        varied = self.varied(pairs, epoch.number, number, self.vary)
        src_lens, tgt_lens = (np.array([len(pair[side]) + 1 for pair in varied]) for side in (0, 1))

        def in_pool(batch: Indices) -> Pairs:
            return [(varied[i][0].tolist(), varied[i][1].tolist()) for i in batch]

        return Pool(in_pool, epoch.cut(number, src_lens, tgt_lens))

    def varied(self, pairs: Indices, epoch: int, pool: int, vary: Vary) -> IdArrays:
        """Return the varied pairs of a pool, of which each process varies a share."""
        starts = range(0, len(pairs), CHUNK)
        own = []
        for start in starts[self.world.rank :: self.world.size]:
            chunk, seed = pairs[start : start + CHUNK], derive_seed(self.seed, epoch, pool, start)
            rows = vary(self.corpus.pairs(chunk), self.corpus.src_langs(chunk), seed)
            own.append([(np.array(src, np.int32), np.array(tgt, np.int32)) for src, tgt in rows])
        shares = self.world.gather(own)
        chunks = (shares[number % self.world.size][number // self.world.size] for number in range(len(starts)))
        return [pair for chunk in chunks for pair in chunk]

    def begin_step(self, step: int) -> None:
        """Announce that the next batches are for the update after `step`; a new stage starts a new epoch."""
        self.step = step
        stage = self.corpus.stage_at(step, self.position.epoch)
        if stage != self.position.stage:
            started = self.position.pool + self.position.cursor > 0
            epoch = self.position.epoch + 1 if started else self.position.epoch
            self.position = DataPosition(epoch, stage=stage)

    def next_epoch(self) -> DataPosition:
        """Return the start of the next epoch."""
        epoch = self.position.epoch + 1
        return DataPosition(epoch, stage=self.corpus.stage_at(self.step, epoch))

    def next_batch(self) -> Batch:
        """Return this process's batch of the next `world.size`."""
        group = [self.advance() for _ in range(self.world.size)]
        pool, batch = group[self.world.rank]
        return build_batch(pool.pairs(batch), PAD, BOS, EOS)

    def advance(self) -> tuple[Pool, Indices]:
        """Return the batch at the cursor, with its pool, and move the cursor to the next."""
        position = self.position
        if position.cursor >= len(self.pool().batches):
            more = position.pool + 1 < self.epoch().n_pools
            position = replace(position, pool=position.pool + 1, cursor=0) if more else self.next_epoch()
        self.position = replace(position, cursor=position.cursor + 1)
        pool = self.pool()
        return pool, pool.batches[position.cursor]

    @property
    def epochs(self) -> float:
        """Epochs completed so far, as a fraction."""
        position, epoch = self.position, self.epoch()
        start, end = epoch.start_of(position.pool), epoch.start_of(position.pool + 1)
        n_pairs = start + (end - start) * position.cursor / len(self.pool().batches)
        return position.epoch + n_pairs / len(epoch.drawn)

    @property
    def batches_per_epoch(self) -> int:
        """Estimate of the batches of an epoch, from the current pool."""
        epoch, pool = self.epoch(), self.position.pool
        return round(len(self.pool().batches) * len(epoch.drawn) / (epoch.start_of(pool + 1) - epoch.start_of(pool)))


def sorted_batches(
    corpus: Mixture, max_tokens: int, rank: int = 0, n_ranks: int = 1, n_pairs: int = 0
) -> Iterator[Batch]:
    """Yield this rank's batches for validation, by length; all ranks together yield `n_pairs` pairs; 0: all."""
    used = spread(len(corpus), n_pairs)
    for indices in plan_batches(corpus.src_lens[used], corpus.tgt_lens[used], max_tokens)[rank::n_ranks]:
        yield build_batch(corpus.pairs(used[indices]), PAD, BOS, EOS)
