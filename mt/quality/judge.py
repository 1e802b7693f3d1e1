"""Estimates beside translations, as commands and the server add them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.quality.estimator import QualityEstimator, load_estimator, search_key
from mt.quality.features import FEATURES, Array, features
from mt.quality.trust import Trust
from mt.runs.layout import RunLayout
from mt.runtime.checksums import digest
from mt.text.tokenizer import Tokenizer
from mt.translation.result import Translation

log = logging.getLogger(__name__)


def with_alternatives(search: SearchConfig, estimator: QualityEstimator) -> SearchConfig:
    """Return a search that finds as many translations of a line as an estimate needs.

    Raises:
        UserError: it is too narrow.
    """
    if search.n_hypotheses < estimator.n_best:
        raise UserError(
            f"The quality was calibrated with {estimator.n_best} hypotheses: "
            f"search.{search.width_key}={search.n_hypotheses} is too few."
        )
    if search_key(search) != estimator.search:
        log.warning("The quality was calibrated with another search: estimates may be wrong.")
    return replace(search, n_best=max(search.n_best, estimator.n_best))


@dataclass
class Judge:
    """Adds the quality to translations, and remembers what the lines are like."""

    estimator: QualityEstimator
    tokenizer: Tokenizer
    trust: Trust | None = None
    sum_of_rows: Array = field(default_factory=lambda: np.zeros(len(FEATURES)))
    """features of the lines so far, summed"""
    n_lines: int = 0

    def __post_init__(self) -> None:
        self.threshold = self.estimator.threshold(self.trust.share, self.trust.quality) if self.trust else None
        if self.threshold is not None and np.isinf(self.threshold):
            log.warning("No line can be trusted: for no estimate can it be promised that %s.", self.trust)

    def judge(
        self, sources: Sequence[str], found: Sequence[Sequence[Translation]], n_best: int
    ) -> list[list[Translation]]:
        """Return the n best translations of each line, the first with its quality; an empty line has none."""
        judged = []
        for source, translations in zip(sources, found, strict=True):
            best = translations[0]
            if best.parts:
                row = features(source, translations[: self.estimator.n_best], self.tokenizer)
                self.sum_of_rows, self.n_lines = self.sum_of_rows + row, self.n_lines + 1
                quality = float(self.estimator.estimate(row[None])[0])
                trusted = None
                if self.threshold is not None:
                    trusted = quality >= self.threshold and not self.estimator.is_unlike(row, 1)
                best = replace(best, quality=round(quality, 1), trusted=trusted)
            judged.append([best, *translations[1:n_best]])
        return judged

    def warn_if_unlike(self) -> None:
        """Warn if the lines are unlike the text that the model was validated with."""
        if self.n_lines and self.estimator.is_unlike(self.sum_of_rows / self.n_lines, self.n_lines):
            log.warning(
                "The text is unlike the validation text (lengths, rare pieces): its qualities may be wrong, and what "
                "--trust promises may not hold."
            )


def warn_about_direction(langs: tuple[str, str], calibrated: tuple[str, str]) -> None:
    """Warn if translations are in another direction than those that the quality was calibrated with."""
    if langs != calibrated:
        directions = [" to ".join(pair) for pair in (calibrated, langs)]
        log.warning("The quality was calibrated for %s: estimates for %s may be wrong.", *directions)


def load_judge(run: RunLayout, tokenizer: Tokenizer, trust: Trust | None = None) -> Judge:
    """Load what a run has learned of the quality of its translations.

    Raises:
        UserError: it is not calibrated, or with other weights, or the file is damaged.
    """
    return Judge(load_estimator(run.quality, digest(run.weights)), tokenizer, trust)


def find_estimator(run: RunLayout, otherwise: str) -> QualityEstimator | None:
    """Load what a run has learned of the quality of its translations, if it has.

    None, with a warning that begins with `otherwise`, if it cannot be used.
    """
    if not run.quality.exists():
        return None
    try:
        return load_estimator(run.quality, digest(run.weights))
    except UserError as error:
        log.warning("%s %s", otherwise, error)
        return None
