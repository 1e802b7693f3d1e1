"""BLEU and chrF by sacreBLEU, on detokenised text, with the signature that makes a figure comparable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from mt.choices import Utility
from mt.errors import UserError
from mt.sentences import plain_language

TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}


@dataclass(frozen=True)
class Score:
    """One figure, 0 to 100, and how it was computed."""

    metric: str
    value: float
    signature: str

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.2f}  {self.signature}"


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


def build_similarity(utility: Utility, tgt_lang: str) -> Callable[[str, str], float]:
    """A function that scores one sentence by another, 0 to 100."""
    metric = CHRF() if utility is Utility.chrf else build_bleu(tgt_lang, effective_order=True)

    def similarity(hypothesis: str, reference: str) -> float:
        return float(metric.sentence_score(hypothesis, [reference]).score)

    return similarity


class Scorer:
    """Scores translations into one language; sacreBLEU's own tokeniser is chosen by it (13a where it has no other)."""

    def __init__(self, tgt_lang: str) -> None:
        """
        Raises:
            UserError: the language needs a tokeniser that is not installed.
        """
        self.bleu, self.chrf = build_bleu(tgt_lang), CHRF()

    def score(self, hypotheses: list[str], references: list[str]) -> tuple[Score, Score]:
        """Corpus BLEU and chrF."""
        bleu = self.bleu.corpus_score(hypotheses, [references]).score
        chrf = self.chrf.corpus_score(hypotheses, [references]).score
        return (
            Score("BLEU", bleu, str(self.bleu.get_signature())),
            Score("chrF", chrf, str(self.chrf.get_signature())),
        )
