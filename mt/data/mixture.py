"""The corpora of a training run, and how often the pairs of each are used."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mt.config.corpora import Stage
from mt.data.corpus import Corpus
from mt.data.sampler import Indices, Lengths
from mt.text.tags import NO_TAGS, Tags
from mt.text.tokenizer import Pairs

PARTS_COUNTED = 16
"""parts of each corpus in which pieces are counted: about a million pairs"""


@dataclass(frozen=True)
class Member:
    """One corpus of a mixture."""

    name: str
    corpus: Corpus
    tags: Tags = NO_TAGS
    """before each pair"""
    src_lang: str = ""

    @property
    def src_lens(self) -> Lengths:
        """Lengths of the sources, tags and EOS included."""
        return longer(self.corpus.src_lens, len(self.tags.src))

    @property
    def tgt_lens(self) -> Lengths:
        """Lengths of the targets, tags and EOS included."""
        return longer(self.corpus.tgt_lens, len(self.tags.tgt))


class Mixture:
    """Several corpora as one. Pairs are numbered across all of them."""

    def __init__(self, members: Sequence[Member], stages: Sequence[Stage]) -> None:
        """Combine corpora; the weights of a stage say how often a pair of each is used in an epoch."""
        self.members = members
        self.stages = stages
        self.src_lens = concatenate([member.src_lens for member in members])
        self.tgt_lens = concatenate([member.tgt_lens for member in members])
        self.starts = np.cumsum([0, *(len(member.corpus) for member in members)])
        """number of the first pair of each corpus, then the number of all pairs"""

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def usual_len(self) -> int:
        """The pieces of the longest source without EOS, or twice those of 99.9% of the sources if that is less."""
        return max(1, min(int(self.src_lens.max()), 2 * int(np.quantile(self.src_lens, 0.999))) - 1)

    def owners(self, indices: Indices) -> Indices:
        """Return the number of the corpus that each pair is from."""
        return np.searchsorted(self.starts, indices, side="right") - 1

    def src_langs(self, indices: Indices) -> list[str]:
        """Return the source languages of some pairs."""
        return [self.members[number].src_lang for number in self.owners(indices)]

    def pairs(self, indices: Indices) -> Pairs:
        """Return the source and target ids of some pairs."""
        found: Pairs = [([], [])] * len(indices)
        owners = self.owners(indices)
        for number in np.unique(owners):
            member, slots = self.members[number], np.flatnonzero(owners == number)
            own = member.corpus.pairs(indices[slots] - self.starts[number])
            for slot, pair in zip(slots.tolist(), member.tags.before(own), strict=True):
                found[slot] = pair
        return found

    def piece_counts(self, n_pieces: int) -> list[list[int]]:
        """Return how often each piece occurs in the sources, and in the targets, of the first parts of each corpus."""
        parts = [part for member in self.members for part in member.corpus.encoded.parts[:PARTS_COUNTED]]
        counts = [[np.bincount(part.values[side], minlength=n_pieces) for part in parts] for side in (0, 1)]
        return [np.sum(side, axis=0).tolist() for side in counts]

    def stage_at(self, step: int, epoch: int) -> int:
        """Return the number of the stage of the update after `step`, with `epoch` epochs completed."""
        return next(i for i, stage in enumerate(self.stages) if stage.holds(step, epoch))

    def draw(self, seed: int, epoch: int, stage: int) -> Indices:
        """Return the pairs of an epoch, in no particular order.

        With weight 2.5, each pair is used two or three times in an epoch, and five times in two.
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
        """Describe what is used and what was dropped; with several corpora, one line for each."""
        if len(self.members) == 1:
            return self.members[0].corpus.describe()
        lines = []
        for number, member in enumerate(self.members):
            weights = [stage.weights[number] for stage in self.stages]
            fractions = [w * len(member.corpus) / self.epoch_size(i) for i, w in enumerate(weights)]
            stages = zip(fractions, weights, strict=True)
            text = ", then ".join(f"{fraction:.1%} of an epoch (weight {weight:.4g})" for fraction, weight in stages)
            lines.append(f"  {member.name}: {member.corpus.describe()}; {text}")
        return f"{len(self.members)} corpora:\n" + "\n".join(lines)

    def epoch_size(self, stage: int) -> float:
        """Return the number of pairs in an epoch of a stage."""
        sizes = np.diff(self.starts)
        return float((sizes * np.array(self.stages[stage].weights)).sum())

    def n_tokens(self, weights: Sequence[float]) -> int:
        """Return the tokens of the longer side of each pair, EOS included, if corpora are used with these weights."""
        of_corpora = np.add.reduceat(np.maximum(self.src_lens, self.tgt_lens), self.starts[:-1], dtype=np.int64)
        return int(of_corpora @ np.array(weights))


def longer(lens: Lengths, n_tags: int) -> Lengths:
    """Return lengths with tags; without any, no copy."""
    return lens + np.int32(n_tags) if n_tags else lens


def concatenate(arrays: Sequence[Lengths]) -> Lengths:
    """Concatenate arrays; a single one, which may be large, is not copied."""
    if len(arrays) == 1:
        return arrays[0]
    joined: Lengths = np.concatenate(arrays, dtype=np.int32)
    return joined


def weights_by_temperature(sizes: Sequence[int], temperature: float, weights: Sequence[float]) -> list[float]:
    """Return weights that sample corpora by size to the power of 1/temperature, times `weights`.

    The length of an epoch stays the same. See Arivazhagan et al., "Massively Multilingual Neural Machine Translation in
    the Wild", 2019, section 4.2.
    """
    fractions = np.array(weights) * (np.array(sizes) / max(sizes)) ** (1 / temperature)
    found: list[float] = (fractions / fractions.sum() * sum(sizes) / np.array(sizes)).tolist()
    return found
