"""Estimates of quality: what is learned, what is promised, and how commands and the server show it."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import overrides, toy_pairs
from fastapi.testclient import TestClient

from mt.commands.calibrate import calibrate_run
from mt.config.file import load_config
from mt.quality.calibration import PENALTIES, fit, ridge
from mt.quality.estimator import load_estimator
from mt.quality.features import FEATURES
from mt.quality.measures import area_under_roc
from mt.runs.layout import RunLayout
from mt.runtime.checksums import digest
from mt.serving.app import create_app
from mt.serving.batching import Batcher
from mt.serving.models import Models, Served
from mt.serving.service import Limits
from mt.translation.translator import Translator

LINES = [source for source, _ in toy_pairs(30, 5)]


def synthetic(n, seed=1):
    """Return features and chrF, of which a part follows from them."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, len(FEATURES)))
    reached = 50 + 12 * rows[:, 4] - 6 * rows[:, 9] + 8 * random.normal(size=n)
    return rows, reached.clip(0, 100)


@pytest.fixture(scope="module")
def calibrated(worse_run, tmp_path_factory):
    """A model with noise on its weights, calibrated with other sentences than it was trained on."""
    run = tmp_path_factory.mktemp("quality") / "run"
    shutil.copytree(worse_run, run)
    layout = RunLayout(run)
    calibrate_run(layout, load_config(layout.config), Translator.load(run, "cpu"), toy_pairs(400, 77))
    return run


def test_ridge_is_the_closed_form_and_its_penalty_that_of_leaving_one_out():
    rows, targets = synthetic(40)
    coefficients, intercept = ridge(rows, targets)

    def closed_form(x, y, penalty):
        centred = x - x.mean(0)
        found = np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (y - y.mean()))
        return found, y.mean() - x.mean(0) @ found

    fits = {penalty: closed_form(rows, targets, penalty) for penalty in PENALTIES}
    matching = [p for p, (found, _) in fits.items() if np.allclose(found, coefficients)]
    assert len(matching) == 1
    assert intercept == pytest.approx(fits[matching[0]][1])
    errors = {}
    for penalty in PENALTIES:
        # the decomposition keeps the mean and center of all rows, so the left-out row is predicted around them
        x, y = rows - rows.mean(0), targets - targets.mean()
        hat = x @ np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T) + 1 / len(x)
        errors[penalty] = np.mean(((y - hat @ y) / (1 - np.diag(hat))) ** 2)
    assert min(errors, key=errors.get) == matching[0]


def test_area_under_roc_counts_pairs():
    random = np.random.default_rng(3)
    estimates, is_bad = random.integers(0, 6, 50).astype(float), random.integers(0, 2, 50)
    pairs = [(a, b) for a in estimates[is_bad > 0] for b in estimates[is_bad == 0]]
    expected = np.mean([1.0 if bad < good else 0.5 if bad == good else 0.0 for bad, good in pairs])
    assert area_under_roc(estimates, is_bad) == pytest.approx(expected)
    assert np.isnan(area_under_roc(estimates, np.zeros(50)))


def test_estimates_follow_what_translations_reach():
    estimator = fit(*synthetic(1000), "", 5)
    rows, reached = synthetic(2000, seed=2)
    assert np.corrcoef(estimator.estimate(rows), reached)[0, 1] > 0.75  # 0.82 without the noise of the fit
    assert np.abs(estimator.estimate(rows) - reached).mean() < 10


@pytest.mark.parametrize(("slope", "share"), [(0.0, 0.79), (0.2, 0.7), (0.6, 0.4)])
def test_what_is_promised_holds_nine_times_of_ten(slope, share):
    """For estimates that say nothing, a little, or much: the share of good translations rises by `slope`."""
    estimator = fit(*synthetic(400), "", 5)
    random, broken, n_passed = np.random.default_rng(7), [], 0
    for _ in range(400):
        estimated = random.uniform(0, 100, 500)
        is_good = random.uniform(size=500) < share + slope * estimated / 100
        drawn = replace(estimator, estimated=estimated.tolist(), reached=(100.0 * is_good).tolist())
        threshold = drawn.threshold(0.8, 50)
        if np.isfinite(threshold):
            n_passed += 1
            broken.append(share + slope * (threshold + 100) / 200 < 0.8)  # the mean share of those above it
    assert sum(broken) <= 0.1 * 400
    assert n_passed > 200 or not slope  # and the promise is not kept by passing nothing


def test_a_text_of_another_kind_is_noticed():
    estimator = fit(*synthetic(1000), "", 5)
    rows, _ = synthetic(300, seed=4)
    assert not any(estimator.is_unlike(rows[:n].mean(0), n) for n in (1, 5, 50, 300))
    rows[:, 1] += 1.5
    assert estimator.is_unlike(rows[:50].mean(0), 50)
    assert estimator.is_unlike(rows.mean(0), 300)


def test_translations_with_their_quality(mt, calibrated):
    plain = mt("translate", calibrated, *LINES).out.splitlines()
    outcome = mt("translate", calibrated, *LINES, "--quality")
    assert outcome.code == 0, outcome.err
    texts, qualities = zip(*(line.split(" ||| ") for line in outcome.out.splitlines()), strict=True)
    assert list(texts) == plain
    assert all(0 <= int(quality) <= 100 for quality in qualities)
    assert len(set(qualities)) > 5
    rows = [json.loads(line) for line in mt("translate", calibrated, *LINES, "--quality", "--json").out.splitlines()]
    assert [f"{row['translations'][0]['quality']:.0f}" for row in rows] == list(qualities)
    assert all(len(row["translations"]) == 1 and "trusted" not in row["translations"][0] for row in rows)
    assert "quality" not in mt("translate", calibrated, LINES[0], "--json").out


def test_translations_to_be_read_are_marked(mt, calibrated):
    outcome = mt("translate", calibrated, *LINES, "", "--trust", "0.6:30")
    assert outcome.code == 0, outcome.err
    *lines, empty = outcome.out.splitlines()
    assert empty == ""
    marked = [(int(quality), mark) for _, quality, mark in (line.split(" ||| ") for line in lines)]
    passed, checked = ([q for q, mark in marked if mark == wanted] for wanted in ("pass", "check"))
    assert len(passed) + len(checked) == len(LINES)
    assert passed
    assert checked
    assert min(passed) >= max(checked)
    nothing = mt("translate", calibrated, LINES[0], "--trust", "0.999:100")
    assert "No line can be trusted" in nothing.err
    assert nothing.out.endswith("||| check\n")


def test_text_unlike_the_validation_text_is_reported(mt, calibrated):
    assert "unlike" not in mt("translate", calibrated, *LINES, "--quality").err
    strange = [" ".join(["ba 語文"] * 30)] * 20  # more unknown words than there are markers
    assert "The text is unlike the validation text" in mt("translate", calibrated, *strange, "--quality").err
    easy = mt("translate", calibrated, *LINES, *strange, "--trust", "0.1:1").out.splitlines()
    assert all(line.endswith("pass") for line in easy[: len(LINES)])
    assert all(line.endswith("check") for line in easy[len(LINES) :])


def test_a_promise_is_compared_with_a_test_set(mt, calibrated, tmp_path):
    for side, lines in zip(("aa", "bb"), zip(*toy_pairs(100, 3), strict=True), strict=True):
        (tmp_path / f"own.{side}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = ("evaluate", calibrated, "--test", f"own={tmp_path}/own", "--trust", "0.6:30")
    outcome = mt(*arguments)
    assert outcome.code == 0, outcome.err
    assert " of 100 lines pass; " in outcome.out
    data = json.loads(mt(*arguments, "--json").out)
    assert f"{data['passed']} of 100 lines pass; {data['share_good']:.1%} of them" in outcome.out
    assert 0.5 < data["area"] <= 1
    for name, text in (("one.aa", "ba de fi\n"), ("one.bb", "BA DE FI\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    alone = mt("evaluate", calibrated, "--test", f"one={tmp_path}/one", "--trust", "0.6:30").out
    assert "1 lines pass" in alone
    assert "nan" not in alone


def test_a_run_without_a_model_promises_nothing(mt, calibrated, tmp_path):
    shutil.copytree(calibrated, tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()
    outcome = mt("evaluate", tmp_path / "run", "--trust", "0.6:30")
    assert (outcome.code, "model.safetensors is missing" in outcome.err) == (2, True), outcome.err


def test_what_is_served_with_its_quality(calibrated, mt):
    layout = RunLayout(calibrated)
    estimator = load_estimator(layout.quality, digest(layout.weights))
    answers = []
    for known in (estimator, None):
        served = Served("toy", ["aa"], ["bb"], Batcher(Translator.load(calibrated, "cpu"), 100), estimator=known)
        with TestClient(create_app(Models([served]), Limits())) as client:
            answers.append(client.post("/v1/translate", json={"texts": [LINES[0]], "quality": True}))
    (translation,) = answers[0].json()["results"][0]["lines"][0]
    expected = json.loads(mt("translate", calibrated, LINES[0], "--quality", "--json").out)["translations"][0]
    assert (translation["text"], translation["quality"]) == (expected["text"], expected["quality"])
    assert answers[1].status_code == 422
    assert "has not been calibrated" in answers[1].json()["error"]


def test_training_calibrates_and_a_run_can_be_calibrated_later(mt, corpus, tmp_path):
    run = tmp_path / "run"
    settings = [one for one in overrides(corpus, f"run_dir={run}", "training.max_steps=2") if "data.valid" not in one]
    settings += [f"data.valid={corpus}/train", "data.test=null"]
    assert "was estimated with a mean error of" in mt(*settings).err
    first = (run / "quality.json").read_text()
    (run / "quality.json").unlink()
    assert mt(*settings).code == 0
    missing = mt("translate", run, "ba", "--quality")
    assert (missing.code, f"Run `mt calibrate {run}`" in missing.err) == (2, True)
    assert mt("calibrate", run).code == 0
    assert (run / "quality.json").read_text() == first


def test_another_search_than_the_calibrated_one_is_reported(mt, calibrated):
    assert "another search" not in mt("translate", calibrated, LINES[0], "--quality").err
    outcome = mt("translate", calibrated, LINES[0], "--quality", "--set", "search.length_penalty=0")
    assert "The quality was calibrated with another search" in outcome.err


def test_the_report_says_how_good_estimates_are(mt, calibrated):
    assert mt("report", calibrated).code == 0
    assert "other sentences of data.valid, by sentence chrF, was estimated" in (calibrated / "report.html").read_text()


@pytest.mark.parametrize("is_recorded", [True, False])
def test_estimates_that_cannot_be_used_are_not_published(mt, calibrated, tmp_path, is_recorded):
    """Estimates that are damaged, or, because their sum is not recorded, of other weights."""
    run = tmp_path / "run"
    shutil.copytree(calibrated, run)
    assert mt("card", run).code == 0
    assert "adds an estimate to each translation" in (run / "README.md").read_text(encoding="utf-8")
    assert "quality.json" in mt("push", run, "hub:we/toy", "--dry-run").err
    data = json.loads((run / "quality.json").read_text())
    (run / "quality.json").write_text(json.dumps(data | {"weights_digest": "0" * 64}))
    if not is_recorded:
        (run / "SHA256SUMS").unlink()
    outcome = mt("card", run)
    assert (outcome.code, "Estimates of quality are omitted." in outcome.err) == (0, True)
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "adds an estimate" not in card
    assert str(tmp_path) not in card
    listed = mt("push", run, "hub:we/toy", "--dry-run")
    assert listed.code == 0, listed.err
    assert not re.search(r"^\S+ +quality.json$", listed.err.replace(" B ", "B "), re.MULTILINE)


def test_too_little_validation_text(mt, copy_of_run):
    outcome = mt("calibrate", copy_of_run)
    assert (outcome.code, "needs 200 validation pairs or more; there are 40" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data | {"weights_digest": "0" * 64}, "was calibrated for other weights"),
        (lambda data: data | {"means": data["means"][1:]}, "is damaged, or of another version"),
        (lambda data: data | {"intercept": float("nan")}, "is damaged, or of another version"),
        (lambda data: data | {"names": ["other", *data["names"][1:]]}, "is damaged, or of another version"),
        (lambda data: data | {"intercept": 10**400}, "is damaged, or of another version"),
        (lambda data: data | {"intercept": True}, "is damaged, or of another version"),
        (lambda data: data | {"means": ["1.5"] * len(FEATURES)}, "is damaged, or of another version"),
        (lambda data: data | {"coefficients": [1e308] * len(FEATURES)}, "is damaged, or of another version"),
        (lambda data: data | {"deviations": [1e-308] * len(FEATURES)}, "is damaged, or of another version"),
        (lambda data: data | {"precision": [[-x for x in r] for r in data["precision"]]}, "is damaged, or of another"),
        (lambda data: data | {"estimated": [], "reached": []}, "is damaged, or of another version"),
        (lambda data: data | {"n_best": 10**9}, "is damaged, or of another version"),
        (lambda data: data | {"precision": "x"}, "is damaged, or of another version"),
        (lambda data: [data], "is damaged, or of another version"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(mt, calibrated, tmp_path, change, message):
    run = tmp_path / "run"
    shutil.copytree(calibrated, run)
    path = run / "quality.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    assert "quality.json is damaged" in mt("translate", run, "ba", "--quality").err  # by its sum
    (run / "SHA256SUMS").unlink()
    outcome = mt("translate", run, "ba", "--quality")
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert mt("translate", run, "ba").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--quality", "--prefix", "x"], "--quality and --trust are for plain lines of one run"),
        (["--quality", "--n-best", "2"], "--quality and --trust are for plain lines of one run"),
        (["--quality", "--beam-size", "1"], "calibrated with 5 hypotheses: search.beam_size=1 is too few"),
        (["--trust", "1.5"], "the share must be between 0 and 1"),
        (["--trust", "much"], "must be a share"),
    ],
)
def test_impossible_estimates_are_refused(mt, calibrated, arguments, message):
    outcome = mt("translate", calibrated, "ba", *arguments)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
