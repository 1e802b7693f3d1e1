"""Statistics of a corpus: what was dropped from it, how long its sentences are, which pieces it consists of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from mt.data.cleaning import KEPT, REASONS
from mt.data.corpus import Corpus
from mt.data.readers import Pair
from mt.data.sampler import Lengths
from mt.data.sources import ParallelText
from mt.text.tokenizer import Tokenizer

N_EXAMPLES = 5
N_PIECES_SHOWN = 30
RATIO_BINS = np.arange(0, 4.05, 0.1)
UNEQUAL = 3
"""times as long as the other side: with this data.clean.max_ratio a pair is dropped"""


@dataclass(frozen=True)
class Dropped:
    """The pairs dropped for one reason."""

    reason: str
    count: int
    examples: list[tuple[int, Pair]]
    """the number of the pair in the corpus, from 1, and its text"""


@dataclass(frozen=True)
class SideStatistics:
    """Piece counts of one language of a corpus, in the pairs that are used, without EOS."""

    n_pieces: int
    n_words: int
    """pieces that begin with a space, if the language has spaces"""
    n_characters: int
    vocab_size: int
    n_used: int
    """pieces of the vocabulary that occur at all"""
    n_rare: int
    """pieces of the vocabulary that occur one to nine times and are longer than a character"""
    n_bytes: int
    """pieces of the text that are single bytes of a character"""
    frequent: list[tuple[str, int]]
    """the most frequent pieces and their counts"""

    @property
    def pieces_per_word(self) -> float:
        """Mean number of pieces of a word."""
        return self.n_pieces / max(1, self.n_words)

    @property
    def characters_per_piece(self) -> float:
        """Mean number of characters of a piece, without spaces."""
        return self.n_characters / max(1, self.n_pieces)

    @property
    def byte_fraction(self) -> float:
        """Fraction of the pieces that are bytes."""
        return self.n_bytes / max(1, self.n_pieces)


@dataclass(frozen=True)
class CorpusStatistics:
    """Statistics of one corpus of the training data."""

    name: str
    n_pairs: int
    n_kept: int
    dropped: list[Dropped]
    lengths: dict[str, list[int]]
    """number of kept sentences with 0, 1, 2, … pieces for each language; the longest thousandth is counted together"""
    ratios: list[int]
    """number of kept pairs whose target has 0 to 0.1, 0.1 to 0.2, … times the source's pieces"""
    usual_ratio: float
    """median of target pieces / source pieces"""
    n_unequal: int
    """kept pairs that data.clean.max_ratio=`UNEQUAL` would drop"""
    sides: dict[str, SideStatistics]


def corpus_statistics(
    text: ParallelText, corpus: Corpus, tokenizer: Tokenizer, langs: tuple[str, str]
) -> CorpusStatistics:
    """Compute the statistics of a corpus; the text is read once more for examples."""
    lens = (corpus.src_lens - 1, corpus.tgt_lens - 1)
    ratio = lens[1] / np.maximum(1, lens[0])
    counts = np.histogram(np.minimum(ratio, RATIO_BINS[-1]), RATIO_BINS)[0]
    processors = (tokenizer.src, tokenizer.tgt)
    return CorpusStatistics(
        text.name,
        len(corpus.encoded),
        len(corpus),
        find_dropped(text, corpus.reasons),
        {lang: count_lengths(values) for lang, values in zip(langs, lens, strict=True)},
        counts.tolist(),
        float(np.median(ratio)),
        int((np.maximum(*lens) > UNEQUAL * np.minimum(*lens)).sum()),
        {lang: side_statistics(corpus, number, processors[number]) for number, lang in enumerate(langs)},
    )


def find_dropped(text: ParallelText, reasons: NDArray[np.uint8]) -> list[Dropped]:
    """Return for each reason the number of pairs dropped and the first of them."""
    wanted = {
        code: np.flatnonzero(reasons == code)[:N_EXAMPLES].tolist() for code in np.unique(reasons[reasons != KEPT])
    }
    indices = {index for firsts in wanted.values() for index in firsts}
    found: dict[int, Pair] = {}
    for index, pair in enumerate(text.read() if indices else ()):
        if index in indices:
            found[index] = pair
            if len(found) == len(indices):
                break
    return [
        Dropped(REASONS[code], int((reasons == code).sum()), [(index + 1, found[index]) for index in firsts])
        for code, firsts in wanted.items()
    ]


def count_lengths(lens: Lengths) -> list[int]:
    """Return how many sentences have each number of pieces."""
    longest = int(np.quantile(lens, 0.999)) + 1
    counts: list[int] = np.bincount(np.minimum(lens, longest)).tolist()
    return counts


def side_statistics(corpus: Corpus, side: int, processor: sentencepiece.SentencePieceProcessor) -> SideStatistics:
    """Count the pieces of the source (0) or the target (1)."""
    size = processor.get_piece_size()
    counts = np.zeros(size, np.int64)
    for values in corpus.kept_values(side):
        counts += np.bincount(values, minlength=size)
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
        int(((counts > 0) & (counts < 10) & (characters > 1) & ~is_byte).sum()),
        int(counts[is_byte].sum()),
        [(pieces[number], int(counts[number])) for number in order if counts[number]],
    )
