"""What a corpus is like: what was left out of it, how long its sentences are, which pieces it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from mt.data.cleaning import KEPT, REASONS
from mt.data.corpus import Corpus
from mt.data.sampler import Lengths
from mt.data.sources import Pair, ParallelText
from mt.text.tokenizer import Tokenizer

N_EXAMPLES = 5
N_PIECES_SHOWN = 30
RATIO_BINS = np.arange(0, 4.05, 0.1)


@dataclass(frozen=True)
class LeftOut:
    """What was left out for one reason."""

    reason: str
    count: int
    examples: list[tuple[int, Pair]]
    """the number of the pair in the corpus, from 1, and its text"""


@dataclass(frozen=True)
class SideStatistics:
    """One language of a corpus; encoded as it is, pairs that are left out among it."""

    n_tokens: int
    n_words: int
    """pieces that begin with a space, where the language has spaces"""
    n_characters: int
    vocab_size: int
    n_used: int
    """pieces that come at all"""
    n_rare: int
    """pieces that come fewer than ten times, but come"""
    n_bytes: int
    """tokens that spell a character in bytes"""
    frequent: list[tuple[str, int]]
    """pieces and how often each comes, the most frequent first"""

    @property
    def tokens_per_word(self) -> float:
        """Pieces that a word is cut into."""
        return self.n_tokens / max(1, self.n_words)

    @property
    def characters_per_token(self) -> float:
        """Characters that a piece stands for; spaces are none."""
        return self.n_characters / max(1, self.n_tokens)

    @property
    def byte_share(self) -> float:
        """Of all tokens."""
        return self.n_bytes / max(1, self.n_tokens)


@dataclass(frozen=True)
class CorpusStatistics:
    """One corpus of the training data."""

    name: str
    n_pairs: int
    n_kept: int
    left_out: list[LeftOut]
    lengths: dict[str, list[int]]
    """of the pairs that are kept: how many have 0, 1, 2, … pieces, source and target; the longest thousandth is one"""
    ratios: list[int]
    """how many kept pairs have a target of 0 to 0.1, 0.1 to 0.2, … times the source's pieces"""
    sides: dict[str, SideStatistics]


def corpus_statistics(
    text: ParallelText, corpus: Corpus, tokenizer: Tokenizer, langs: tuple[str, str]
) -> CorpusStatistics:
    """Count; the text is read once more, for examples."""
    lens = (corpus.src_lens - 1, corpus.tgt_lens - 1)
    ratio = lens[1] / np.maximum(1, lens[0])
    counts = np.histogram(np.minimum(ratio, RATIO_BINS[-1]), RATIO_BINS)[0]
    processors = (tokenizer.src, tokenizer.tgt)
    return CorpusStatistics(
        text.name,
        len(corpus.encoded),
        len(corpus),
        find_left_out(text, corpus.reasons),
        {lang: length_counts(values) for lang, values in zip(langs, lens, strict=True)},
        counts.tolist(),
        {lang: side_statistics(corpus, number, processors[number]) for number, lang in enumerate(langs)},
    )


def find_left_out(text: ParallelText, reasons: NDArray[np.uint8]) -> list[LeftOut]:
    """Each reason with the first pairs that were left out for it."""
    wanted = {
        code: np.flatnonzero(reasons == code)[:N_EXAMPLES].tolist() for code in np.unique(reasons[reasons != KEPT])
    }
    places = {place for firsts in wanted.values() for place in firsts}
    found: dict[int, Pair] = {}
    for place, pair in enumerate(text.read() if places else ()):
        if place in places:
            found[place] = pair
            if len(found) == len(places):
                break
    return [
        LeftOut(REASONS[code], int((reasons == code).sum()), [(place + 1, found[place]) for place in firsts])
        for code, firsts in wanted.items()
    ]


def length_counts(lens: Lengths) -> list[int]:
    """How many sentences have each number of pieces."""
    longest = int(np.quantile(lens, 0.999)) + 1
    counts: list[int] = np.bincount(np.minimum(lens, longest)).tolist()
    return counts


def side_statistics(corpus: Corpus, side: int, processor: sentencepiece.SentencePieceProcessor) -> SideStatistics:
    """Those of the source (0) or target (1)."""
    size = processor.get_piece_size()
    counts = sum(np.bincount(part.values[side], minlength=size) for part in corpus.encoded.parts)
    assert isinstance(counts, np.ndarray)
    pieces: Sequence[str] = [processor.id_to_piece(number) for number in range(size)]
    is_byte = np.array([processor.is_byte(number) for number in range(size)])
    begins = np.array([piece.startswith("▁") for piece in pieces])
    characters = np.array([len(piece.replace("▁", "")) for piece in pieces])
    order = np.argsort(-counts, kind="stable")[:N_PIECES_SHOWN]
    return SideStatistics(
        int(counts.sum()),
        int(counts[begins].sum()),
        int((counts * characters)[~is_byte].sum()),
        size,
        int((counts > 0).sum()),
        int(((counts > 0) & (counts < 10)).sum()),
        int(counts[is_byte].sum()),
        [(pieces[number], int(counts[number])) for number in order if counts[number]],
    )
