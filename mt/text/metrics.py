"""BLEU, chrF and TER by sacreBLEU, on detokenised text, with the signature that makes a figure comparable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from mt.config.choices import Utility
from mt.errors import UserError
from mt.text.sentences import plain_language

TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}
METRICS = ("BLEU", "chrF", "chrF++", "TER")
"""Those of sacreBLEU, as people call them."""


@dataclass(frozen=True)
class Score:
    """One figure, and how it was computed."""

    metric: str
    value: float
    """0 to 100, but for TER, which may be more, and figures without a signature"""
    signature: str = ""
    half_interval: float | None = None
    """half of the 95% interval of paired bootstrap resampling"""
    p_value: float | None = None
    """of there being no difference to the first system"""

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.2f}  {self.signature}".rstrip()


def build_bleu(tgt_lang: str, effective_order: bool = False) -> BLEU:
    """sacreBLEU's BLEU with the tokeniser for a language.

    Raises:
        UserError: it is not installed.
    """
    language = plain_language(tgt_lang)
    try:
        return BLEU(tokenize=TOKENIZERS.get(language, "13a"), effective_order=effective_order)
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"data.tgt_lang={tgt_lang}: BLEU needs a tokeniser for it: pip install 'sacrebleu[{language}]'."
        ) from error


def build_metric(name: str, tgt_lang: str) -> Metric:
    """One of `METRICS`.

    TER counts words; where a language has no spaces between them, sacreBLEU's option for Asian text takes characters.
    """
    if name == "BLEU":
        return build_bleu(tgt_lang)
    if name == "TER":
        spaceless = plain_language(tgt_lang) in ("zh", "ja")
        return TER(normalized=spaceless, asian_support=spaceless)
    return CHRF(word_order={"chrF": 0, "chrF++": 2}[name])


def build_similarity(utility: Utility, tgt_lang: str) -> Callable[[str, str], float]:
    """A function that scores one sentence by another, 0 to 100."""
    metric = CHRF() if utility is Utility.chrf else build_bleu(tgt_lang, effective_order=True)

    def similarity(hypothesis: str, reference: str) -> float:
        return float(metric.sentence_score(hypothesis, [reference]).score)

    return similarity


class Scorer:
    """Scores translations into one language; sacreBLEU's own tokeniser is chosen by it (13a where it has no other)."""

    def __init__(self, tgt_lang: str, names: Sequence[str] = ("BLEU", "chrF")) -> None:
        """
        Raises:
            UserError: the language needs a tokeniser that is not installed.
        """
        self.tgt_lang, self.names = tgt_lang, tuple(names)
        self.metrics = self.build()

    def build(self) -> dict[str, Metric]:
        """Fresh metrics: sacreBLEU keeps what they are compared with in their signatures."""
        return {name: build_metric(name, self.tgt_lang) for name in self.names}

    def score(self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[Score]:
        """The scores of a text, as `sacrebleu` computes them.

        Args:
            references: each a translation of all sentences.
        """
        scores = []
        for name, metric in self.metrics.items():
            value = metric.corpus_score(hypotheses, references).score
            scores.append(Score(name, value, str(metric.get_signature())))
        return scores

    def compare(
        self, systems: Sequence[Sequence[str]], references: Sequence[Sequence[str]], n_samples: int
    ) -> list[list[Score]]:
        """The scores of each of several systems, with paired bootstrap resampling against the first (Koehn, 2004)."""
        metrics = self.build()
        named: list[tuple[str, Sequence[str]]] = [(str(number), texts) for number, texts in enumerate(systems)]
        signatures, results = PairedTest(named, metrics, references, "bs", n_samples)()
        rows = [
            (name, str(signatures[key]), results[key]) for name, key in zip(self.names, list(signatures), strict=True)
        ]
        return [
            [tested_score(name, signature, row[number], row[0]) for name, signature, row in rows]
            for number in range(len(systems))
        ]


def tested_score(name: str, signature: str, result: Any, first: Any) -> Score:
    """A result of sacreBLEU's test against the first; where the scores are equal, it has nothing to say."""
    p_value = None if result.p_value is None or result.score == first.score else float(result.p_value)
    return Score(name, float(result.score), signature, float(result.ci), p_value)
