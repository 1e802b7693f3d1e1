"""Rerunning the command of a run: what is resumed, what is finished, and what would damage the model."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from conftest import overrides, slow_except, toy_pairs, write_pairs
from safetensors.torch import load_file

from mt.data import store
from mt.runtime.locks import locked
from mt.runtime.signals import Interrupted, StopSignals
from mt.training.validator import Validator

LIMITS = ["training.valid_every_steps=2", "training.log_every_steps=1"]


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def train(corpus, tmp_path, mt):
    """Train in one run folder with these overrides, and return the outcome."""
    return lambda *extra, folder="run": mt(*overrides(corpus, f"run_dir={tmp_path}/{folder}", *LIMITS, *extra))


def contents(run):
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_training_ends_when_the_time_is_up_after_a_validation(train, monkeypatch):
    """Not with one more step and another validation."""
    clock, validate = [0.0], Validator.validate

    def slow(self, check):
        clock[0] += 120
        return validate(self, check)

    monkeypatch.setattr("mt.training.session.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(Validator, "validate", slow)
    outcome = train("training.max_minutes=1", "training.max_steps=20")
    assert "Training ends at step 2: training.max_minutes=1 is reached." in outcome.err
    assert outcome.err.count("validation loss") == 1


@pytest.mark.parametrize("limit", ["training.max_steps=4", "training.max_steps=3"])
def test_a_finished_run_has_nothing_to_do(train, tmp_path, limit):
    assert train("training.max_steps=4").code == 0
    before = contents(tmp_path / "run")
    outcome = train(limit)
    assert (outcome.code, outcome.out) == (0, "")
    assert f"is finished at step 4: {limit} is reached" in outcome.err
    assert "validation" not in outcome.err
    assert contents(tmp_path / "run") == before


def test_new_test_sets_are_scored_without_training(train, corpus, tmp_path):
    assert train("training.max_steps=4").code == 0
    outcome = train("training.max_steps=4", f"data.test={{more: {corpus}/valid}}")
    assert outcome.code == 0, outcome.err
    assert "more" in outcome.err
    assert (tmp_path / "run" / "translations" / "more.bb").exists()
    assert len([row for row in rows(tmp_path / "run") if "train/loss" in row]) == 4
    assert "is finished" in train("training.max_steps=4", f"data.test={{more: {corpus}/valid}}").err


def test_a_higher_limit_trains_on_exactly(train, tmp_path):
    """Under a schedule without an end, 4 and then 4 more steps are 8 steps."""
    assert train("training.max_steps=4").code == 0
    assert train("training.max_steps=8").code == 0
    parts = load_file(tmp_path / "run" / "checkpoints" / "step-000000008" / "model.safetensors")
    shutil.rmtree(tmp_path / "run")
    assert train("training.max_steps=8").code == 0
    whole = load_file(tmp_path / "run" / "checkpoints" / "step-000000008" / "model.safetensors")
    assert all(parts[name].equal(whole[name]) for name in whole)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_end_of_a_schedule_that_is_reached_stays(train, tmp_path, schedule):
    settings = [f"optim.schedule={schedule}", "optim.warmup_steps=1"]
    assert train(*settings, "training.max_steps=4").code == 0
    before = contents(tmp_path / "run")
    outcome = train(*settings, "training.max_steps=8")
    assert outcome.code == 2
    assert "would jump to 0.000" in outcome.err
    assert f"training.init_from={tmp_path}/run" in outcome.err
    assert contents(tmp_path / "run") == before


def test_a_warning_if_the_schedule_changes_on_the_way(train, tmp_path):
    """Early stopping ends training on the way: with the old end it goes on as before, with another it warns."""
    settings = ["optim.schedule=linear", "optim.warmup_steps=1", "optim.lr=1e-9", "training.valid_every_steps=1"]
    outcome = train(*settings, "training.max_steps=101", "training.early_stopping.patience=1", "optim.lr=1e-12")
    assert "has not improved" in outcome.err
    step = rows(tmp_path / "run")[-1]["step"]
    more = ["training.early_stopping.patience=0", "optim.lr=1e-12"]
    outcome = train(*settings, f"training.max_steps={step + 2}", *more)
    assert outcome.code == 0, outcome.err
    assert f"changes from {1e-12 * (101 - step - 1) / 100:.2g} to" in outcome.err
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["training"]["max_steps"] == step + 2


def test_fine_tuning_keeps_the_start_if_nothing_is_better(run_folder, corpus, tmp_path, mt):
    outcome = mt(
        *overrides(corpus, f"run_dir={tmp_path}/tuned", "training.max_steps=2", f"training.init_from={run_folder}",
                   "optim.lr=0.5", "optim.warmup_steps=0", "model.d_model=64", "model.d_ff=128")
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "step 0, epoch 0.0" in outcome.err
    assert "The best model is that of step 0." in outcome.err
    kept, start = (load_file(folder / "model.safetensors") for folder in (tmp_path / "tuned", run_folder))
    assert all(kept[name].equal(start[name]) for name in start)


def test_models_are_compared_by_their_loss_until_bleu_means_something(train, tmp_path):
    outcome = train("training.max_steps=6", "optim.lr=0.002", "optim.warmup_steps=1")
    assert outcome.code == 0, outcome.err
    validations = [row for row in rows(tmp_path / "run") if "valid/loss" in row]
    assert all(row["valid/bleu"] < 1 for row in validations)
    best = min(validations, key=lambda row: row["valid/loss"])
    assert f"The best model is that of step {best['step']}." in outcome.err
    assert best["step"] > 2


def test_fine_tuning_takes_the_shape_of_the_model_it_starts_from(run_folder, corpus, tmp_path, mt):
    """Only what is to be different is given; the same command resumes when the first run is gone."""
    shutil.copytree(run_folder, tmp_path / "first")
    tune = [
        "train", "data=files", "data.src_lang=aa", "data.tgt_lang=bb", f"data.train={corpus}/train",
        f"data.valid={corpus}/valid", f"training.init_from={tmp_path}/first", "training.max_tokens=600",
        "training.device=cpu", "training.precision=float32", f"run_dir={tmp_path}/tuned",
    ]  # fmt: skip
    outcome = mt(*tune, "training.max_steps=1")
    assert outcome.code == 0, outcome.err
    config = yaml.safe_load((tmp_path / "tuned" / "config.yaml").read_text())
    assert (config["model"]["d_model"], config["model"]["d_ff"], config["tokenizer"]["vocab_size"]) == (64, 128, 320)
    assert "times as long" not in outcome.err
    shutil.rmtree(tmp_path / "first")
    outcome = mt(*tune, "training.max_steps=2")
    assert outcome.code == 0, outcome.err
    assert "Resuming from step 1." in outcome.err


def test_fine_tuning_on_other_text_holds_out_its_own(run_folder, corpus, tmp_path, mt):
    """Only a run on the same text takes over what the run that it starts from has held out."""
    common = ["training.max_steps=2", "model.d_model=64", "model.d_ff=128", "data.valid=30", "data.test=null"]
    write_pairs(tmp_path / "other", toy_pairs(100, 50))

    def tune(name, *extra):
        outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/{name}", *common, *extra))
        assert outcome.code == 0, outcome.err
        return (tmp_path / name / "held_out" / "valid.aa").read_text(), outcome.err

    first, _ = tune("first", f"training.init_from={run_folder}")
    same, _ = tune("same", f"training.init_from={tmp_path}/first", "seed=2")
    other, _ = tune("other_text", f"training.init_from={tmp_path}/first", f"data.train={tmp_path}/other")
    assert same == first
    assert set(other.splitlines()) <= {src for src, _ in toy_pairs(100, 50)}


def test_a_vocabulary_that_does_not_fit_the_new_text_is_reported(run_folder, tmp_path, mt):
    tune = ["data=demo", f"training.init_from={run_folder}", "training.device=cpu", f"run_dir={tmp_path}/tuned"]
    outcome = mt("prepare", *tune)
    assert outcome.code == 0, outcome.err
    assert re.search(r"the sources are \d\.\d times as long as with one of their own", outcome.err)
    assert "training.new_vocab=true" in outcome.err


def test_a_checkpoint_that_was_about_to_be_replaced_is_put_back(train, tmp_path):
    """A kill came between the two renames: there is only the old folder, under another name, and the new one."""
    assert train("training.max_steps=4").code == 0
    checkpoint = tmp_path / "run" / "checkpoints" / "step-000000004"
    checkpoint.rename(checkpoint.with_name(".step-000000004.replaced"))
    (checkpoint.parent / ".step-000000004.77.tmp").mkdir()
    outcome = train("training.max_steps=8")
    assert outcome.code == 0, outcome.err
    assert "Resuming from step 4" in outcome.err
    assert [path.name for path in checkpoint.parent.iterdir()] == ["step-000000008"]


def test_a_copy_of_a_checkpoint_is_left_alone(train, tmp_path):
    assert train("training.max_steps=4").code == 0
    checkpoints = tmp_path / "run" / "checkpoints"
    shutil.copytree(checkpoints / "step-000000004", checkpoints / "step-old")
    assert train("training.max_steps=8").code == 0
    assert sorted(path.name for path in checkpoints.iterdir()) == ["step-000000008", "step-old"]


def test_two_trainings_do_not_share_a_folder(train, corpus, tmp_path):
    with locked(tmp_path / "free", "x"):
        assert train("training.max_steps=2").code == 0
    before = contents(tmp_path / "run")
    with locked(tmp_path / "run" / ".lock", "x"):
        outcome = train("training.max_steps=4")
        assert outcome.code == 2
        assert f"run is in use by process {os.getpid()} on {socket.gethostname()}" in outcome.err
    assert contents(tmp_path / "run") == before
    assert train("training.max_steps=4").code == 0


def test_a_dead_process_holds_no_lock(train, tmp_path):
    (tmp_path / "run").mkdir()
    lock = f"locked(Path({str(tmp_path)!r}, 'run', '.lock'), '')"
    code = f"import time; from pathlib import Path; from mt.runtime.locks import locked; lock = {lock}; "
    code += "lock.__enter__(); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        assert f"process {process.pid}" in train("training.max_steps=2").err
        process.kill()
    assert (tmp_path / "run" / ".lock").exists()
    assert train("training.max_steps=2").code == 0
    assert not (tmp_path / "run" / ".lock").exists()


def test_a_training_that_cannot_start_leaves_no_folder(mt, corpus, tmp_path):
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/run", "data.valid=nowhere")).code == 2
    assert not (tmp_path / "run").exists()


def test_two_translations_do_not_share_a_file(mt, run_folder, tmp_path):
    (tmp_path / "in").write_text("ba de\n")
    command = ["translate", run_folder, "--input", tmp_path / "in", "--output", tmp_path / "out"]
    with locked(tmp_path / ".out.lock", "x"):
        outcome = mt(*command)
        assert (outcome.code, f"in use by process {os.getpid()}" in outcome.err) == (2, True)
    assert mt(*command).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize("damage", slow_except("cut", ["delete", "cut", "fill"]))
def test_a_damaged_part_of_the_encoded_text_is_encoded_again(mt, corpus, tmp_path, monkeypatch, damage):
    monkeypatch.setattr(store, "PAIRS_PER_PART", 200)
    cache = tmp_path / "cache"
    arguments = overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=1", f"data.cache_dir={cache}")
    assert mt(*arguments).code == 0
    before = contents(cache)
    (part,) = [path for path in before if path.name == "part-000001.arrow" and len(before[path]) > 1000]
    if damage == "delete":
        part.unlink()
    else:
        part.write_bytes(before[part][:500] if damage == "cut" else b"x" * 500)
    shutil.rmtree(tmp_path / "run")
    outcome = mt(*arguments)
    assert outcome.code == 0, outcome.err
    assert "Training data: 800 pairs" in outcome.err
    assert contents(cache) == before


@pytest.fixture
def own_corpus(tmp_path):
    write_pairs(tmp_path / "train", toy_pairs(300, 1))
    write_pairs(tmp_path / "valid", toy_pairs(20, 2))
    return tmp_path


@pytest.mark.parametrize(
    ("part", "count"), slow_except(("train", 40), [("train", 300), ("train", 40), ("valid", 20), ("valid", 1)])
)
def test_text_that_changed_is_noticed(mt, own_corpus, part, count):
    steps = [*LIMITS, "training.average_best=2"]
    run = own_corpus / "run"
    assert mt(*overrides(own_corpus, f"run_dir={run}", "training.max_steps=8", *steps)).code == 0
    write_pairs(own_corpus / part, toy_pairs(count, 77))
    before = contents(run)
    more = overrides(own_corpus, f"run_dir={run}", "training.max_steps=16", *steps)
    outcome = mt(*more)
    assert (outcome.code, f"The text of data.{part} has changed" in outcome.err) == (2, True)
    assert contents(run) == before
    accepted = mt(*more, "data.accept_changes=true")
    assert accepted.code == 0, accepted.err
    assert "Resuming from step 8" in accepted.err
    assert ("on the new validation text: validation loss " in accepted.err) == (part == "valid")
    assert mt(*overrides(own_corpus, f"run_dir={run}", "training.max_steps=18", *steps)).code == 0  # it is recorded


def test_the_best_model_is_kept_when_the_validation_text_changes(mt, own_corpus):
    """It is scored on the new text, even if training does not go on."""
    arguments = overrides(own_corpus, f"run_dir={own_corpus}/run", "training.max_steps=4", *LIMITS[1:])
    assert mt(*arguments, "training.valid_every_steps=4").code == 0
    best = (own_corpus / "run" / "model.safetensors").read_bytes()
    write_pairs(own_corpus / "valid", toy_pairs(30, 77))
    more = ["training.valid_every_steps=100", "data.accept_changes=true", f"data.test={{new: {own_corpus}/valid}}"]
    outcome = mt(*arguments, *more)
    assert outcome.code == 0, outcome.err
    found = re.search(r"The best model so far, that of step 4, on the new .*: validation loss ([\d.]+)", outcome.err)
    state = json.loads((own_corpus / "run/checkpoints/step-000000004/state.json").read_text(encoding="utf-8"))
    assert state["best_score"] == pytest.approx(-float(found[1]), abs=1e-3)  # of a model with a BLEU below 1
    assert (own_corpus / "run" / "model.safetensors").read_bytes() == best


def test_the_model_to_start_from_is_kept_when_the_validation_text_changes(mt, own_corpus, run_folder, monkeypatch):
    """It was the best, of step 0, when training was interrupted."""
    size = ["model.d_model=64", "model.d_ff=128", "optim.lr=1e-9", "training.valid_every_steps=100"]
    arguments = overrides(own_corpus, f"run_dir={own_corpus}/run", f"training.init_from={run_folder}", *size)

    def interrupt(self):
        raise Interrupted(signal.SIGTERM)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(StopSignals, "check_agreed", interrupt)
        assert mt(*arguments, "training.max_steps=4").code == 143
    write_pairs(own_corpus / "valid", toy_pairs(30, 77))
    outcome = mt(*arguments, "training.max_steps=4", "data.accept_changes=true")
    assert outcome.code == 0, outcome.err
    assert "The best model so far, that of step 0, on the new validation text: validation loss " in outcome.err


def test_a_damaged_record_of_the_text_says_nothing(train, tmp_path):
    assert train("training.max_steps=2").code == 0
    config = (tmp_path / "run" / "config.yaml").read_text()
    (tmp_path / "run" / "config.yaml").write_text(config[: config.index("record:")] + "record: [1]")
    rows_before = (tmp_path / "run" / "metrics.jsonl").read_text()
    (tmp_path / "run" / "metrics.jsonl").write_text('{"step": 1, "valid/loss": 1.0}\n' + rows_before)
    outcome = train("training.max_steps=8")
    assert outcome.code == 0, outcome.err


@pytest.fixture
def train_in_two_parts(train, tmp_path, monkeypatch):
    """Train with these overrides, once as a whole and once interrupted after step 6; return the rows of both."""

    def train_twice(*settings):
        assert train(*settings, folder="whole").code == 0
        check, n_calls = StopSignals.check_agreed, [0]

        def interrupt(self):
            n_calls[0] += 1
            if n_calls[0] == 6:
                raise Interrupted(signal.SIGTERM)
            check(self)

        monkeypatch.setattr(StopSignals, "check_agreed", interrupt)
        assert train(*settings).code == 143
        assert (tmp_path / "run" / "checkpoints" / "step-000000006").is_dir()
        assert train(*settings).code == 0
        return [
            [{name: value for name, value in row.items() if not name.startswith("speed/")} for row in rows(folder)]
            for folder in (tmp_path / "whole", tmp_path / "run")
        ]

    return train_twice


def test_a_restart_between_two_rows_changes_no_curve(train_in_two_parts):
    """A row is the mean over 4 steps."""
    whole, run = train_in_two_parts(
        "training.log_every_steps=4", "training.max_steps=10", "training.valid_every_steps=10"
    )
    assert run == whole
    assert sum("train/loss" in row for row in run) == 3


@pytest.mark.parametrize("more", [[], ["training.max_minutes=600"]])
def test_a_schedule_by_epochs_ends_with_them(train, train_in_two_parts, more):
    settings = ["optim.schedule=null", "optim.warmup_steps=null", "training.max_epochs=2", *more]
    whole, run = train_in_two_parts(*settings)
    rates = [row["train/learning_rate"] for row in whole if "train/learning_rate" in row]
    assert 0 < rates[-1] < 0.05 * max(rates)  # the last step, with which the epochs end, still learns
    if not more:  # time never passes twice alike
        assert run == whole
    again = train(*settings)
    assert (again.code, "is finished" in again.err) == (0, True), again.err


def test_a_damaged_or_missing_model_is_noticed(train, tmp_path):
    assert train("training.max_steps=2").code == 0
    model = tmp_path / "run" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    assert "model.safetensors is damaged" in train("training.max_steps=2").err
    model.unlink()
    outcome = train("training.max_steps=4")
    assert outcome.code == 2
    assert "It is the best model so far: restore it" in outcome.err
