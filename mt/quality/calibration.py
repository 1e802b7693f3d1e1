"""Learning the quality of a model's translations from the validation text."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from mt.config.choices import Utility
from mt.config.search import SearchConfig
from mt.data.readers import Pair
from mt.data.sources import ParallelText
from mt.errors import UserError
from mt.quality.estimator import QualityEstimator, bounded, search_key
from mt.quality.features import FEATURES, SOURCE_FEATURES, Array, features
from mt.text.metrics import build_similarity
from mt.translation.translator import Translator

log = logging.getLogger(__name__)
N_BEST = 5
MIN_PAIRS, MAX_PAIRS = 200, 2000
"""pairs of the validation text: fewer teach nothing, more hardly help"""
PENALTIES = np.logspace(-1, 4, 26)
"""penalties of ridge regression, among which cross-validation chooses"""


def usable_pairs(text: ParallelText) -> list[Pair]:
    """Return pairs without an empty side, and of a large text only the first."""
    return list(islice((pair for pair in text.read() if pair[0].strip() and pair[1].strip()), 10 * MAX_PAIRS))


def calibrate(translator: Translator, search: SearchConfig, pairs: Sequence[Pair], digest: str) -> QualityEstimator:
    """Translate validation pairs, and learn to estimate sentence chrF from one half; the other is for thresholds.

    Args:
        pairs: as `usable_pairs` returns them; of more than `MAX_PAIRS`, some are drawn.
        digest: SHA-256 of the model's weights.

    Raises:
        UserError: there are too few pairs.
    """
    if len(pairs) < MIN_PAIRS:
        raise UserError(f"Calibrating needs {MIN_PAIRS} validation pairs or more; there are {len(pairs)}.")
    chosen = np.sort(np.random.default_rng(1).permutation(len(pairs))[:MAX_PAIRS])
    pairs = [pairs[index] for index in chosen]
    n_best = min(N_BEST, search.n_hypotheses)
    found = translator.n_best([src for src, _ in pairs], replace(search, n_best=n_best), quiet=True)
    rows = np.stack([features(src, best, translator.tokenizer) for (src, _), best in zip(pairs, found, strict=True)])
    similarity = build_similarity(Utility.chrf, translator.langs[1])
    reached = np.array([similarity(best[0].text, tgt) for (_, tgt), best in zip(pairs, found, strict=True)])
    return fit(rows, reached, digest, n_best, search_key(search))


def fit(rows: Array, reached: Array, digest: str, n_best: int, search: str = "") -> QualityEstimator:
    """Fit an estimator to every second row of features (N, A) with its sentence chrF (N,), after shuffling."""
    order = np.random.default_rng(2).permutation(len(rows))
    fitted, kept = order[::2], order[1::2]
    means, deviations = rows.mean(0), rows.std(0)
    deviations[deviations < 1e-9] = 1.0
    z = (rows - means) / deviations
    coefficients, intercept = ridge(bounded(z[fitted]), reached[fitted])
    estimated = np.clip(bounded(z[kept]) @ coefficients + intercept, 0.0, 100.0)
    covariance = np.cov(z[:, : len(SOURCE_FEATURES)], rowvar=False)
    precision = np.linalg.inv(covariance + 1e-3 * np.eye(len(SOURCE_FEATURES)))  # a feature may be constant
    return QualityEstimator(
        digest, n_best, search, list(FEATURES), means.tolist(), deviations.tolist(), coefficients.tolist(), intercept,
        estimated.tolist(), reached[kept].tolist(), precision.tolist(),
    )  # fmt: skip


def ridge(rows: Array, targets: Array) -> tuple[Array, float]:
    """Return coefficients and intercept of ridge regression, with the penalty that leave-one-out validation prefers.

    The errors without each row follow from one decomposition (Golub, Heath and Wahba, 1979, section 1).
    """
    center, mean = rows.mean(0), targets.mean()
    left, values, right = np.linalg.svd(rows - center, full_matrices=False)
    projected = left.T @ (targets - mean)

    def shrink(penalty: float) -> Array:
        return values**2 / (values**2 + penalty)

    def error(penalty: float) -> float:
        residuals = targets - mean - left @ (shrink(penalty) * projected)
        leverage = (left**2 * shrink(penalty)).sum(1) + 1 / len(rows)
        return float(np.mean((residuals / (1 - leverage)) ** 2))

    penalty = min(PENALTIES, key=error)
    coefficients = right.T @ (values / (values**2 + penalty) * projected)
    return coefficients, float(mean - center @ coefficients)
