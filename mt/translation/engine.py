"""Engines: what searches for the translations of segments. torch is not needed here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mt.config.search import SearchConfig
from mt.data.sampler import plan_batches
from mt.search.hypotheses import Hypothesis, Scoring
from mt.search.phrases import Required
from mt.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Segment:
    """A unit of translation: a line, or a part of a long one."""

    ids: list[int]
    """source ids, tags included"""
    prefix: list[int]
    """target ids that its translation begins with"""
    seed: int
    """seed of its samples"""
    tgt_tags: Sequence[int] = ()
    """target ids before its translation and its prefix; the same number for all segments that are searched together"""
    required: Required | None = None
    """what its translation must contain"""


class Engine(Protocol):
    """A way of computing the same translations."""

    @property
    def n_positions(self) -> float:
        """Most positions of a translation, BOS included; infinite if there is no limit."""

    def lacks(self, search: SearchConfig) -> str | None:
        """Return the key of a search option that the engine does not have; None if it has all that are set."""

    def search(
        self, segments: Sequence[Segment], max_lens: Sequence[int], search: SearchConfig, scored: bool = True
    ) -> list[list[Hypothesis]]:
        """Return the best hypotheses of each segment, at least `search.n_best` if it finds that many.

        There are none for a segment that this engine would translate in another way than `TorchEngine`.

        Args:
            scored: log-probabilities are needed; without, they may be missing or approximate, if that saves time.
        """


def plan_segments(segments: Sequence[Segment], search: SearchConfig) -> Iterator[list[int]]:
    """Yield batches of segments of similar length, longest first, so that a lack of memory shows at once."""
    if not segments:
        return
    lens = np.array([len(segment.ids) + 1 for segment in segments])
    budget = max(search.max_tokens // search.n_hypotheses, int(lens.max()))
    for batch in reversed(plan_batches(lens, lens, budget)):
        yield batch.tolist()


def build_scoring(config: SearchConfig) -> Scoring:
    """Build the comparison of hypotheses."""
    return Scoring(config.length_norm, config.length_penalty, config.coverage_penalty)


def foreign_markers(tokenizer: Tokenizer, segment: Segment) -> list[int]:
    """Return the target ids of the markers that a segment does not contain, so that its translation must not either."""
    source, target = tokenizer.src.piece_to_id, tokenizer.tgt.piece_to_id
    return [target(marker) for marker in tokenizer.markers if source(marker) not in segment.ids]
