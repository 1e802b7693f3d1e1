"""An endless stream of training batches that can be resumed at any point."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from mt.data.batch import Batch, build_batch
from mt.data.mixture import Mixture
from mt.data.sampler import DataPosition, Epoch, Indices, plan_batches
from mt.runtime.seeds import derive_seed
from mt.text.tokenizer import BOS, EOS, PAD, Pairs

Vary = Callable[[Pairs, int], Pairs]
"""pairs of ids and a seed -> other ids for the same sentences"""


class BatchLoader:
    """Batches of one epoch after another. `position` is the whole state: set it to resume there."""

    def __init__(
        self, corpus: Mixture, max_tokens: int, seed: int, rank: int = 0, n_ranks: int = 1, vary: Vary | None = None
    ) -> None:
        """Load the batch at `rank` of every `n_ranks` batches; `vary` changes its pairs, as noise does."""
        self.corpus = corpus
        self.max_tokens = max_tokens
        self.seed = seed
        self.rank = rank
        self.n_ranks = n_ranks
        self.vary = vary
        self.position = DataPosition()
        self.step = 0
        self._epoch: tuple[tuple[int, int], Epoch] | None = None
        self._plan: tuple[DataPosition, list[Indices]] | None = None

    def epoch(self) -> Epoch:
        """Return the current epoch."""
        corpus, number, stage = self.corpus, self.position.epoch, self.position.stage
        if self._epoch is None or self._epoch[0] != (number, stage):
            drawn = corpus.draw(self.seed, number, stage)
            epoch = Epoch(corpus.src_lens, corpus.tgt_lens, self.max_tokens, drawn, self.seed, number)
            self._epoch = ((number, stage), epoch)
        return self._epoch[1]

    def plan(self) -> list[Indices]:
        """Return the batches of the current pool."""
        key = replace(self.position, cursor=0)
        if self._plan is None or self._plan[0] != key:
            self._plan = (key, self.epoch().batches(self.position.pool))
        return self._plan[1]

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
        """Return this rank's batch of the next `n_ranks`."""
        group = [self.next_indices() for _ in range(self.n_ranks)]
        pairs = self.corpus.pairs(group[self.rank])
        if self.vary:
            position = self.position
            seed = derive_seed(self.seed, position.epoch, position.cursor, self.rank, position.pool)
            pairs = self.vary(pairs, seed)
        return build_batch(pairs, PAD, BOS, EOS)

    def next_indices(self) -> Indices:
        """Return the batch at the cursor and advance it."""
        position = self.position
        if position.cursor >= len(self.plan()):
            more = position.pool + 1 < self.epoch().n_pools
            position = replace(position, pool=position.pool + 1, cursor=0) if more else self.next_epoch()
        self.position = replace(position, cursor=position.cursor + 1)
        indices: Indices = self.plan()[position.cursor]
        return indices

    @property
    def epochs(self) -> float:
        """Epochs completed so far, as a fraction."""
        position = self.position
        return position.epoch + (position.pool + position.cursor / len(self.plan())) / self.epoch().n_pools

    @property
    def batches_per_epoch(self) -> int:
        """Estimate of the batches of an epoch, from the current pool."""
        return len(self.plan()) * self.epoch().n_pools


def sorted_batches(corpus: Mixture, max_tokens: int, rank: int = 0, n_ranks: int = 1) -> Iterator[Batch]:
    """Yield this rank's batches for validation, sorted by length; all ranks together yield every pair once."""
    for indices in plan_batches(corpus.src_lens, corpus.tgt_lens, max_tokens)[rank::n_ranks]:
        yield build_batch(corpus.pairs(indices), PAD, BOS, EOS)
