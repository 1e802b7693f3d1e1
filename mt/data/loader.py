"""Training batches without end, in an order that can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mt.data.batch import Batch, build_batch
from mt.data.mixture import Mixture
from mt.data.sampler import Epoch, Indices, Place, plan_batches
from mt.runtime.seeds import derive_seed
from mt.text.tokenizer import BOS, EOS, PAD, Pairs

Vary = Callable[[Pairs, int], Pairs]
"""Pairs of ids and a seed -> other ids for the same sentences"""


class BatchLoader:
    """Batches of one epoch after the other. `place` is its whole state: set it to go on from there."""

    def __init__(
        self,
        corpus: Mixture,
        max_tokens: int,
        seed: int,
        rank: int = 0,
        n_ranks: int = 1,
        vary: Vary | None = None,
    ) -> None:
        """Of each `n_ranks` batches in turn, this loader gives the one at `rank`; with 1, all.

        `vary` changes the pairs of a batch, as subword regularisation and noise do.
        """
        self.corpus = corpus
        self.max_tokens = max_tokens
        self.seed = seed
        self.rank = rank
        self.n_ranks = n_ranks
        self.vary = vary
        self.place = Place()
        self.step = 0
        self._epoch: tuple[tuple[int, int], Epoch] | None = None
        self._plan: tuple[Place, list[Indices]] | None = None

    def epoch(self) -> Epoch:
        """The current one."""
        corpus, number, stage = self.corpus, self.place.epoch, self.place.stage
        if self._epoch is None or self._epoch[0] != (number, stage):
            drawn = corpus.drawn(self.seed, number, stage)
            epoch = Epoch(corpus.src_lens, corpus.tgt_lens, self.max_tokens, drawn, self.seed, number)
            self._epoch = ((number, stage), epoch)
        return self._epoch[1]

    def plan(self) -> list[Indices]:
        """The batches of the current pool."""
        key = replace(self.place, cursor=0)
        if self._plan is None or self._plan[0] != key:
            self._plan = (key, self.epoch().batches(self.place.pool))
        return self._plan[1]

    def begin_step(self, step: int) -> None:
        """The next batches are for the update after `step`: with a new stage, a new epoch begins."""
        self.step = step
        stage = self.corpus.stage_at(step, self.place.epoch)
        if stage != self.place.stage:
            epoch = self.place.epoch + (self.place.pool + self.place.cursor > 0)
            self.place = Place(epoch, stage=stage)

    def next_epoch(self) -> Place:
        """Where the next one begins."""
        epoch = self.place.epoch + 1
        return Place(epoch, stage=self.corpus.stage_at(self.step, epoch))

    def next_batch(self) -> Batch:
        """This rank's batch of the next `n_ranks`."""
        group = [self.next_indices() for _ in range(self.n_ranks)]
        pairs = self.corpus.pairs(group[self.rank])
        if self.vary:
            place = self.place
            pairs = self.vary(pairs, derive_seed(self.seed, place.epoch, place.cursor, self.rank, place.pool))
        return build_batch(pairs, PAD, BOS, EOS)

    def next_indices(self) -> Indices:
        """The batch at the cursor, which moves on."""
        place = self.place
        if place.cursor >= len(self.plan()):
            more = place.pool + 1 < self.epoch().n_pools
            place = replace(place, pool=place.pool + 1, cursor=0) if more else self.next_epoch()
        self.place = replace(place, cursor=place.cursor + 1)
        indices: Indices = self.plan()[place.cursor]
        return indices

    @property
    def epochs(self) -> float:
        """Epochs given so far, as a fraction."""
        return self.place.epoch + (self.place.pool + self.place.cursor / len(self.plan())) / self.epoch().n_pools

    @property
    def batches_per_epoch(self) -> int:
        """About as many, going by the current pool."""
        return len(self.plan()) * self.epoch().n_pools


def sorted_batches(corpus: Mixture, max_tokens: int, rank: int = 0, n_ranks: int = 1) -> Iterator[Batch]:
    """Every pair once, in batches of like length, of which each rank gets its share: for validation."""
    for indices in plan_batches(corpus.src_lens, corpus.tgt_lens, max_tokens)[rank::n_ranks]:
        yield build_batch(corpus.pairs(indices), PAD, BOS, EOS)
