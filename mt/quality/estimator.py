"""The quality of translations, learned from the validation text, and which of them to trust.

`quality.json` in a run folder holds the numbers. They are data: nothing in that file is executed.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from math import inf, sqrt
from pathlib import Path

import numpy as np

from mt.config.checks import check_file
from mt.config.search import SearchConfig
from mt.errors import UserError
from mt.quality.features import FEATURES, SOURCE_FEATURES, Array
from mt.runtime.checksums import check_sum, write_recorded

MAX_BYTES = 1 << 24
MOST = 1e9
"""largest number in the file"""
LIMIT = 3.0
"""standard deviations from the mean beyond which a feature says nothing more"""
CONFIDENCE = 0.9
"""probability that the share of good translations among those passed is at least the one asked for"""
N_THRESHOLDS = 10
SHIFT, CHANCE = 0.5, 5.0
"""Mahalanobis distance of the mean of a text from that of the validation text: what is normal for another text of the
same kind, and what chance adds to that, to be divided by the square root of the number of lines"""


@dataclass(frozen=True)
class QualityEstimator:
    """A linear model of sentence chrF on standardised features.

    A, number of features; C, number of translations that are kept to choose thresholds.
    """

    weights_digest: str
    """SHA-256 of the weights whose translations it is for"""
    n_best: int
    """number of hypotheses among which agreement is measured"""
    search: str
    """the search with which the translations were found, as `search_key` writes it"""
    names: list[str]
    """names of the features"""
    means: list[float]
    """means of the features, (A,)"""
    deviations: list[float]
    """standard deviations of the features, (A,)"""
    coefficients: list[float]
    """coefficients of the standardised features, (A,)"""
    intercept: float
    estimated: list[float]
    """qualities estimated of translations that the model was not fitted to, (C,)"""
    reached: list[float]
    """their sentence chrF, (C,)"""
    precision: list[list[float]]
    """inverse of the covariance of the source's features, standardised"""

    def estimate(self, rows: Array) -> Array:
        """Return the estimated quality, from 0 to 100, for each row of features."""
        quality: Array = bounded(self.standardised(rows)) @ np.array(self.coefficients) + self.intercept
        return quality.clip(0.0, 100.0)

    def standardised(self, rows: Array) -> Array:
        """Return features (N, A) relative to those of the validation text."""
        standardised: Array = (rows - np.array(self.means)) / np.array(self.deviations)
        return standardised

    def threshold(self, share: float, quality: float) -> float:
        """Return an estimate from which on at least this share of translations has at least this sentence chrF.

        That holds with a probability of 90% for text like the validation text. Of the thresholds that a tenth, two
        tenths, … of the translations reach, it is the lowest that passes a test; each is tested at a tenth of the
        level, by the upper bound of Clopper and Pearson, 1934, on the share of other translations (Angelopoulos et al.,
        2021, "Learn then Test", section 2.2, Bonferroni). Infinite if none passes.
        """
        from scipy.stats import beta  # slow to import

        estimated, is_bad = np.array(self.estimated), np.array(self.reached) < quality
        level = 1 - (1 - CONFIDENCE) / N_THRESHOLDS
        for threshold in np.quantile(estimated, np.arange(N_THRESHOLDS) / N_THRESHOLDS):
            passes = estimated >= threshold
            n_passed, n_bad = int(passes.sum()), int(is_bad[passes].sum())
            if n_bad < n_passed and beta.ppf(level, n_bad + 1, n_passed - n_bad) <= 1 - share:
                return float(threshold)
        return inf

    def is_unlike(self, mean_row: Array, n_lines: int) -> bool:
        """Return whether a text is unlike the validation text, given the mean of its lines' features, (A,).

        The means of the sources' features are compared.
        """
        mean = self.standardised(mean_row)[: len(SOURCE_FEATURES)]
        distance = sqrt(max(0.0, float(mean @ np.array(self.precision) @ mean)))
        return distance > SHIFT + CHANCE / sqrt(n_lines)

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


def bounded(standardised: Array) -> Array:
    """Return standardised features within the limits in which they say something."""
    return np.clip(standardised, -LIMIT, LIMIT)


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
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(f"{path} is damaged, or of another version. {advice}") from error
    if estimator.weights_digest != weights_digest:
        raise UserError(f"{path} was calibrated for other weights. {advice}")
    return estimator


def check_numbers(estimator: QualityEstimator) -> None:
    """Raise `ValueError` if a number is not finite, or a list has another length than it must have."""
    n, n_source = len(FEATURES), len(SOURCE_FEATURES)
    shapes = {"means": (n,), "deviations": (n,), "coefficients": (n,), "intercept": (), "precision": (n_source,) * 2}
    shapes |= {name: (len(estimator.reached),) for name in ("estimated", "reached")}
    arrays = {name: np.asarray(getattr(estimator, name)) for name in shapes}
    fits = all(arrays[name].shape == shape and arrays[name].dtype.kind in "if" for name, shape in shapes.items())
    fits = fits and all(bool((abs(array) <= MOST).all()) for array in arrays.values())  # false for nan, too
    fits = fits and float(arrays["deviations"].min()) >= 1 / MOST and len(estimator.reached) > 0
    fits = fits and bool((np.linalg.eigvalsh(arrays["precision"]) >= 0).all())
    fits = fits and estimator.names == list(FEATURES) and type(estimator.n_best) is int and 1 <= estimator.n_best <= 256
    if not fits:
        raise ValueError("numbers")


def search_key(search: SearchConfig) -> str:
    """Return what of a search determines which translations it finds."""
    defaults = asdict(SearchConfig())
    changed = {key: value for key, value in asdict(search).items() if value != defaults[key]}  # new keys change nothing
    if "reverse" in changed:
        changed["reverse"] = ""  # wherever that run lies
    settings = sorted(item for item in changed.items() if item[0] not in ("n_best", "max_tokens", "seed"))
    return hashlib.sha256(repr(settings).encode()).hexdigest()
