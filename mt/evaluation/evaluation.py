"""Translation of test sets, and scoring of the translations."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from sacrebleu.metrics.chrf import CHRF
from typing_extensions import assert_never

from mt.config.schema import Config
from mt.config.search import SearchConfig
from mt.data.preparation import choose_held_out, open_training_texts
from mt.errors import UserError
from mt.evaluation.breakdown import Breakdown, Grouping, by_domain, by_frequency, by_length, count_words
from mt.evaluation.comet import Comet
from mt.evaluation.results import RunResult, Sentence, TestSetResult
from mt.evaluation.test_sets import TestSet
from mt.runs.layout import RunLayout
from mt.runtime.checksums import write_recorded
from mt.text.metrics import Score, Scorer
from mt.translation.likelihood import perplexity
from mt.translation.translator import Translator

log = logging.getLogger(__name__)
MAX_PAIRS_COUNTED = 1_000_000


@dataclass(frozen=True)
class Output:
    """The translations of a test set by a run."""

    run: str
    translations: list[str]
    perplexity: float | None = None


def translate_test_set(translator: Translator, test: TestSet, search: SearchConfig, file: Path) -> list[str]:
    """Translate a test set and write the translations to a file."""
    width = f"{search.width_key}={search.n_hypotheses}"
    log.info("Translating test set %s (%s sentences, %s).", test.name, f"{len(test):,}", width)
    translations = [best[0].text for best in translator.n_best(test.src, search, scored=False)]
    save_translations(file, translations)
    return translations


def save_translations(file: Path, translations: Sequence[str]) -> None:
    """Write translations; if that is not possible, as in the run of somebody else, say so and go on."""
    try:
        write_recorded(file, "".join(f"{line}\n" for line in translations))
    except OSError as error:
        log.warning("The translations could not be saved: %s: %s.", error.filename or file, error.strerror)
    except UserError as error:
        log.warning("The translations could not be saved: %s", error)


@dataclass
class Evaluation:
    """The settings of an evaluation."""

    scorer: Scorer
    tgt_lang: str
    n_samples: int = 1000
    """samples of bootstrap resampling; 0: no intervals and p-values"""
    comet: Comet | None = None
    breakdowns: Sequence[Grouping] = ()
    word_counts: Counter[str] = field(default_factory=Counter)
    """words of the training data, for the breakdown by frequency"""
    n_worst: int = 0
    n_best: int = 0

    def evaluate(self, test: TestSet, outputs: Sequence[Output]) -> TestSetResult:
        """Score the translations of a test set by one or several runs."""
        systems = [output.translations for output in outputs]
        result = TestSetResult(test.name, len(test), [])
        for output, scores in zip(outputs, self.scores(test, systems), strict=True):
            if output.perplexity is not None:
                scores.append(Score("perplexity", output.perplexity))
            ranked = rank(test, output.translations) if self.n_worst or self.n_best else []
            worst, best = ranked[: self.n_worst], ranked[::-1][: self.n_best]
            result.runs.append(RunResult(output.run, output.translations, scores, worst, best))
        breakdowns = [self.break_down(by, test, systems) for by in self.breakdowns]
        result.breakdowns = [one for one in breakdowns if one.rows]  # references may have no words
        return result

    def scores(self, test: TestSet, systems: list[list[str]]) -> list[list[Score]]:
        """Return the scores of each system."""
        if self.n_samples:
            rows = self.scorer.compare(systems, test.references, self.n_samples)
            if len(systems) == 1:  # with the signatures of the scores alone, without those of the resampling
                plain = self.scorer.score(systems[0][:1], [lines[:1] for lines in test.references])
                rows = [[replace(a, signature=b.signature) for a, b in zip(rows[0], plain, strict=True)]]
        else:
            rows = [self.scorer.score(system, test.references) for system in systems]
        if self.comet:
            for row, system in zip(rows, systems, strict=True):
                row.append(self.comet.score(test.src, system, test.references[0]))
        return rows

    def break_down(self, by: Grouping, test: TestSet, systems: list[list[str]]) -> Breakdown:
        """Return the scores by group."""
        match by:
            case Grouping.length:
                return by_length(test, systems, self.tgt_lang)
            case Grouping.frequency:
                return by_frequency(test, systems, self.tgt_lang, self.word_counts)
            case Grouping.domain:
                return by_domain(test, systems, self.tgt_lang)
            case other:
                assert_never(other)


def rank(test: TestSet, translations: Sequence[str]) -> list[Sentence]:
    """Sort the sentences by the chrF of their translation, worst first; it is 100 if an empty line stays empty."""
    chrf = CHRF()
    sentences = []
    for i, (source, translation) in enumerate(zip(test.src, translations, strict=True)):
        references = [reference[i] for reference in test.references]
        is_right = not translation and not all(references)
        value = 100.0 if is_right else chrf.sentence_score(translation, references).score
        sentences.append(Sentence(i + 1, value, source, references[0], translation))
    return sorted(sentences, key=lambda sentence: sentence.chrf)


def perplexity_of(translator: Translator, test: TestSet) -> float:
    """Return the perplexity of the (first) references."""
    tokenizer = translator.tokenizer
    sides = tokenizer.encode_pairs(list(zip(test.src, test.references[0], strict=True)))
    return perplexity(translator.model, tokenizer, list(zip(*sides, strict=True)), translator.tags)


def training_words(config: Config, run: RunLayout, tgt_lang: str) -> Counter[str]:
    """Count the words on the target side of the training data, up to a million pairs of each corpus."""
    log.info("Counting the words of data.train.")
    counts: Counter[str] = Counter()
    for one in open_training_texts(config.data, choose_held_out(config.data, config.seed, run.held_out)):
        if one.langs[1] == tgt_lang:
            counts += count_words((tgt for _, tgt in islice(one.text.read(), MAX_PAIRS_COUNTED)), tgt_lang)
    return counts
