"""What score a training is heading for: curves fitted to its validations so far.

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
"""of training that is done: earlier, nothing can be said; later, it is known"""


@dataclass(frozen=True)
class Forecast:
    """The score at the end of training."""

    low: float
    score: float
    high: float

    def __str__(self) -> str:
        return f"heading for BLEU {self.score:.1f} ({self.low:.1f} to {self.high:.1f})"


def forecast(shares: Sequence[float], scores: Sequence[float], end: float = 1.0) -> Forecast | None:
    """Return the score to expect at the end, with an interval of 80%; None if there are too few validations.

    Args:
        shares: of the training that was done at each validation, from 0 to 1.
        scores: BLEU of each validation.
        end: for which a score is expected; above 1 for a training that is so many times as long.
    """
    if len(scores) < MIN_VALIDATIONS:
        return None
    u, y, best = np.asarray(shares), np.asarray(scores), max(scores)
    noise = NOISE + OF_BEST * best
    ends, weights = [], []
    for family, prior in FAMILIES:
        features = np.stack((np.ones_like(u), family(u)), axis=1)
        # weighted by u: what came last says most about what comes next
        coefficients, *_ = np.linalg.lstsq(features * u[:, None], y * u, rcond=None)
        errors = (features @ coefficients - y) * u
        ends.append(float(coefficients @ (1.0, family(np.full(1, end)).item())))
        weights.append(prior * np.exp(-(errors @ errors) / (2 * noise**2)) + 1e-9)
    mean = float(np.average(ends, weights=weights))
    variance = float(np.average((np.array(ends) - mean) ** 2, weights=weights))
    rise, left = max(0.0, mean - scores[-1]), end - shares[-1]
    deviation = np.sqrt(variance + noise**2 + (OF_RISE * rise) ** 2 + (OF_SCORE * left * mean) ** 2)
    between = [mean + side * QUANTILE * deviation for side in (-1, 0, 1)]
    return Forecast(*(min(100.0, max(best, float(value))) for value in between))  # the best model is kept


def forecast_run(rows: Sequence[Row], share: float) -> Forecast | None:
    """Return the forecast for a training of which `share` is done, given its validations, the last of them now."""
    if not rows or not MIN_SHARE <= share <= MAX_SHARE:
        return None
    begun = [row for row in rows if row["step"]]  # without that of a model to start from
    return forecast([row["step"] / rows[-1]["step"] * share for row in begun], [row["valid/bleu"] for row in begun])
