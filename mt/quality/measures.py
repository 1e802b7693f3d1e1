"""The accuracy of estimates of quality, measured against the scores of the translations."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan

import numpy as np

from mt.quality.features import Array
from mt.quality.trust import Trust
from mt.translation.result import Translation


def area_under_roc(estimates: Array, is_bad: Array) -> float:
    """Return the probability that a bad translation has a lower estimate than a good one, equal ones counting half.

    It is the area under the curve of the receiver operating characteristic (Hanley and McNeil, 1982); nan if all are
    bad, or all good.

    Args:
        is_bad: 1 for a bad translation, else 0.
    """
    from scipy.stats import rankdata  # slow to import

    ranks, n_bad = rankdata(-estimates), int(is_bad.sum())
    n_good = len(is_bad) - n_bad
    if not n_bad or not n_good:
        return float("nan")
    return float((ranks[is_bad > 0].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))


@dataclass(frozen=True)
class TrustResult:
    """The measured quality of the translations that pass, beside that of all."""

    lines: int
    passed: int
    share_good: float
    """fraction of good translations among those that pass; nan if none does"""
    share_good_of_all: float
    area: float
    """under the ROC curve, of the estimates, for translations worse than the median; nan if none is worse"""
    area_of_log_prob: float
    """the same of the mean log-probability alone"""

    def describe(self, trust: Trust) -> str:
        """Return the result in words."""
        promise = f"{self.passed:,} of {self.lines:,} lines pass"
        if self.passed:
            promise += f"; {self.share_good:.1%} of them have a chrF of {trust.quality:g} or more"
        promise += f" ({100 * trust.share:g}% asked, {self.share_good_of_all:.1%} of all lines)"
        if isnan(self.area):
            return f"{promise}."
        areas = f"{self.area:.3f}, mean log-probability alone {self.area_of_log_prob:.3f}"
        return f"{promise}. Area under the ROC curve for translations worse than the median: {areas}."

    def as_data(self) -> dict[str, float | None]:
        """Return the fields for JSON."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def measure_trust(translations: Sequence[Translation], reached: Sequence[float], trust: Trust) -> TrustResult:
    """Compare translations, judged for `trust`, with the sentence chrF that they reached; empty lines are skipped."""
    judged = [(one, chrf) for one, chrf in zip(translations, reached, strict=True) if one.quality is not None]
    if not judged:
        return TrustResult(0, 0, *[float("nan")] * 4)
    scores = np.array([chrf for _, chrf in judged])
    good, passed = scores >= trust.quality, np.array([bool(one.trusted) for one, _ in judged])
    is_bad = (scores < np.median(scores)).astype(np.float64)
    estimates = np.array([one.quality or 0.0 for one, _ in judged])
    log_probs = np.array([float(np.mean(one.log_probs or [0.0])) for one, _ in judged])
    share_good = float(good[passed].mean()) if passed.any() else float("nan")
    return TrustResult(
        len(judged), int(passed.sum()), share_good, float(good.mean()),
        area_under_roc(estimates, is_bad), area_under_roc(log_probs, is_bad),
    )  # fmt: skip
