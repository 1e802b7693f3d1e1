"""Estimates beside translations, as commands and the server add them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.quality.estimator import QualityEstimator, load_estimator
from mt.quality.features import Array, features
from mt.quality.trust import Trust
from mt.runs.layout import RunLayout
from mt.runtime.checksums import digest
from mt.text.tokenizer import Tokenizer
from mt.translation.result import Translation

log = logging.getLogger(__name__)


def with_alternatives(search: SearchConfig, n_best: int) -> SearchConfig:
    """Return a search that finds as many translations of a line as an estimate needs.

    Raises:
        UserError: it is too narrow.
    """
    if search.n_hypotheses < n_best:
        raise UserError(
            f"The quality was calibrated with {n_best} hypotheses: search.{search.width_key}={search.n_hypotheses} is "
            "too few."
        )
    return replace(search, n_best=max(search.n_best, n_best))


@dataclass
class Judge:
    """Adds the quality to translations, and remembers the lines."""

    estimator: QualityEstimator
    tokenizer: Tokenizer
    trust: Trust | None = None
    rows: list[Array] = field(default_factory=list)
    """features of the lines so far"""

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
                self.rows.append(row)
                quality = round(float(self.estimator.estimate(row[None])[0]), 1)
                trusted = None if self.threshold is None else quality >= self.threshold
                best = replace(best, quality=quality, trusted=trusted)
            judged.append([best, *translations[1:n_best]])
        return judged

    def warn_if_unlike(self) -> None:
        """Warn if the lines are unlike the text that the model was validated with."""
        if self.rows and self.estimator.is_unlike(np.stack(self.rows)):
            log.warning(
                "The text is unlike the validation text (lengths, rare pieces): its qualities may be wrong, and what "
                "--trust promises may not hold."
            )


def load_judge(run: RunLayout, tokenizer: Tokenizer, trust: Trust | None = None) -> Judge:
    """Load what a run has learned of the quality of its translations.

    Raises:
        UserError: it is not calibrated, or with other weights, or the file is damaged.
    """
    return Judge(load_estimator(run.quality, digest(run.weights)), tokenizer, trust)
