"""N-grams that one system gets right more often than another (Neubig et al., 2019, compare-mt)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mt.evaluation.breakdown import Tokenise, word_splitter

MAX_ORDER = 4
SMOOTHING = 1.0
"""added to both counts, so that a single occurrence proves little"""


@dataclass(frozen=True)
class Ngram:
    """An n-gram of the references, and how often each of two systems has it where a reference does."""

    text: str
    n_first: int
    n_second: int

    @property
    def ratio(self) -> float:
        """Smoothed fraction of the matches that are the first system's; 0.5 if both have equally many."""
        return (self.n_first + SMOOTHING) / (self.n_first + self.n_second + 2 * SMOOTHING)


def compare_ngrams(
    first: Sequence[str], second: Sequence[str], references: Sequence[str], tgt_lang: str, n_shown: int
) -> tuple[list[Ngram], list[Ngram]]:
    """Return the n-grams, up to four words, that the first system matches more often, and those that the second does.

    An n-gram of a translation matches as often as the reference of that sentence has it. At most `n_shown` are
    returned for each system, largest difference first.
    """
    split = word_splitter(tgt_lang)
    matches = [count_matches(system, references, split) for system in (first, second)]
    ngrams = [Ngram(" ".join(words), matches[0][words], matches[1][words]) for words in matches[0] | matches[1]]
    ngrams = sorted((one for one in ngrams if one.n_first != one.n_second), key=lambda one: (one.ratio, one.text))
    firsts = [one for one in reversed(ngrams) if one.n_first > one.n_second]
    seconds = [one for one in ngrams if one.n_first < one.n_second]
    return firsts[:n_shown], seconds[:n_shown]


def count_matches(translations: Sequence[str], references: Sequence[str], split: Tokenise) -> Counter[tuple[str, ...]]:
    """Count the n-grams of the translations that their references have, too."""
    counts: Counter[tuple[str, ...]] = Counter()
    for translation, reference in zip(translations, references, strict=True):
        counts.update(ngrams_of(split(translation)) & ngrams_of(split(reference)))
    return counts


def ngrams_of(words: Sequence[str]) -> Counter[tuple[str, ...]]:
    """Count all n-grams of a sentence."""
    orders = range(1, MAX_ORDER + 1)
    return Counter(tuple(words[i : i + n]) for n in orders for i in range(len(words) - n + 1))
