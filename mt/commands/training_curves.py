"""The curves of a training, for the page about a run."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from mt.commands.longer_training import fitted_points, longer_training
from mt.display.plotting import Panel, draw_curves
from mt.runs.checkpoint import CheckpointStore
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile, Row

SCORES, FIT = "Validation scores", "BLEU, fitted (80% interval)"
CURVES = {
    "Loss per target token, in nats": {"training, unsmoothed": "train/nll", "validation": "valid/loss"},
    SCORES: {"BLEU": "valid/bleu", "chrF": "valid/chrf"},
    "Learning rate": {"learning rate": "train/learning_rate"},
    "Gradient norm": {"gradient norm": "train/gradient_norm"},
}


def draw_training(run: RunLayout, best: Row | None, validations: Sequence[Row]) -> Figure | None:
    """Draw the training curves, if the run has any, and mark the step of the best model.

    A curve is fitted to the validation BLEU and goes on as far as it tells what longer training would bring.
    """
    rows = MetricsFile(run.metrics).rows()
    longer = longer_training(validations, CheckpointStore(run.checkpoints).latest_state())
    fitted = fitted_points(validations, longer)
    panels = []
    for title, names in CURVES.items():
        curves = {label: [(row["step"], row[key]) for row in rows if key in row] for label, key in names.items()}
        curves = {label: points for label, points in curves.items() if points}
        if curves:
            panels.append(Panel(title, curves, {FIT: fitted} if fitted and title == SCORES else {}))
    return draw_curves(panels, best["step"] if best else None) if panels else None
