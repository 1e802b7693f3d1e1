"""A lexicon of pieces that are translations of each other, learnt from the training text before training.

Two models of one parameter table each, one for each direction, are learnt by expectation maximisation: IBM model 1
(Brown et al., 1993, section 4.2) whose alignments prefer the diagonal (Dyer, Chahuneau and Smith, 2013, section 2).
Where both agree, pieces probably belong together (Liang, Taskar and Klein, 2006, who let them agree in training, too).
A piece may be aligned to nothing, with a probability that is not learnt.

There are libraries: nltk's model takes minutes in Python, and eflomal, under the GPL, has to be compiled and links
words of fixed sentences, whereas noise and subword sampling change the pieces in each epoch.

Shapes: C combinations of a source and a target position within a pair; E entries of the lexicon; B pairs, S source and
T target positions of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mt.text.tokenizer import Pairs

N_ITERATIONS = 5
DIAGONAL = 4.0
"""how strongly alignments prefer the diagonal: λ of Dyer, Chahuneau and Smith"""
P_NULL = 0.08
"""probability that a piece is aligned to nothing"""
SMALLEST = 1e-6
"""entries whose two probabilities have a smaller product are left out"""

Numbers = NDArray[np.int64]
Places = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Lexicon:
    """How probably pieces are translations of each other, by both models."""

    n_tgt_pieces: int
    keys: Tensor
    """of the entries, ascending: source piece · target pieces + target piece, (E,)"""
    tgt_given_src: Tensor
    """probabilities of the entries, (E,)"""
    src_given_tgt: Tensor
    src_unigrams: Tensor
    """relative frequency of each source piece"""
    tgt_unigrams: Tensor

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device) -> Lexicon:
        """Return the lexicon on another device."""
        tensors = (self.keys, self.tgt_given_src, self.src_given_tgt, self.src_unigrams, self.tgt_unigrams)
        return Lexicon(self.n_tgt_pieces, *(tensor.to(device) for tensor in tensors))

    def align(self, src: Tensor, src_mask: Tensor, tgt: Tensor, tgt_mask: Tensor) -> Tensor:
        """Return the probability by which positions belong together, (B, T, S): the product of that of both models.

        Args:
            src, tgt: pieces, (B, S) and (B, T).
            src_mask, tgt_mask: True at those that count.
        """
        keys = src.unsqueeze(1) * self.n_tgt_pieces + tgt.unsqueeze(2)
        entries = torch.searchsorted(self.keys, keys).clamp_(max=len(self.keys) - 1)
        counts = (self.keys[entries] == keys) & src_mask.unsqueeze(1) & tgt_mask.unsqueeze(2)
        distances = (shares(src_mask).unsqueeze(1) - shares(tgt_mask).unsqueeze(2)).abs()
        near = torch.exp(-DIAGONAL * distances) * src_mask.unsqueeze(1) * tgt_mask.unsqueeze(2)
        of_src = posterior(self.tgt_given_src[entries] * counts, near, self.tgt_unigrams[tgt], 2)
        of_tgt = posterior(self.src_given_tgt[entries] * counts, near, self.src_unigrams[src], 1)
        return of_src * of_tgt


def shares(mask: Tensor) -> Tensor:
    """Return where each position stands in its sentence, between 0 and 1."""
    return (mask.cumsum(1) - 0.5) / mask.sum(1, keepdim=True).clamp(min=1)


def posterior(likelihood: Tensor, near: Tensor, unigrams: Tensor, dim: int) -> Tensor:
    """Return to which position of dimension `dim` a piece is probably aligned; nothing is another possibility.

    Args:
        likelihood: of the piece, given each of these positions.
        near: how much an alignment to each is preferred.
        unigrams: likelihood of the piece, if it is aligned to nothing.
    """
    joint = (1 - P_NULL) * likelihood * near / near.sum(dim, keepdim=True).clamp(min=1e-30)
    return joint / (joint.sum(dim, keepdim=True) + P_NULL * unigrams.unsqueeze(dim)).clamp(min=1e-30)


def learn_lexicon(pairs: Pairs, n_src_pieces: int, n_tgt_pieces: int) -> Lexicon:
    """Learn a lexicon from pairs of pieces, at least one of them; no side may be empty."""
    text, positions, near = combine(pairs)
    keys, entries = np.unique(text[0][positions[0]] * n_tgt_pieces + text[1][positions[1]], return_inverse=True)
    entries = entries.astype(np.int32)
    pieces = keys // n_tgt_pieces, keys % n_tgt_pieces  # of each entry
    sizes = (n_src_pieces, n_tgt_pieces)
    unigrams = [np.bincount(side, minlength=size) / max(1, len(side)) for side, size in zip(text, sizes, strict=True)]
    learnt = [
        maximise(entries, pieces[given], positions[other], near, unigrams[other][text[other]])
        for given, other in ((0, 1), (1, 0))
    ]
    kept = learnt[0] * learnt[1] >= SMALLEST
    kept[:1] |= not kept.any()  # searched, so not empty
    return Lexicon(
        n_tgt_pieces,
        torch.from_numpy(keys[kept]),
        *(torch.from_numpy(probabilities[kept]).float() for probabilities in learnt),
        *(torch.from_numpy(frequencies).float() for frequencies in unigrams),
    )


def combine(pairs: Pairs) -> tuple[list[Numbers], list[Places], Floats]:
    """Return every combination of a source and a target position within a pair.

    Returns:
        The pieces of all sources and those of all targets, in sequence; the places of each combination among both,
        (C,) each; and how much an alignment between them is preferred, (C,).
    """
    sides = [[pair[side] for pair in pairs] for side in (0, 1)]
    text = [np.fromiter(chain.from_iterable(side), np.int64) for side in sides]
    lens = [np.fromiter(map(len, side), np.int32, len(side)) for side in sides]
    sizes = lens[0] * lens[1]
    pair = np.repeat(np.arange(len(pairs), dtype=np.int32), sizes)
    number = np.arange(len(pair), dtype=np.int32) - first(sizes)[pair]  # of a combination in its pair
    places = [number // lens[1][pair], number % lens[1][pair]]
    src_share, tgt_share = ((place + np.float32(0.5)) / lens[side][pair] for side, place in enumerate(places))
    near = np.exp(-np.float32(DIAGONAL) * np.abs(src_share - tgt_share)).astype(np.float32)
    return text, [first(lens[side])[pair] + place for side, place in enumerate(places)], near


def first(sizes: Places) -> Places:
    """Return where each of some consecutive ranges starts."""
    starts: Places = (np.cumsum(sizes) - sizes).astype(np.int32)
    return starts


def maximise(
    entries: Places, given: Numbers, positions: Places, near: Floats, unigrams: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability of each entry's piece given the piece of the other side, by expectation maximisation.

    Args:
        entries: the entry of each combination, (C,).
        given: the piece of the other side in each entry, (E,).
        positions: of the piece in each combination, (C,).
        near: how much an alignment is preferred, (C,).
        unigrams: relative frequency of the piece at each position.
    """
    prior = near * ((1 - P_NULL) / np.bincount(positions, near))[positions]
    probabilities = np.full(len(given), 1 / len(given))  # any other start leads to nearly the same
    for _ in range(N_ITERATIONS):
        joint = probabilities[entries] * prior
        joint /= (np.bincount(positions, joint) + P_NULL * unigrams)[positions]
        counts = np.bincount(entries, joint, len(given))
        probabilities = counts / np.maximum(np.bincount(given, counts), 1e-30)[given]
    return probabilities
