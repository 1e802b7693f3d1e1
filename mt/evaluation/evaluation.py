"""From translations of a test set to all that is said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sacrebleu.metrics.chrf import CHRF

from mt.evaluation.breakdown import Breakdown, by_domain, by_frequency, by_length
from mt.evaluation.comet import Comet
from mt.evaluation.results import RunResult, Sentence, TestSetResult
from mt.evaluation.test_sets import TestSet
from mt.text.metrics import Score, Scorer
from mt.text.tokenizer import Pairs
from mt.translation.likelihood import perplexity
from mt.translation.translator import Translator

MAX_TOKENS = 4096


@dataclass(frozen=True)
class Output:
    """What a run makes of a test set."""

    run: str
    translations: list[str]
    perplexity: float | None


@dataclass
class Evaluation:
    """What is to be found out."""

    scorer: Scorer
    tgt_lang: str
    n_samples: int = 1000
    """of bootstrap resampling, where there are several runs"""
    comet: Comet | None = None
    breakdowns: Sequence[str] = ()
    """of length, frequency, domain"""
    word_counts: Counter[str] = field(default_factory=Counter)
    """of the training data, for frequency"""
    n_worst: int = 0
    n_best: int = 0

    def evaluate(self, test: TestSet, outputs: Sequence[Output]) -> TestSetResult:
        """Score what one or several runs have made of a test set."""
        systems = [output.translations for output in outputs]
        result = TestSetResult(test.name, len(test), [])
        for output, scores in zip(outputs, self.scores(test, systems), strict=True):
            if output.perplexity is not None:
                scores.append(Score("perplexity", output.perplexity))
            ranked = rank(test, output.translations) if self.n_worst or self.n_best else []
            worst, best = ranked[: self.n_worst], ranked[::-1][: self.n_best]
            result.runs.append(RunResult(output.run, output.translations, scores, worst, best))
        result.breakdowns = [self.break_down(by, test, systems) for by in self.breakdowns]
        return result

    def scores(self, test: TestSet, systems: list[list[str]]) -> list[list[Score]]:
        """Those of each system."""
        if len(systems) > 1 and self.n_samples:
            rows = self.scorer.compare(systems, test.references, self.n_samples)
        else:
            rows = [self.scorer.score(system, test.references) for system in systems]
        if self.comet:
            for row, system in zip(rows, systems, strict=True):
                row.append(self.comet.score(test.src, system, test.references[0]))
        return rows

    def break_down(self, by: str, test: TestSet, systems: list[list[str]]) -> Breakdown:
        """The figures in groups."""
        if by == "length":
            return by_length(test, systems, self.tgt_lang)
        if by == "domain":
            return by_domain(test, systems, self.tgt_lang)
        return by_frequency(test, systems, self.tgt_lang, self.word_counts)


def rank(test: TestSet, translations: Sequence[str]) -> list[Sentence]:
    """The sentences by the chrF of their translation, worst first."""
    chrf = CHRF()
    sentences = []
    for i, (source, translation) in enumerate(zip(test.src, translations, strict=True)):
        references = [reference[i] for reference in test.references]
        value = chrf.sentence_score(translation, references).score
        sentences.append(Sentence(i + 1, value, source, references[0], translation))
    return sorted(sentences, key=lambda sentence: sentence.chrf)


def perplexity_of(translator: Translator, test: TestSet) -> float:
    """That of the (first) references."""
    tokenizer = translator.tokenizer
    sides = tokenizer.encode_src(test.src), tokenizer.encode_tgt(test.references[0])
    pairs: Pairs = [([*translator.tags, *source], target) for source, target in zip(*sides, strict=True)]
    return perplexity(translator.model, tokenizer, pairs, MAX_TOKENS)
