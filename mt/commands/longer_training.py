"""The gain to be expected from longer training, by the learning curve of a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from mt.runs.checkpoint import TrainState
from mt.runs.metrics_file import Row
from mt.runs.ranking import MIN_BLEU
from mt.runtime.progress import describe_seconds
from mt.training.forecast import LearningCurve

MOST_MINUTES = 60.0
"""largest extension of a training that is considered"""
MOST_SHARE = 3
"""length, by that of a training, of another one whose score is forecast; further ahead, a curve says too little"""
MUCH_BLEU = 0.5
"""the smallest difference that matters"""
MUCH_LOSS = 0.1
"""rise of the validation loss that shows overfitting"""
N_POINTS = 60
"""points of a drawn curve"""


@dataclass(frozen=True)
class LongerTraining:
    """A training like that of a run, but longer."""

    curve: LearningCurve
    minutes: float
    """that it takes longer"""
    share: float
    """its length, by that of the run's training"""

    @property
    def gain(self) -> float:
        """BLEU that it would bring."""
        return self.curve.forecast(self.share).score - self.curve.best_score

    @property
    def more_time(self) -> str:
        """The additional time, in words that follow "another"."""
        n_minutes = round(self.minutes)
        if n_minutes >= MOST_MINUTES:
            return "hour"
        return describe_seconds(60 * self.minutes) if n_minutes < 2 else f"{n_minutes} minutes"

    def __str__(self) -> str:
        if self.gain < MUCH_BLEU:
            return f"Another {self.more_time} of training would hardly help, if the curve goes on as it did."
        after = self.curve.forecast(self.share)
        length = describe_seconds(60 * self.minutes * self.share / (self.share - 1))
        more_time = f"an {self.more_time}" if self.more_time == "hour" else self.more_time
        return (
            f"A new training of {length}, {more_time} longer than this one, would reach a validation BLEU of about "
            f"{after.score:.1f} ({after.low:.1f} to {after.high:.1f}), if the curve goes on as it did."
        )


def longer_training(rows: Sequence[Row], state: TrainState | None) -> LongerTraining | None:
    """Return what would come of a longer training than that of a run.

    None if the run is not finished, has too few validations, had become worse by its end, or has learnt too little for
    its BLEU to say anything.

    Args:
        rows: all validations.
        state: in the last checkpoint.
    """
    curve = fit_validations(rows)
    if curve is None or state is None or not state.is_finished or not state.minutes:
        return None
    best = max(row["valid/bleu"] for row in rows)  # perhaps that of the model to start from
    if best < MIN_BLEU or curve.last_score < best - MUCH_BLEU or loss_rise(rows) > MUCH_LOSS:
        return None
    minutes = min(MOST_MINUTES, (MOST_SHARE - 1) * state.minutes)
    return LongerTraining(curve, minutes, 1 + minutes / state.minutes)


def loss_rise(rows: Sequence[Row]) -> float:
    """Return by how much the validation loss has risen since its lowest point."""
    return rows[-1]["valid/loss"] - min(row["valid/loss"] for row in rows)


def begun(rows: Sequence[Row]) -> list[Row]:
    """Return the validations of a training without that of a model to start from, and without damaged ones."""
    return [row for row in rows if row["step"] > 0 and isfinite(row["valid/bleu"])]


def fit_validations(rows: Sequence[Row]) -> LearningCurve | None:
    """Fit a curve to the validation BLEU of a run, by the share of its training; None if there are too few."""
    rows = begun(rows)
    return LearningCurve.fit([row["step"] / rows[-1]["step"] for row in rows], [row["valid/bleu"] for row in rows])


def fitted_points(rows: Sequence[Row], longer: LongerTraining | None) -> list[tuple[float, float, float, float]]:
    """Return step, lower bound, value and upper bound of points of the fitted curve, from the first validation on.

    It ends with the longer training, if that is known; there are no points if there are too few validations.
    """
    curve = fit_validations(rows)
    if curve is None:
        return []
    n_steps = begun(rows)[-1]["step"]
    first, last = begun(rows)[0]["step"] / n_steps, longer.share if longer else 1.0
    shares = [first + (last - first) * index / (N_POINTS - 1) for index in range(N_POINTS)]
    found = [curve.at(share) for share in shares]
    return [(share * n_steps, at.low, at.score, at.high) for share, at in zip(shares, found, strict=True)]
