"""The quality of translations, learned from the validation text, and which of them to trust.

`quality.json` in a run folder holds the numbers. They are data: nothing in that file is executed.
"""

import json
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from mt.config.checks import check_file
from mt.errors import UserError
from mt.quality.features import FEATURES, SOURCE_FEATURES, Array
from mt.runtime.checksums import check_sum, write_recorded

MAX_BYTES = 1 << 24
LIMIT = 3.0
"""standard deviations from the mean beyond which a feature says nothing more"""
CONFIDENCE = 0.9
"""probability that the share of good translations among those passed is at least the one asked for"""
SHIFT, CHANCE = 0.5, 5.0
"""Mahalanobis distance of the mean of a text from that of the validation text: what is normal for another text of the
same kind, and what chance adds to that, to be divided by the square root of the number of lines"""


@dataclass(frozen=True)
class QualityEstimator:
    """A linear model of sentence chrF on standardised features and their squares.

    A, number of features; B = 2 A; C, number of translations that are kept to choose thresholds.
    """

    weights_digest: str
    """SHA-256 of the weights whose translations it is for"""
    n_best: int
    """number of hypotheses among which agreement is measured"""
    names: list[str]
    """of the features"""
    means: list[float]
    """of the features, (A,)"""
    deviations: list[float]
    """standard deviations of the features, (A,)"""
    coefficients: list[float]
    """of the standardised features and then of their squares, (B,)"""
    intercept: float
    estimated: list[float]
    """qualities estimated of translations that the model was not fitted to, (C,)"""
    reached: list[float]
    """their sentence chrF, (C,)"""
    precision: list[list[float]]
    """inverse of the covariance of the source's features, standardised"""

    def estimate(self, rows: Array) -> Array:
        """Return the estimated quality, from 0 to 100, for each row of features."""
        quality: Array = expand(self.standardised(rows)) @ np.array(self.coefficients) + self.intercept
        return np.nan_to_num(quality).clip(0.0, 100.0)

    def standardised(self, rows: Array) -> Array:
        """Return features (N, A) relative to those of the validation text."""
        standardised: Array = (rows - np.array(self.means)) / np.array(self.deviations)
        return standardised

    def threshold(self, share: float, quality: float) -> float:
        """Return the lowest estimate from which at least this share of translations has at least this sentence chrF.

        That holds with a probability of 90% for text like the validation text, by the upper bound of Clopper and
        Pearson, 1934, on the share of the others (Bates et al., 2021, "Distribution-Free, Risk-Controlling Prediction
        Sets", section 3.1). Infinite if no estimate is high enough.
        """
        from scipy.stats import beta  # slow to import

        order = np.argsort(-np.array(self.estimated), kind="stable")
        n_passed = np.arange(1, len(order) + 1)
        n_bad = np.cumsum(np.array(self.reached)[order] < quality)
        bound = np.where(n_bad < n_passed, beta.ppf(CONFIDENCE, n_bad + 1, np.maximum(n_passed - n_bad, 1)), 1.0)
        holds = np.flatnonzero(bound <= 1 - share)
        return float(self.estimated[order[holds[-1]]]) if len(holds) else inf

    def is_unlike(self, rows: Array) -> bool:
        """Return whether a text, with the features of each line (N, A), is unlike the validation text.

        The mean of its sources' features is compared with that of the validation sources.
        """
        mean = self.standardised(rows)[:, : len(SOURCE_FEATURES)].mean(0)
        distance = sqrt(max(0.0, float(mean @ np.array(self.precision) @ mean)))
        return distance > SHIFT + CHANCE / sqrt(len(rows))

    def describe(self) -> str:
        """Say how good the estimates were for the translations that the model was not fitted to."""
        estimated, reached = np.array(self.estimated), np.array(self.reached)
        error = np.abs(estimated - reached).mean()
        spreads = float(estimated.std() * reached.std())
        covariance = float(np.mean((estimated - estimated.mean()) * (reached - reached.mean())))
        return (
            f"The quality of {len(reached):,} other sentences of data.valid, by sentence chrF, was estimated with a "
            f"mean error of {error:.1f} and a correlation of {covariance / spreads if spreads else 0.0:.2f}."
        )

    def save(self, path: Path) -> None:
        """Write the numbers to a file."""
        write_recorded(path, json.dumps(asdict(self)) + "\n")


def expand(standardised: Array) -> Array:
    """Return standardised features, bounded, and their squares."""
    bounded = np.clip(standardised, -LIMIT, LIMIT)
    return np.hstack([bounded, bounded**2])


def load_estimator(path: Path, weights_digest: str) -> QualityEstimator:
    """Read the numbers of a run.

    Raises:
        UserError: there are none, the file is damaged, or they are for other weights.
    """
    advice = f"Run `mt calibrate {path.parent}`."
    if not path.exists():
        raise UserError(f"The quality of translations has not been calibrated: there is no {path}. {advice}")
    check_file(path, MAX_BYTES)
    check_sum(path)
    try:
        estimator = QualityEstimator(**json.loads(path.read_text(encoding="utf-8")))
        check_numbers(estimator)
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is damaged, or of another version. {advice}") from error
    if estimator.weights_digest != weights_digest:
        raise UserError(f"{path} was calibrated for other weights. {advice}")
    return estimator


def check_numbers(estimator: QualityEstimator) -> None:
    """Raise `ValueError` if a number is not finite, or a list has another length than it must have."""
    lists: dict[str, Any] = {one.name: getattr(estimator, one.name) for one in fields(QualityEstimator)}
    sizes = {"means": len(FEATURES), "deviations": len(FEATURES), "coefficients": 2 * len(FEATURES)}
    sizes |= {"estimated": len(lists["reached"]), "reached": len(lists["reached"])}
    arrays = {name: np.asarray(lists[name], np.float64) for name in (*sizes, "precision")}
    shapes_fit = all(arrays[name].shape == (size,) for name, size in sizes.items())
    shapes_fit &= arrays["precision"].shape == (len(SOURCE_FEATURES),) * 2
    is_finite = isfinite(estimator.intercept) and all(np.isfinite(array).all() for array in arrays.values())
    fits = estimator.names == list(FEATURES) and isinstance(estimator.n_best, int) and 1 <= estimator.n_best <= 256
    if not (shapes_fit and is_finite and fits and (arrays["deviations"] > 0).all()):
        raise ValueError("numbers")
