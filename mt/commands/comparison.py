"""The comparison of two runs on the page about a run: scores, sentences and n-grams side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from mt.evaluation.differences import Span, differences
from mt.evaluation.evaluation import rank
from mt.evaluation.ngrams import Ngram, compare_ngrams
from mt.evaluation.results import Sentence, TestSetResult
from mt.evaluation.test_sets import TestSet

N_NGRAMS = 15
SIGNIFICANT = 0.05
"""p-value below which a difference is probably not chance"""


@dataclass(frozen=True)
class ComparedSentence:
    """A sentence of a test set and its translations by two runs, with what the reference lacks marked."""

    first: Sentence
    second: Sentence
    first_spans: list[Span]
    second_spans: list[Span]


@dataclass(frozen=True)
class Comparison:
    """Two runs on one test set."""

    n_better: int
    """sentences that the first run translates better by chrF"""
    n_worse: int
    sentences: dict[str, list[ComparedSentence]]
    """those that differ most, by the heading above them"""
    ngrams: dict[str, list[Ngram]]


def compare(result: TestSetResult, test: TestSet, tgt_lang: str, spaced: bool, n_shown: int) -> Comparison:
    """Compare the two runs of a result, showing so many sentences for which each is better."""
    first, second = (run.run for run in result.runs)
    systems = [run.translations for run in result.runs]
    ranked = [sorted(rank(test, system), key=lambda one: one.number) for system in systems]
    pairs = sorted(zip(*ranked, strict=True), key=lambda pair: pair[0].chrf - pair[1].chrf)
    worse = [pair for pair in pairs if pair[0].chrf < pair[1].chrf]
    better = [pair for pair in reversed(pairs) if pair[0].chrf > pair[1].chrf]
    ngrams = compare_ngrams(systems[0], systems[1], test.references[0], tgt_lang, N_NGRAMS)
    return Comparison(
        len(better),
        len(worse),
        {
            f"{first} better than {second} by chrF": [mark(pair, spaced) for pair in better[:n_shown]],
            f"{second} better than {first} by chrF": [mark(pair, spaced) for pair in worse[:n_shown]],
        },
        dict(zip((first, second), ngrams, strict=True)),
    )


def mark(pair: tuple[Sentence, Sentence], spaced: bool) -> ComparedSentence:
    """Mark what each translation has and the reference lacks."""
    first, second = pair
    spans = [differences(one.reference, one.translation, spaced)[1] for one in pair]
    return ComparedSentence(first, second, *spans)


def describe_comparison(results: Sequence[TestSetResult]) -> str:
    """Say for each test set which of the two runs has the higher BLEU, and whether that may be chance."""
    parts = []
    for result in results:
        first, second = ({score.metric: score for score in run.scores}["BLEU"] for run in result.runs)
        names = [run.run for run in result.runs]
        difference = first.value - second.value
        if abs(difference) < 0.05:
            parts.append(f"On {result.name}, {names[0]} and {names[1]} have the same BLEU, to one decimal.")
            continue
        better, worse = names if difference > 0 else names[::-1]
        chance = ""
        if second.p_value is not None:
            verdict = "probably not by chance" if second.p_value < SIGNIFICANT else "possibly by chance"
            chance = f", {verdict} (p = {second.p_value:.3f})"
        parts.append(f"On {result.name}, {better} is {abs(difference):.1f} BLEU better than {worse}{chance}.")
    return " ".join(parts)
