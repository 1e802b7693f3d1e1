"""The corpora of a training, and how often the pairs of each come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.config.data import Stage
from mt.data.corpus import Corpus
from mt.data.sampler import Indices, Lengths
from mt.text.tokenizer import Pairs


@dataclass(frozen=True)
class Member:
    """One corpus of several."""

    name: str
    corpus: Corpus
    tags: Sequence[int] = ()
    """ids before each source"""

    @property
    def src_lens(self) -> Lengths:
        """Of the sources with their tags and the end mark."""
        lens = self.corpus.src_lens
        return lens + np.int32(len(self.tags)) if self.tags else lens


class Mixture:
    """Several corpora as one. Pairs are numbered through all of them."""

    def __init__(self, members: Sequence[Member], stages: Sequence[Stage]) -> None:
        """Take corpora and their weights: how often a pair of each comes in an epoch. The last stage has no end."""
        self.members = members
        self.stages = stages
        self.src_lens = joined([member.src_lens for member in members])
        self.tgt_lens = joined([member.corpus.tgt_lens for member in members])
        self.starts = np.cumsum([0, *(len(member.corpus) for member in members)])
        """the number of the first pair of each corpus, and behind them that of all"""

    def pairs(self, indices: Indices) -> Pairs:
        """The source and target ids of some pairs."""
        found: Pairs = [([], [])] * len(indices)
        owners = np.searchsorted(self.starts, indices, side="right") - 1
        for number in np.unique(owners):
            member, places = self.members[number], np.flatnonzero(owners == number)
            own = member.corpus.pairs(indices[places] - self.starts[number])
            for place, (src, tgt) in zip(places.tolist(), own, strict=True):
                found[place] = ([*member.tags, *src], tgt)
        return found

    def stage_at(self, step: int, epoch: int) -> int:
        """The number of the stage that the update after `step` belongs to, when so many epochs are over."""
        return next(i for i, stage in enumerate(self.stages) if stage.holds(step, epoch))

    def drawn(self, seed: int, epoch: int, stage: int) -> Indices:
        """The pairs of an epoch, in no order.

        A corpus of weight 2.5 gives each of its pairs two or three times, and five times in two epochs.
        """
        parts = []
        for number, (member, weight) in enumerate(zip(self.members, self.stages[stage].weights, strict=True)):
            size = len(member.corpus)
            start, end = (int(np.floor(weight * size * e)) for e in (epoch, epoch + 1))
            for turn in range(start // size, -(-end // size)):
                of_turn = slice(max(start - turn * size, 0), min(end - turn * size, size))
                order = np.arange(size)
                if of_turn != slice(0, size):
                    order = np.random.default_rng([seed, turn, number]).permutation(size)
                parts.append(order[of_turn] + self.starts[number])
        return np.concatenate(parts)

    def describe(self) -> str:
        """How many pairs there are and what was left out; of several corpora, one a line with its share of an epoch."""
        if len(self.members) == 1:
            return self.members[0].corpus.describe()
        lines = []
        for number, member in enumerate(self.members):
            weights = [stage.weights[number] for stage in self.stages]
            shares = [w * len(member.corpus) / self.size(i) for i, w in enumerate(weights)]
            stages = zip(shares, weights, strict=True)
            text = ", then ".join(f"{share:.1%} of an epoch (weight {weight:.4g})" for share, weight in stages)
            lines.append(f"  {member.name}: {member.corpus.describe()}; {text}")
        return f"{len(self.members)} corpora:\n" + "\n".join(lines)

    def size(self, stage: int) -> float:
        """Pairs of an epoch."""
        sizes = np.diff(self.starts)
        return float((sizes * np.array(self.stages[stage].weights)).sum())


def joined(arrays: Sequence[Lengths]) -> Lengths:
    """Arrays one behind the other; one alone as it is, for it may be large."""
    if len(arrays) == 1:
        return arrays[0]
    whole: Lengths = np.concatenate(arrays, dtype=np.int32)
    return whole


def weights_by_temperature(sizes: Sequence[int], temperature: float, weights: Sequence[float]) -> list[float]:
    """Weights that draw from corpora by size to the power of 1/temperature, times `weights`; an epoch stays as long.

    As in Arivazhagan et al., "Massively Multilingual Neural Machine Translation in the Wild", 2019, section 4.2.
    """
    shares = np.array(weights) * np.array(sizes, dtype=float) ** (1 / temperature)
    found: list[float] = (shares / shares.sum() * sum(sizes) / np.array(sizes)).tolist()
    return found
