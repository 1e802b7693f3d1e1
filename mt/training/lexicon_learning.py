"""Learning a lexicon from the training text before training: by expectation maximisation, in seconds.

There are libraries: nltk's model takes minutes in Python, and eflomal, under the GPL, has to be compiled and links
words of fixed sentences, whereas noise and subword sampling change the pieces in each epoch.

Shapes: C combinations of a source and a target position within a pair; E entries of the lexicon.
"""

from __future__ import annotations

import logging
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from mt.data.mixture import Mixture
from mt.data.sampler import Indices
from mt.text.tokenizer import Pairs
from mt.training.lexicon import DIAGONAL, P_NULL, Lexicon

log = logging.getLogger(__name__)
N_ITERATIONS = 5
SMALLEST = 1e-6
"""entries whose two probabilities have a smaller product are dropped"""
MOST_PIECES = 64
"""longest side of a pair that the lexicon is learnt from, unless most pairs are longer"""
MOST_COMBINATIONS = 1 << 24
"""combinations of pieces within pairs that it is learnt from: all of a small corpus; takes at most 1.5 GB of memory"""
MOST_CANDIDATES = 1 << 18
"""pairs of a large corpus among which these are chosen"""

Numbers = NDArray[np.int64]
Places = NDArray[np.int32]
Floats = NDArray[np.float32]


def learn_from_corpus(corpus: Mixture, vocab_sizes: tuple[int, int]) -> Lexicon:
    """Learn a lexicon from as much of the training text as is needed."""
    chosen = choose_pairs(corpus)
    lexicon = learn_lexicon(corpus.pairs(chosen), *vocab_sizes)
    log.info(
        "A lexicon of %s translations of pieces was learnt from %s pairs.", f"{len(lexicon):,}", f"{len(chosen):,}"
    )
    return lexicon


def choose_pairs(corpus: Mixture) -> Indices:
    """Return the pairs that a lexicon is learnt from: short ones from the whole corpus, at regular intervals."""
    candidates: Indices = np.arange(0, len(corpus), -(-len(corpus) // MOST_CANDIDATES))
    lens = corpus.src_lens[candidates].astype(np.int64), corpus.tgt_lens[candidates].astype(np.int64)
    longest = np.maximum(*lens)
    short = longest <= max(MOST_PIECES + 1, float(np.median(longest)))  # EOS is counted
    n_combinations = int((lens[0] * lens[1])[short].sum())
    chosen: Indices = candidates[short]
    return chosen[:: max(1, -(-n_combinations // MOST_COMBINATIONS))]


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
