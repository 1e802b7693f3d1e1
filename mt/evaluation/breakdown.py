"""Scores of parts of a test set: by sentence length, by word frequency, by domain."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from sacrebleu.metrics.bleu import BLEU

from mt.evaluation.test_sets import TestSet
from mt.text.metrics import Scorer, build_bleu

LENGTHS = (0, 1, 11, 21, 31, 41, 51)
FREQUENCIES = (0, 1, 2, 5, 10, 100, 1000)
Tokenise = Callable[[str], list[str]]


class Grouping(Enum):
    """The groups of a breakdown: sentences by length or domain, or words by their frequency in the training data."""

    length = "length"
    frequency = "frequency"
    domain = "domain"


@dataclass(frozen=True)
class Row:
    """One group and its scores."""

    label: str
    count: int
    figures: list[dict[str, float]]
    """for each system, scores by name"""


@dataclass(frozen=True)
class Breakdown:
    """The scores of a test set by group."""

    by: str
    unit: str
    """unit of the counts, such as words"""
    rows: list[Row]


def word_splitter(tgt_lang: str) -> Tokenise:
    """Return a function that splits a text into the words that BLEU counts; in Chinese, these are characters."""
    bleu: BLEU = build_bleu(tgt_lang)
    return lambda text: bleu.tokenizer(text).split()


def interval(number: int, starts: Sequence[int]) -> str:
    """Return the name of the interval that contains a number, such as `1-10` or `51+`, given their lower bounds."""
    index = max((i for i, start in enumerate(starts) if number >= start), default=0)
    if index == len(starts) - 1:
        return f"{starts[-1]}+"
    last = starts[index + 1] - 1
    return str(last) if last == starts[index] else f"{starts[index]}-{last}"


def labels_in_order(starts: Sequence[int]) -> list[str]:
    """Return the names of all intervals."""
    return [interval(start, starts) for start in starts]


def by_group(
    by: str, labels: Sequence[str], order: Iterable[str], test: TestSet, systems: Sequence[list[str]], tgt_lang: str
) -> Breakdown:
    """Compute BLEU, chrF and the length ratio of translations to references for each group of sentences.

    Args:
        labels: the group of each sentence.
        order: the groups, in order.
        systems: the translations of each system.
    """
    split = word_splitter(tgt_lang)
    rows = []
    for label in order:
        members = [i for i, its_label in enumerate(labels) if its_label == label]
        if not members:
            continue
        references = [[reference[i] for i in members] for reference in test.references]
        n_words = sum(len(split(text)) for text in references[0])
        figures = []
        for translations in systems:
            chosen = [translations[i] for i in members]
            length = sum(len(split(text)) for text in chosen) / max(1, n_words)
            scores = {score.metric: score.value for score in Scorer(tgt_lang).score(chosen, references)}
            figures.append({**scores, "length": length})
        rows.append(Row(label, len(members), figures))
    return Breakdown(by, "sentences", rows)


def by_length(test: TestSet, systems: Sequence[list[str]], tgt_lang: str) -> Breakdown:
    """Group sentences by the number of words in the reference."""
    split = word_splitter(tgt_lang)
    labels = [interval(len(split(reference)), LENGTHS) for reference in test.references[0]]
    return by_group("words of the reference", labels, labels_in_order(LENGTHS), test, systems, tgt_lang)


def by_domain(test: TestSet, systems: Sequence[list[str]], tgt_lang: str) -> Breakdown:
    """Group sentences by domain."""
    labels = test.domains or []
    return by_group("domain", labels, dict.fromkeys(labels), test, systems, tgt_lang)


def by_frequency(test: TestSet, systems: Sequence[list[str]], tgt_lang: str, counts: Counter[str]) -> Breakdown:
    """Compute the F1 of words, grouped by their frequency in the training data (Neubig et al., 2019, compare-mt).

    A word is correct if the reference contains it, counted at most as often as there. Precision is the fraction of
    correct words in translations, recall in references, and F1 is their harmonic mean.

    Args:
        counts: frequencies of words on the target side of the training data.
    """
    split = word_splitter(tgt_lang)

    def group(words: Counter[str]) -> Counter[str]:
        groups: Counter[str] = Counter()
        for word, count in words.items():
            groups[interval(counts[word], FREQUENCIES)] += count
        return groups

    references = [Counter(split(reference)) for reference in test.references[0]]
    in_references = sum(map(group, references), Counter())
    figures: list[dict[str, dict[str, float]]] = []
    for translations in systems:
        words = [Counter(split(text)) for text in translations]
        in_translations = sum(map(group, words), Counter())
        correct = sum((group(a & b) for a, b in zip(words, references, strict=True)), Counter())
        figures.append(
            {
                label: {"F1": f1(correct[label], in_translations[label], in_references[label])}
                for label in labels_in_order(FREQUENCIES)
            }
        )
    rows = [
        Row(label, in_references[label], [system[label] for system in figures])
        for label in labels_in_order(FREQUENCIES)
        if in_references[label]
    ]
    return Breakdown("times in the training data", "words", rows)


def f1(n_correct: int, n_translated: int, n_reference: int) -> float:
    """Return the harmonic mean of precision and recall, from 0 to 100."""
    total = n_translated + n_reference
    return 200 * n_correct / total if total else 0.0


def count_words(lines: Iterable[str], tgt_lang: str) -> Counter[str]:
    """Count the words of a text."""
    split = word_splitter(tgt_lang)
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(split(line))
    return counts
