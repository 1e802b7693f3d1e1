"""Training batches without end, in an order that can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mt.data.batch import Batch, build_batch
from mt.data.corpus import Corpus
from mt.data.sampler import Indices, plan_batches
from mt.random import derive_seed
from mt.tokenizer import BOS, EOS, PAD, Pairs

Resample = Callable[[Pairs, int], Pairs]
"""Pairs of ids and a seed -> other ids for the same text"""


class BatchLoader:
    """Batches of one epoch after the other. `epoch` and `cursor` are its whole state: set them to go on from there."""

    def __init__(
        self,
        corpus: Corpus,
        max_tokens: int,
        seed: int,
        rank: int = 0,
        n_ranks: int = 1,
        resample: Resample | None = None,
    ) -> None:
        """Of each `n_ranks` batches in turn, this loader gives the one at `rank`; with 1, all.

        `resample` changes the pairs of a batch, as subword regularisation does.
        """
        self.corpus = corpus
        self.max_tokens = max_tokens
        self.seed = seed
        self.rank = rank
        self.n_ranks = n_ranks
        self.resample = resample
        self.epoch = 0
        self.cursor = 0
        """Batches of this epoch that have been given, to any rank."""
        self._plan: tuple[int, list[Indices]] | None = None

    def plan(self) -> list[Indices]:
        """The batches of the current epoch."""
        if self._plan is None or self._plan[0] != self.epoch:
            batches = plan_batches(
                self.corpus.src_lens, self.corpus.tgt_lens, self.max_tokens, seed=self.seed, epoch=self.epoch
            )
            self._plan = (self.epoch, batches)
        return self._plan[1]

    def next_batch(self) -> Batch:
        """This rank's batch of the next `n_ranks`."""
        group = [self.next_indices() for _ in range(self.n_ranks)]
        pairs = self.corpus.pairs(group[self.rank])
        if self.resample:
            pairs = self.resample(pairs, derive_seed(self.seed, self.epoch, self.cursor, self.rank))
        return build_batch(pairs, PAD, BOS, EOS)

    def next_indices(self) -> Indices:
        """The batch at the cursor, which moves on."""
        if self.cursor >= len(self.plan()):
            self.epoch += 1
            self.cursor = 0
        indices = self.plan()[self.cursor]
        self.cursor += 1
        return indices

    @property
    def epochs(self) -> float:
        """Epochs given so far, as a fraction."""
        return self.epoch + self.cursor / len(self.plan())


def sorted_batches(corpus: Corpus, max_tokens: int, rank: int = 0, n_ranks: int = 1) -> Iterator[Batch]:
    """Every pair once, in batches of like length, of which each rank gets its share: for validation."""
    for indices in plan_batches(corpus.src_lens, corpus.tgt_lens, max_tokens)[rank::n_ranks]:
        yield build_batch(corpus.pairs(indices), PAD, BOS, EOS)
