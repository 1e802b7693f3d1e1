"""The score that a training is heading for: curves fitted to its validations so far.

Domhan, Springenberg and Hutter, 2015 ("Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by
Extrapolation of Learning Curves") combine families of curves in this way. Here each family has two parameters, so that
few validations suffice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mt.runs.metrics_file import Row

Array = NDArray[np.float64]
FAMILIES: tuple[tuple[Callable[[Array], Array], float], ...] = (
    (lambda u: -1 / u, 0.4),
    (lambda u: -1 / np.sqrt(u), 0.25),
    (lambda u: np.log(u), 0.2),
    (lambda u: np.sqrt(u), 0.1),
    (lambda u: u, 0.05),
)
"""shapes of curves over the share of training that is done, steep to straight, each with its probability before
anything is known"""
NOISE, OF_BEST = 1.0, 0.01
"""standard deviation of a validation's BLEU around its curve: a constant, and relative to the best score so far"""
OF_RISE, OF_SCORE = 0.3, 0.03
"""standard deviations of what no curve knows, relative to the rise that is still expected, and to the score while all
of the training is still to come"""
QUANTILE = 1.28
"""standard deviations on each side of an interval of 80%"""
MIN_VALIDATIONS = 3
MIN_SHARE, MAX_SHARE = 0.25, 0.95
"""fraction of the training that has to be done for a forecast, and from which on none is needed"""


@dataclass(frozen=True)
class Forecast:
    """A score that is expected, and the interval of 80% around it."""

    low: float
    score: float
    high: float

    def __str__(self) -> str:
        return f"heading for BLEU {self.score:.1f} ({self.low:.1f} to {self.high:.1f})"


@dataclass(frozen=True)
class LearningCurve:
    """A curve of each family, fitted to the validations of a training so far, and how likely each of them is."""

    coefficients: Array
    """coefficients of each family, (F, 2)"""
    weights: Array
    """(F,)"""
    noise: float
    """standard deviation of a validation around the curve"""
    last_share: float
    """fraction of the training that was done at the last validation"""
    last_score: float
    best_score: float

    @classmethod
    def fit(cls, shares: Sequence[float], scores: Sequence[float]) -> "LearningCurve | None":
        """Fit the curves; None if there are too few validations.

        Args:
            shares: of the training that was done at each validation, from 0 to 1.
            scores: BLEU of each validation.
        """
        if len(scores) < MIN_VALIDATIONS:
            return None
        u, y = np.asarray(shares), np.asarray(scores)
        noise = NOISE + OF_BEST * max(scores)
        coefficients, weights = [], []
        for family, prior in FAMILIES:
            features = np.stack((np.ones_like(u), family(u)), axis=1)
            # weighted by u: what came last says most about what comes next
            fitted, *_ = np.linalg.lstsq(features * u[:, None], y * u, rcond=None)
            errors = (features @ fitted - y) * u
            coefficients.append(fitted)
            weights.append(prior * np.exp(-(errors @ errors) / (2 * noise**2)) + 1e-9)
        return cls(np.stack(coefficients), np.array(weights), noise, shares[-1], scores[-1], max(scores))

    def at(self, share: float) -> Forecast:
        """Return the score of a model that has had so much training, with an interval of 80%.

        Args:
            share: of this training; above 1 for one that is so many times as long.
        """
        pairs = zip(self.coefficients, FAMILIES, strict=True)
        values = np.array([a + b * family(np.full(1, share)).item() for (a, b), (family, _) in pairs])
        mean = float(np.average(values, weights=self.weights))
        variance = float(np.average((values - mean) ** 2, weights=self.weights))
        left = max(0.0, share - self.last_share)
        rise = max(0.0, mean - self.last_score) if left else 0.0
        deviation = np.sqrt(variance + self.noise**2 + (OF_RISE * rise) ** 2 + (OF_SCORE * left * mean) ** 2)
        between = [mean + side * QUANTILE * deviation for side in (-1, 0, 1)]
        return Forecast(*(min(100.0, max(0.0, float(value))) for value in between))

    def forecast(self, end: float = 1.0) -> Forecast:
        """Return the score to expect of the best model when training ends: at least the best score so far."""
        found = self.at(end)
        return Forecast(*(max(self.best_score, value) for value in (found.low, found.score, found.high)))


def forecast_run(rows: Sequence[Row], share: float) -> Forecast | None:
    """Return the forecast for a training of which `share` is done, given its validations, the last of them now."""
    if not rows or not MIN_SHARE <= share <= MAX_SHARE:
        return None
    begun = [row for row in rows if row["step"]]  # without that of a model to start from
    shares, scores = [row["step"] / rows[-1]["step"] * share for row in begun], [row["valid/bleu"] for row in begun]
    curve = LearningCurve.fit(shares, scores)
    return curve.forecast() if curve else None
