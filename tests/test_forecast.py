"""The score that a training is heading for."""

import json
import math
import shutil

import numpy as np
import pytest
from conftest import overrides

from mt.commands.evaluated_runs import EvaluatedRun
from mt.commands.longer_training import begun, fitted_points, longer_training
from mt.commands.training_curves import FIT
from mt.commands.worth_of_text import worth_of_text
from mt.runs.checkpoint import TrainState
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config
from mt.training.forecast import LearningCurve, forecast_run

SHARES = [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]
CURVES = {
    "Swahili": (0.121, [0.16, 1.38, 2.53, 3.64], 6.17),
    "Swahili, 2,800 pieces": (0.092, [0.4, 1.5, 2.0, 2.9, 4.0], 6.8),
    "Swahili, 10,500 pieces, 192 features": (0.069, [2.4, 3.3, 6.7, 7.0, 11.6, 13.2, 15.1], 19.8),
    "Japanese": (0.141, [16.97, 23.29, 27.50], 32.85),
    "Japanese, 4,000 pieces": (0.125, [13.4, 21.3, 25.9, 28.6], 34.6),
    "Japanese, 7,300 pieces": (0.125, [12.0, 23.8, 27.5, 31.3], 35.5),
    "Japanese, 12,000 pieces": (0.125, [9.4, 20.2, 29.6, 29.8], 35.1),
    "Multi30k, 128 features": (0.1, [22.70, 26.91, 30.03, 31.97, 33.63], 36.02),
    "Multi30k, 128 features, 8,500 pieces": (0.125, [20.1, 25.9, 30.2, 34.2], 37.9),
    "Multi30k, 128 features, 10,000 pieces": (0.125, [22.4, 29.3, 32.7, 35.0], 38.4),
    "Multi30k, 128 features, frequent words whole": (0.125, [22.5, 27.4, 32.9, 34.4], 38.6),
    "Multi30k, 128 features, without noise": (0.125, [23.2, 29.3, 32.5, 34.5], 38.6),
    "Multi30k, 192 features": (0.132, [25.82, 31.58, 32.08], 38.95),
    "Multi30k, 11,000 steps, seed 1": (0.05, [23.6, 31.2, 33.5, 35.7, 36.6, 37.6, 39.4, 38.2, 39.2, 40.2], 41.1),
    "Multi30k, 11,000 steps, seed 2": (0.05, [23.4, 29.2, 33.8, 33.7, 35.8, 37.5, 38.3, 38.4, 38.1, 39.2], 40.1),
    "Multi30k, 11,000 steps, seed 3": (0.05, [24.7, 31.3, 32.9, 35.3, 37.3, 36.5, 37.2, 37.7, 38.2, 40.3], 41.5),
    "10,000 pairs of Multi30k": (0.125, [11.4, 21.3, 23.4, 23.5], 29.3),
    "10,000 pairs, dropout 0.2": (0.125, [9.3, 20.4, 22.7, 22.0], 28.5),
    "3,000 pairs": (0.125, [11.6, 15.6, 17.3, 16.1], 18.0),
    "3,000 pairs, frequent words whole": (0.125, [12.0, 15.1, 16.6, 17.1], 19.0),
    "3,000 pairs, 2,000 pieces": (0.125, [10.5, 15.4, 15.8, 16.8], 18.0),
    "3,000 pairs, dropout 0.3": (0.125, [9.6, 13.9, 16.5, 16.3], 18.4),
    "3,000 pairs, 93 epochs": (0.1, [13.15, 16.15, 18.15, 18.62, 18.09], 20.08),
    "3,000 pairs, R-Drop": (0.1, [8.74, 14.32, 15.52, 17.59, 18.59], 19.86),
    "Japanese, small batches": (0.053, [3.27, 12.81, 18.74, 20.93, 24.19, 27.57, 27.44, 28.75, 29.78], 37.53),
    "Multi30k, 15 minutes of a slow machine": (0.125, [4.25, 7.86, 18.68, 20.68], 26.13),
    "the same, small batches": (0.114, [7.51, 12.48, 18.94, 22.09], 28.37),
    "Hausa, small batches": (0.143, [1.43, 3.01, 3.56], 5.79),
}
"""trainings: the share between two validations, the BLEU of those in the first half, and the best BLEU of all"""


def forecast(shares, scores):
    curve = LearningCurve.fit(shares, scores)
    return curve.forecast() if curve else None


def end(run, scores, valid_losses, train_nll, minutes, epochs=40):
    """Give a run other validations, and an end after so many minutes."""
    rows = []
    for step, (score, valid_loss) in enumerate(zip(scores, valid_losses, strict=True), start=1):
        rows.append({"step": 10 * step, "train/nll": train_nll})
        rows.append({"step": 10 * step, "valid/bleu": score, "valid/chrf": score, "valid/loss": valid_loss})
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (state,) = run.glob("checkpoints/*/state.json")
    changed = {"minutes": minutes, "is_finished": True, "epochs": float(epochs)}
    state.write_text(json.dumps(json.loads(state.read_text()) | changed))
    (state.parent / "SHA256SUMS").unlink()


@pytest.mark.parametrize(
    "family", [lambda u: 40 - 5 / u, lambda u: 30 + 6 * math.log(u), lambda u: 30 - 9 / math.sqrt(u)]
)
def test_a_curve_of_a_known_shape_is_continued(family):
    for done in (4, 6):
        found = forecast(SHARES[:done], [family(u) for u in SHARES[:done]])
        assert found.low <= family(1.0) <= found.high
        assert found.low < found.score < found.high


def test_the_interval_narrows_as_training_goes_on():
    widths = []
    for done in (3, 5, 7):
        found = forecast(SHARES[:done], [30 + 6 * math.log(u) for u in SHARES[:done]])
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)


def test_the_end_of_most_trainings_lies_in_the_interval_made_at_half_time():
    inside = []
    for interval, scores, end in CURVES.values():
        found = forecast([interval * (number + 1) for number in range(len(scores))], scores)
        inside.append(found.low <= end <= found.high)
    assert sum(inside) >= 0.75 * len(CURVES)


def test_bounds():
    assert forecast([0.2, 0.4], [10, 20]) is None
    flat = forecast(SHARES[:4], [99.9, 99.9, 99.9, 99.9])
    assert 99.9 <= flat.low <= flat.score <= flat.high <= 100
    steep = forecast(SHARES[:4], [20, 60, 85, 98])
    assert 98 <= steep.low <= steep.score <= steep.high <= 100
    falling = forecast(SHARES[:4], [20, 22, 18, 15])
    assert falling.low >= 22  # the best model is kept
    rows = [{"step": step, "valid/bleu": 10.0 * step} for step in (0, 1, 2, 3, 4)]
    assert forecast_run([], 0.5) is None
    assert forecast_run(rows, 0.2) is None
    assert forecast_run(rows, 0.99) is None
    assert forecast_run(rows, 0.5).score > 50


@pytest.mark.parametrize(
    ("scores", "train_nll", "valid_losses", "epochs", "advice"),
    [
        ([10, 20, 25, 28], 2.0, [2.1] * 4, 40, "longer training."),
        ([10, 20, 25, 28], 1.0, [1.8] * 4, 40, "more text of the kind that is to be translated"),
        ([10, 20, 25, 24], 1.0, [1.9, 1.8, 1.7, 1.8], 9, "more text of the kind that is to be translated"),
        ([10, 12, 14, 13], 1.0, [2.2, 2.1, 2.0, 1.8], 5, "longer training. The model has read its text 5.0 times"),
        ([28, 28.1, 28, 28.1], 2.0, [2.1] * 4, 40, "a larger model, or more text"),
    ],
)
def test_the_report_says_what_would_help_most(mt, copy_of_run, scores, train_nll, valid_losses, epochs, advice):
    end(copy_of_run, scores, valid_losses, train_nll, minutes=30.0, epochs=epochs)
    assert mt("report", copy_of_run).code == 0
    assert f"Next step: {advice}" in (copy_of_run / "report.html").read_text(encoding="utf-8")


def test_a_short_curve_is_not_followed_for_an_hour(mt, copy_of_run):
    """After five minutes, another quarter of an hour is as much as it can tell."""
    end(copy_of_run, [2, 6, 10, 14, 17], [8.0, 7.0, 6.0, 5.0, 4.0], 4.0, minutes=5.0, epochs=9)
    assert mt("report", copy_of_run).code == 0
    page = (copy_of_run / "report.html").read_text(encoding="utf-8")
    assert "A new training of 15:00, 10 minutes longer than this one, would reach" in page
    assert FIT in page


def test_the_fitted_curve_goes_through_the_validations_and_on_to_the_score_that_is_told():
    """Points as they are drawn; the curve and its end are those of the sentence in the report."""
    scores = [30 + 6 * math.log(step / 40) for step in (10, 20, 30, 40)]
    rows = [
        {"step": step, "valid/bleu": score, "valid/loss": 2.0}
        for step, score in zip((10, 20, 30, 40), scores, strict=True)
    ]
    longer = longer_training(rows, TrainState(step=40, minutes=30.0, is_finished=True))
    points = fitted_points(rows, longer)
    steps, *bounds = zip(*points, strict=True)
    assert steps[0] == pytest.approx(10)
    assert steps[-1] == pytest.approx(120)  # an hour more: three times as long
    for step, score in zip((10, 20, 30, 40), scores, strict=True):
        low, middle, high = (np.interp(step, steps, values) for values in bounds)
        assert low < score < high
        assert middle == pytest.approx(score, abs=0.6)
    _, _, middle, high = points[-1]
    assert f"about {middle:.1f} (30.0 to {high:.1f})" in str(longer)  # at least the best model so far
    assert fitted_points(rows, None)[-1][0] == pytest.approx(40)
    assert fitted_points(rows[:2], None) == []


@pytest.mark.parametrize(
    ("first", "losses"),
    [({"step": 0, "valid/bleu": 45.0, "valid/loss": 2.0}, [2.0] * 4), (None, [2.2, 2.0, 2.1, 2.15])],
)
def test_longer_training_is_not_thought_of_where_training_made_the_model_worse(first, losses):
    scores = zip((10, 20, 30, 40), (20, 26, 28, 29), losses, strict=True)
    rows = [{"step": step, "valid/bleu": score, "valid/loss": loss} for step, score, loss in scores]
    state = TrainState(step=40, minutes=30.0, is_finished=True)
    assert longer_training([row | {"valid/bleu": row["valid/bleu"] / 40} for row in rows], state) is None  # chance
    assert longer_training(rows, state) is None or first
    assert longer_training([first, *rows] if first else rows, state) is None
    damaged = [
        {"step": -1, "valid/bleu": 1.0, "valid/loss": 2.0},
        {"step": 5, "valid/bleu": math.nan, "valid/loss": 2.0},
    ]
    assert len(begun([*damaged, *rows])) == 4


def test_another_hour_that_would_not_help_is_named(mt, copy_of_run):
    end(copy_of_run, [28, 28.1, 28, 28.1], [2.0] * 4, 1.9, minutes=90.0)
    assert mt("report", copy_of_run).code == 0
    page = (copy_of_run / "report.html").read_text(encoding="utf-8")
    assert "Another hour of training would hardly help, if the curve goes on as it did. Next step: a larger" in page


@pytest.mark.parametrize(
    ("score", "minutes", "verdict"),
    [
        (22, 30, "was 6.0 lower: twice as much text would bring about 3.0 to 6.0 BLEU."),
        (22, 10, "was 6.0 lower, but after less training: train it as long as this run to see what text is worth."),
        (28.2, 30, "was no lower: more text of this kind would hardly help."),
    ],
)  # fmt: skip
def test_the_report_says_what_more_text_would_bring(mt, copy_of_run, tmp_path, score, minutes, verdict):
    half = tmp_path / "half"
    shutil.copytree(copy_of_run, half)
    config = half / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("fraction: 1.0", "fraction: 0.5"), encoding="utf-8")
    for run, best, time in ((copy_of_run, 28, 30.0), (half, score, minutes)):
        end(run, [0.8 * best, 0.92 * best, 0.97 * best, best], [2.1] * 4, 2.0, minutes=time)
    assert mt("report", copy_of_run, half).code == 0
    (page,) = copy_of_run.glob("report-*.html")
    text = page.read_text(encoding="utf-8")
    assert f"With 50% of the text (half), the validation BLEU {verdict}" in text
    told = "Next step: more text. It would bring more than another hour of training would." in text
    assert told == verdict.endswith("6.0 BLEU.")


@pytest.mark.parametrize(
    ("changes", "score"), [({"fraction: 1.0": "fraction: 0.9"}, 22), ({"d_ff: 128\n": "d_ff: 64\n"}, 22), ({}, 0.1)]
)
def test_runs_that_say_nothing_about_text_are_not_taken_for_its_worth(mt, copy_of_run, tmp_path, changes, score):
    half = tmp_path / "half"
    shutil.copytree(copy_of_run, half)
    config = (half / "config.yaml").read_text(encoding="utf-8")
    for old, new in ({"fraction: 1.0": "fraction: 0.5"} | changes).items():
        assert old in config
        config = config.replace(old, new)
    (half / "config.yaml").write_text(config, encoding="utf-8")
    for run, best in ((copy_of_run, 28), (half, score)):
        row = {"step": 20, "valid/bleu": best, "valid/chrf": best, "valid/loss": 2.1}
        (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    pair = [EvaluatedRun(RunLayout(run), run.name, load_run_config(RunLayout(run))) for run in (copy_of_run, half)]
    assert worth_of_text(pair) is None


def test_the_report_of_an_unfinished_training_says_so(mt, copy_of_run):
    (state,) = copy_of_run.glob("checkpoints/*/state.json")
    changed = json.loads(state.read_text()) | {"is_finished": False}
    state.write_text(json.dumps(changed))
    (state.parent / "SHA256SUMS").unlink()
    assert mt("report", copy_of_run).code == 0
    page = (copy_of_run / "report.html").read_text(encoding="utf-8")
    assert f"Training is not finished; its last checkpoint is that of step {changed['step']:,}." in page


def test_training_says_what_it_is_heading_for(mt, corpus, tmp_path):
    steps = ["training.max_steps=100", "training.valid_every_steps=10", "optim.lr=0.01", "optim.warmup_steps=5"]
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", *steps))
    lines = {int(line.split()[1].rstrip(",")): line for line in outcome.err.splitlines() if "validation loss" in line}
    assert all("heading for BLEU" in lines[step] for step in range(30, 91, 10))
    assert all("heading for BLEU" not in lines[step] for step in (10, 20, 100))
