"""Training batches without end, in an order that can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from mt.data.batch import Batch, build_batch
from mt.data.corpus import Corpus
from mt.data.sampler import Indices, plan_batches
from mt.tokenizer import BOS, EOS, PAD


class BatchLoader:
    """Batches of one epoch after the other. `epoch` and `cursor` are its whole state: set them to go on from there."""

    def __init__(self, corpus: Corpus, max_tokens: int, seed: int) -> None:
        self.corpus = corpus
        self.max_tokens = max_tokens
        self.seed = seed
        self.epoch = 0
        self.cursor = 0
        """Batches of this epoch that have been given."""
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
        """The batch at the cursor, which moves on."""
        if self.cursor >= len(self.plan()):
            self.epoch += 1
            self.cursor = 0
        batch = load_batch(self.corpus, self.plan()[self.cursor])
        self.cursor += 1
        return batch

    @property
    def epochs(self) -> float:
        """Epochs given so far, as a fraction."""
        return self.epoch + self.cursor / len(self.plan())


def load_batch(corpus: Corpus, indices: Indices) -> Batch:
    """Some pairs of a corpus as a batch."""
    return build_batch(corpus.pairs(indices), PAD, BOS, EOS)


def sorted_batches(corpus: Corpus, max_tokens: int) -> Iterator[Batch]:
    """Every pair once, in batches of like length: for validation."""
    for indices in plan_batches(corpus.src_lens, corpus.tgt_lens, max_tokens):
        yield load_batch(corpus, indices)
