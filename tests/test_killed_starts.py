"""A start that is killed between two writes, at instants that random kills seldom meet (`test_faults.py`)."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import overrides, toy_pairs, write_pairs

from mt.commands import final_scores
from mt.commands import train as command
from mt.config.training import EarlyStoppingConfig, TrainingConfig
from mt.data import held_out
from mt.runs.layout import RunLayout
from mt.training.pruning import is_hopeless
from mt.training.trainer import Trainer

LIMITS = ["training.valid_every_steps=2", "training.log_every_steps=1"]


def rows(run):
    """Return the curves without speeds."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.startswith("speed/")} for line in lines]


@pytest.fixture
def train(corpus, tmp_path, mt):
    """Train in one run folder with these overrides, and return the outcome."""
    return lambda *extra, folder="run": mt(*overrides(corpus, f"run_dir={tmp_path}/{folder}", *LIMITS, *extra))


@pytest.fixture
def kill(monkeypatch):
    """Make a function raise as if the process were killed at its n-th call, and work at all others."""

    def patch(owner, name, call=1):
        function, n_calls = getattr(owner, name), [0]

        def killed(*args, **kwargs):
            n_calls[0] += 1
            if n_calls[0] == call:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, killed)

    return patch


def test_final_scores_are_written_once(train, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "finish", lambda self: None)
    for _ in range(2):
        assert train("training.max_steps=2").code == 0
    assert len([row for row in rows(tmp_path / "run") if "test/test_bleu" in row]) == 1
    assert len({row["step"] for row in rows(tmp_path / "run")}) == 2


def test_scores_are_kept_when_the_estimates_of_quality_are_interrupted(train, tmp_path, kill):
    kill(final_scores, "calibrate_if_possible")
    outcome = train("training.max_steps=2")
    assert outcome.code == 130
    assert f"The model in {tmp_path}/run is complete" in outcome.err
    scored = [row for row in rows(tmp_path / "run") if "test/test_bleu" in row]
    assert len(scored) == 1
    assert train("training.max_steps=2").code == 0
    assert [row for row in rows(tmp_path / "run") if "test/test_bleu" in row] == scored


@pytest.mark.parametrize(
    ("n_saved", "settings"),
    [
        # the model to start from is validated before the first step
        (0, ["training.max_steps=2", "training.init_from={base}"]),
        (1, ["training.max_steps=3", "training.checkpoint_every_steps=3", "training.log_every_steps=2"]),
    ],
)
def test_curves_before_a_checkpoint_are_as_they_were(train, tmp_path, kill, n_saved, settings):
    base = tmp_path / "base"
    assert train("training.max_steps=2", folder="base").code == 0
    settings = ["training.valid_every_steps=4", *(one.format(base=base) for one in settings)]
    assert train(*settings, folder="whole").code == 0
    kill(Trainer, "save", n_saved + 1)
    assert train(*settings).code == 130
    assert rows(tmp_path / "run")
    assert train(*settings).code == 0
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def test_curves_are_on_the_disk_before_a_checkpoint(train, monkeypatch):
    """A power cut may take what was written later."""
    synced, fsync = [], os.fsync

    def record(descriptor):
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    assert train("training.max_steps=2").code == 0
    checkpoint = synced.index("state.json")
    assert "metrics.jsonl" in synced[:checkpoint]
    assert any(name.startswith("events.out.tfevents") for name in synced[:checkpoint])


def test_checkpoints_that_were_about_to_be_deleted_are(train, tmp_path, monkeypatch):
    checkpoints = tmp_path / "run" / "checkpoints"
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "finish", lambda self: None)
        assert train("training.max_steps=4").code == 0
        shutil.copytree(checkpoints / "step-000000004", checkpoints / "step-000000002")
    assert train("training.max_steps=4").code == 0
    assert [path.name for path in checkpoints.iterdir()] == ["step-000000004"]


@pytest.mark.parametrize("prepares", [False, True])
def test_new_test_sets_are_scored_after_all(train, corpus, mt, tmp_path, kill, prepares):
    """The configuration with the new test sets is written before they are scored."""
    assert train("training.max_steps=2").code == 0
    more = ["training.max_steps=2", f"data.test={{more: {corpus}/valid}}"]
    if prepares:
        assert mt("prepare", *overrides(corpus, f"run_dir={tmp_path}/run", *LIMITS, *more)[1:]).code == 0
    else:
        kill(command, "score_final_model")
        assert train(*more).code == 130
    outcome = train(*more)
    assert (outcome.code, "is finished" in outcome.err) == (0, False)
    assert (tmp_path / "run" / "translations" / "more.bb").exists()
    assert "is finished" in train(*more).err


def test_the_first_file_may_be_missing(train, tmp_path):
    """The sum of the configuration is written before it."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "SHA256SUMS").write_text(f"{'0' * 64}  own.txt\n")
    outcome = train("training.max_steps=1")
    assert (outcome.code, "neither empty nor a run folder" in outcome.err) == (2, True)
    (run / "SHA256SUMS").write_text(f"{'0' * 64}  config.yaml\n")
    outcome = train("training.max_steps=1")
    assert outcome.code == 0, outcome.err


def test_held_out_pairs_are_written_all_or_none(train, tmp_path, kill):
    """Pairs that are chosen again could be pairs that the model to start from was trained on."""
    common = ["training.max_steps=1", "data.valid=30", "data.test={test: 20}"]
    assert train(*common, folder="base").code == 0
    start = [*common, f"training.init_from={tmp_path}/base", "seed=2"]
    kill(held_out, "write_text", 3)
    assert train(*start).code == 130
    assert train(*start).code == 0
    base, run = (
        {path.name: path.read_text() for path in (tmp_path / name / "held_out").iterdir()} for name in ("base", "run")
    )
    assert run == base


@pytest.fixture
def changing_corpus(tmp_path):
    write_pairs(tmp_path / "train", toy_pairs(300, 1))
    write_pairs(tmp_path / "valid", toy_pairs(20, 2))
    return tmp_path


def test_changed_text_is_accepted_once(changing_corpus, mt, kill, tmp_path):
    """The next epoch begins with the new text, not the one after."""
    runs = [tmp_path / "whole", tmp_path / "killed"]
    for run in runs:
        assert mt(*overrides(changing_corpus, f"run_dir={run}", *LIMITS, "training.max_steps=4")).code == 0
    write_pairs(changing_corpus / "train", toy_pairs(300, 3))
    more = [*LIMITS, "training.max_steps=6", "data.accept_changes=true"]
    assert mt(*overrides(changing_corpus, f"run_dir={runs[0]}", *more)).code == 0
    kill(command, "start_run_folder")
    assert mt(*overrides(changing_corpus, f"run_dir={runs[1]}", *more)).code == 130
    assert mt(*overrides(changing_corpus, f"run_dir={runs[1]}", *more)).code == 0
    assert rows(runs[1]) == rows(runs[0])


def test_preparation_does_not_hide_that_text_has_changed(changing_corpus, mt, tmp_path):
    arguments = overrides(changing_corpus, f"run_dir={tmp_path}/run", *LIMITS, "training.max_steps=2")
    assert mt(*arguments).code == 0
    write_pairs(changing_corpus / "train", toy_pairs(300, 3))
    outcome = mt("prepare", *arguments[1:])
    assert (outcome.code, "The text of data.train has changed" in outcome.err) == (2, True)


def test_jobs_that_are_validated_later_say_nothing_about_a_job(tmp_path):
    """Automatic intervals of validations may differ between the jobs of a sweep."""
    for number, step in enumerate([2, 4, 4, 4, 4]):
        job = RunLayout(tmp_path / str(number))
        job.folder.mkdir()
        row = {"step": step, "valid/loss": 1.0, "valid/bleu": 10.0 * number, "valid/chrf": 1.0}
        job.metrics.write_text(json.dumps(row) + "\n")
    config = TrainingConfig(valid_every_steps=2, early_stopping=EarlyStoppingConfig(prune_after=1))
    assert not is_hopeless(tmp_path / "0", config, step=2)
    assert is_hopeless(tmp_path / "1", config, step=4)
