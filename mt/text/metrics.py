"""BLEU, chrF and TER by sacreBLEU on detokenised text, with the signatures that make figures comparable."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from mt.config.choices import Utility
from mt.errors import UserError
from mt.text.languages import plain_language

log = logging.getLogger(__name__)
MIN_LINES = 100
"""fewest lines that are checked for being tokenized"""
MIN_RESAMPLED = 10
"""fewest sentences for which resampling says anything"""

TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab", **dict.fromkeys(("th", "lo", "km", "my"), "char")}
"""sacreBLEU's tokenizers for languages whose words are not separated by spaces, and for Korean"""
METRICS = ("BLEU", "chrF", "chrF++", "TER")
"""The metrics of sacreBLEU, by their usual names."""


@dataclass(frozen=True)
class Score:
    """A figure and how it was computed."""

    metric: str
    value: float
    """0 to 100, except for TER and COMET, and for perplexity, which has no signature"""
    signature: str = ""
    half_interval: float | None = None
    """half of the 95% interval of bootstrap resampling"""
    p_value: float | None = None
    """p-value of the difference from the first system, by paired bootstrap resampling"""

    def __str__(self) -> str:
        interval = "" if self.half_interval is None else f" ± {self.half_interval:.2f}"
        return f"{self.metric} {self.value:.2f}{interval}  {self.signature}".rstrip()


def build_bleu(tgt_lang: str, effective_order: bool = False) -> BLEU:
    """Build sacreBLEU's BLEU with the tokenizer for a language."""
    language = plain_language(tgt_lang)
    try:
        return BLEU(tokenize=TOKENIZERS.get(language, "13a"), effective_order=effective_order, force=True)
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"data.tgt_lang={tgt_lang}: BLEU needs a tokenizer for it: pip install 'sacrebleu[{language}]'."
        ) from error


def build_metric(name: str, tgt_lang: str) -> Metric:
    """Build one of `METRICS` for a language.

    TER counts words. For Chinese and Japanese, sacreBLEU's option for Asian text makes it count characters.
    """
    if name == "BLEU":
        return build_bleu(tgt_lang)
    if name == "TER":
        unspaced = plain_language(tgt_lang) in ("zh", "ja")
        return TER(normalized=unspaced, asian_support=unspaced)
    return CHRF(word_order={"chrF": 0, "chrF++": 2}[name])


def build_similarity(utility: Utility, tgt_lang: str) -> Callable[[str, str], float]:
    """Build a function that scores a hypothesis against a reference, one sentence each, from 0 to 100."""
    metric = CHRF() if utility is Utility.chrf else build_bleu(tgt_lang, effective_order=True)

    def similarity(hypothesis: str, reference: str) -> float:
        return float(metric.sentence_score(hypothesis, [reference]).score)

    return similarity


@cache
def warn_of_tokenized_text() -> None:
    """Warn once that references are not as people write them."""
    log.warning("Most references end in ' .', as if they were tokenized. Scores are for text as people write it.")


def check_references(lines: Sequence[str]) -> None:
    """Warn if most of the lines, given enough of them, look tokenized."""
    if len(lines) >= MIN_LINES and sum(line.endswith(" .") for line in lines) > len(lines) / 2:
        warn_of_tokenized_text()


class Scorer:
    """Scorer of translations into one language, with the tokenizer of sacreBLEU for it (13a if it has no other)."""

    def __init__(self, tgt_lang: str, names: Sequence[str] = ("BLEU", "chrF")) -> None:
        """Build the metrics."""
        self.tgt_lang, self.names = tgt_lang, tuple(names)
        self.metrics = self.build_metrics()

    def build_metrics(self) -> dict[str, Metric]:
        """Build new metrics: sacreBLEU's signatures depend on what a metric was compared with."""
        return {name: build_metric(name, self.tgt_lang) for name in self.names}

    def score(self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[Score]:
        """Score a text as the `sacrebleu` command does; each of `references` is a translation of the whole text."""
        check_references(references[0])
        scores = []
        for name, metric in self.metrics.items():
            value = metric.corpus_score(hypotheses, references).score
            scores.append(Score(name, value, str(metric.get_signature())))
        return scores

    def compare(
        self, systems: Sequence[Sequence[str]], references: Sequence[Sequence[str]], n_samples: int
    ) -> list[list[Score]]:
        """Score several systems, with paired bootstrap resampling against the first (Koehn, 2004)."""
        check_references(references[0])
        metrics = self.build_metrics()
        named: list[tuple[str, Sequence[str]]] = [(str(number), texts) for number, texts in enumerate(systems)]
        signatures, results = PairedTest(named, metrics, references, "bs", n_samples)()
        rows = [
            (name, str(signatures[key]), results[key]) for name, key in zip(self.names, list(signatures), strict=True)
        ]
        scores = [
            [tested_score(name, signature, row[number], row[0]) for name, signature, row in rows]
            for number in range(len(systems))
        ]
        if len(references[0]) < MIN_RESAMPLED:
            return [[replace(score, half_interval=None, p_value=None) for score in system] for system in scores]
        return scores


def tested_score(name: str, signature: str, result: Any, first: Any) -> Score:
    """Convert a result of sacreBLEU's test; equal scores have no p-value, though sacreBLEU prints one."""
    p_value = None if result.p_value is None or result.score == first.score else float(result.p_value)
    return Score(name, float(result.score), signature, float(result.ci), p_value)
