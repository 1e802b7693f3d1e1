"""What a damaged disk, a bad batch or too little memory does to a run: it is named, and nothing is lost."""

import json
import os
import random
import shutil
import subprocess
from math import isfinite
from pathlib import Path

import pytest
from conftest import overrides, slow_except
from safetensors.torch import load_file

from mt.runtime.checksums import check_sum, replacing_recorded
from mt.training.objective import Objective

EVERY = ["training.checkpoint_every_steps=2", "training.keep_checkpoints=3", "training.log_every_steps=1"]


@pytest.fixture
def train(corpus, tmp_path, mt):
    """Train without dropout in `run`, or another folder, with these overrides, and return the outcome."""

    def run(*extra, folder="run"):
        return mt(*overrides(corpus, f"run_dir={tmp_path}/{folder}", *EVERY, "model.dropout=0.0", *extra))

    return run


def weights(run, step):
    return load_file(run / "checkpoints" / f"step-{step:09}" / "model.safetensors")


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << place % 8
    path.write_bytes(content)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.model", "config.yaml"])
def test_a_flipped_bit_is_found(copy_of_run, mt, file):
    path = copy_of_run / file
    sound, r = path.read_bytes(), random.Random(1)
    for place in [0, len(sound) - 1, *r.sample(range(len(sound)), 8)]:
        flip(path, place)
        outcome = mt("translate", copy_of_run, "ba")
        assert file in outcome.err, place
        assert "damaged" in outcome.err or outcome.code == 2, place
        assert outcome.code == 2 or file == "config.yaml", place  # a user may edit that: a warning
        assert "Traceback" not in outcome.err
        path.write_bytes(sound)
    assert mt("translate", copy_of_run, "ba").err == ""


@pytest.mark.parametrize("file", slow_except("metrics.jsonl", ["metrics.jsonl", "train.log"]))
def test_a_flipped_bit_in_a_file_that_grows_is_found(train, tmp_path, mt, file):
    run = tmp_path / "run"
    assert train("training.max_steps=2").code == 0
    sound, place = (run / file).read_bytes(), 5
    assert "has changed" not in mt("report", run).err
    flip(run / file, place)
    assert f"{file} has changed since mt wrote it" in mt("report", run).err
    (run / file).write_bytes(sound)
    resumed = train("training.max_steps=4")  # the file grows, and has another sum
    assert resumed.code == 0
    assert "has changed" not in resumed.err + mt("report", run).err


@pytest.mark.parametrize(
    ("file", "code"),
    slow_except(
        "tokenizer.model",
        [("tokenizer.model", 2), ("held_out/valid.bb", 2), ("metrics.jsonl", 0), ("train.log", 0), ("config.yaml", 0)],
    ),
)
def test_damage_to_a_finished_run_is_named(corpus, tmp_path, mt, file, code):
    run = tmp_path / "run"
    arguments = overrides(corpus, f"run_dir={run}", *EVERY, "training.max_steps=2")
    arguments = [*(one for one in arguments if not one.startswith("data.valid=")), "data.valid=20"]
    assert mt(*arguments).code == 0
    assert mt(*arguments).err.count("There is nothing to do") == 1
    with (run / file).open("ab") as damaged:
        damaged.write(b"\n")
    outcome = mt(*arguments)
    assert outcome.code == code
    assert f"{run / file} {'is damaged' if code else 'has changed'}" in outcome.err


def test_held_out_pairs_and_translations_have_sums(corpus, tmp_path, mt):
    run = tmp_path / "run"
    kept = [
        one for one in overrides(corpus, f"run_dir={run}", *EVERY) if not one.startswith(("data.valid", "data.test"))
    ]
    kept += ["data.valid=20", "data.test={held: 10}", "training.max_steps=2"]
    assert mt(*kept).code == 0
    for folder in (run / "held_out", run / "translations"):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    flip(run / "held_out" / "test.held.bb", 0)
    outcome = mt("evaluate", run)
    assert outcome.code == 2
    assert "test.held.bb is damaged" in outcome.err
    outcome = mt(*kept, "training.max_steps=4")  # its training text is what is left without these pairs
    assert outcome.code == 2
    assert "test.held.bb is damaged" in outcome.err


def test_a_test_set_is_scored_where_the_sums_of_translations_are_damaged(copy_of_run, mt):
    (copy_of_run / "translations" / "SHA256SUMS").write_text("?\n", encoding="utf-8")
    outcome = mt("evaluate", copy_of_run)
    assert outcome.code == 0
    assert "translations could not be saved" in outcome.err


def test_what_happens_before_a_training_is_in_its_log(train, tmp_path):
    run = tmp_path / "run"
    assert train("training.max_steps=4").code == 0
    flip(run / "checkpoints" / "step-000000004" / "state.json", 0)
    with (run / "config.yaml").open("a", encoding="utf-8") as file:
        file.write("# a note\n")
    outcome = train("training.max_steps=6")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("config.yaml has changed") == 1
    log = (run / "train.log").read_text(encoding="utf-8")
    assert f"Training resumes from {run}/checkpoints/step-000000002" in log
    assert f"WARNING {run}/config.yaml has changed" in log
    assert log.count("Training ends at step 4") == 1
    flip(run / "checkpoints" / "step-000000006" / "state.json", 0)
    assert train("training.max_steps=8", "model.d_ff=32").code == 2  # why a start fails is in the log, too
    log = (run / "train.log").read_text(encoding="utf-8")
    assert f"Training resumes from {run}/checkpoints/step-000000004" in log
    assert f"ERROR {run} holds a run with a different configuration" in log


def test_the_sums_are_those_of_sha256sum(train, tmp_path):
    assert train("training.max_steps=4", "training.average_best=2").code == 0
    for sums in (tmp_path / "run").rglob("SHA256SUMS"):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", sums.name], cwd=sums.parent, check=True)
    recorded = (tmp_path / "run" / "SHA256SUMS").read_text()
    for name in ("config.yaml", "model.safetensors", "tokenizer.model"):
        assert f"  {name}\n" in recorded


def test_a_file_is_sound_at_every_moment_of_its_replacement(tmp_path, monkeypatch):
    path = tmp_path / "file"
    with replacing_recorded(path) as temporary:
        temporary.write_text("old")
    rename = Path.rename

    def die(source, target):
        check_sum(path)
        rename(source, target)
        check_sum(path)
        if target == path:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", die)
    with pytest.raises(KeyboardInterrupt), replacing_recorded(path) as temporary:
        temporary.write_text("new")
    check_sum(path)
    assert path.read_text() == "new"


@pytest.mark.parametrize(
    "file", slow_except("state.json", ["state.json", "optimizer.safetensors", "model.safetensors", "SHA256SUMS"])
)
def test_training_goes_on_from_the_newest_sound_checkpoint(train, tmp_path, file):
    run = tmp_path / "run"
    assert train("training.max_steps=6").code == 0
    path = run / "checkpoints" / "step-000000006" / file
    flip(path, path.stat().st_size // 2)
    outcome = train("training.max_steps=8")
    assert outcome.code == 0, outcome.err
    assert file in outcome.err
    assert f"Training resumes from {run}/checkpoints/step-000000004" in outcome.err
    assert "Resuming from step 4" in outcome.err
    assert (run / "checkpoints" / "damaged-step-000000006").is_dir()
    assert train("training.max_steps=8", folder="whole").code == 0
    whole, resumed = weights(tmp_path / "whole", 8), weights(run, 8)
    assert all(resumed[name].equal(whole[name]) for name in whole)
    assert [row["train/loss"] for row in rows(run) if "train/loss" in row] == [
        row["train/loss"] for row in rows(tmp_path / "whole") if "train/loss" in row
    ]


def test_a_damaged_file_is_not_passed_on(train, mt, tmp_path):
    assert train("training.max_steps=4").code == 0
    flip(tmp_path / "run" / "tokenizer.model", 100)
    outcome = mt("average", tmp_path / "run", "--last", "2", "-o", tmp_path / "mean")
    assert outcome.code == 2
    assert "tokenizer.model is damaged" in outcome.err
    assert not (tmp_path / "mean").exists()


@pytest.fixture
def bad_steps(monkeypatch):
    """Make the loss NaN at the steps of this set, counted from 1."""
    steps, forward, n_calls = set(), Objective.forward, [0]

    def spoiled(self, batch):
        loss_sum, nll_sum = forward(self, batch)
        n_calls[0] += self.training
        return (loss_sum * float("nan") if self.training and n_calls[0] in steps else loss_sum), nll_sum

    monkeypatch.setattr(Objective, "forward", spoiled)
    return steps


def test_a_step_without_a_finite_loss_is_skipped(train, tmp_path, bad_steps):
    bad_steps |= {4, 6}
    outcome = train("training.max_steps=8", "optim.l1=1e-4", "training.ema_decay=0.9")
    assert outcome.code == 0, outcome.err
    assert "Step 4 is skipped" in outcome.err
    run = tmp_path / "run"
    assert {row["step"]: row.get("train/skipped_steps") for row in rows(run) if "train/loss" in row} == {
        1: None, 2: None, 3: None, 5: 1, 7: 2, 8: 2,
    }  # fmt: skip
    assert all(tensor.isfinite().all() for tensor in weights(run, 8).values())
    assert not (run / "checkpoints" / "step-000000004").exists()  # what follows a bad step is saved once it is good


def test_the_gradient_of_a_skipped_step_is_not_logged(train, tmp_path, bad_steps):
    bad_steps |= {4}
    assert train("training.max_steps=8", "training.log_every_steps=4").code == 0
    assert all(isfinite(value) for row in rows(tmp_path / "run") for value in row.values())


def test_a_skipped_step_changes_nothing(train, tmp_path, bad_steps):
    bad_steps |= {3}
    limits = ["training.max_steps=3", "optim.l1=1e-4", "optim.weight_decay=0.1"]
    assert train(*limits).code == 0
    before, after = (weights(tmp_path / "run", step) for step in (2, 3))
    assert all(before[name].equal(after[name]) for name in before)


def test_too_many_bad_steps_end_training_with_the_lines(train, corpus, tmp_path, bad_steps):
    bad_steps |= set(range(5, 50))
    outcome = train("training.max_steps=40")
    assert outcome.code == 1
    assert "10 steps in a row, the last of them step 14" in outcome.err
    source = outcome.err.split("the first sources are:\n  ")[1].splitlines()[0]
    assert source in (corpus / "train.aa").read_text(encoding="utf-8").splitlines()
    assert sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())[-1] == "step-000000004"
    bad_steps.clear()
    assert train("training.max_steps=8").code == 0


def test_no_validation_while_steps_change_nothing(train, bad_steps):
    """It would say that the model is damaged; what is to be done is said at the tenth step."""
    bad_steps |= set(range(5, 50))
    outcome = train("training.max_steps=40", "training.valid_every_steps=6")
    assert (outcome.code, "Try a lower optim.lr" in outcome.err) == (1, True)
    assert "step 6," not in outcome.err


@pytest.fixture
def memory(monkeypatch):
    """Let there be memory for so many pairs in a batch, `memory[0]`."""
    limit, forward = [10**9], Objective.forward

    def limited(self, batch):
        if self.training and len(batch.src) > limit[0]:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        return forward(self, batch)

    monkeypatch.setattr(Objective, "forward", limited)
    return limit


def test_a_batch_that_memory_does_not_suffice_for_is_divided(train, tmp_path, memory):
    limits = ["training.max_steps=4", "training.accumulate=2"]
    assert train(*limits, folder="whole").code == 0
    memory[0] = 40
    outcome = train(*limits)
    assert outcome.code == 0, outcome.err
    assert "There is not enough memory for a batch of " in outcome.err
    assert "set training.max_tokens=" in outcome.err
    whole, divided = weights(tmp_path / "whole", 4), weights(tmp_path / "run", 4)
    for name in whole:
        assert divided[name].allclose(whole[name], rtol=1e-3, atol=1e-5), name
    losses = [[row["train/loss"] for row in rows(tmp_path / run) if "train/loss" in row] for run in ("whole", "run")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_measured_step_is_divided_like_any_other(train, memory):
    memory[0] = 40
    outcome = train("training.max_steps=2", "optim.lr=null")
    assert outcome.code == 0, outcome.err
    assert "Chosen for 800 pairs and this machine, because they were not set: optim.lr=" in outcome.err


def test_no_memory_for_a_single_pair(train, memory):
    memory[0] = 0
    outcome = train("training.max_steps=4")
    assert outcome.code == 1
    assert "There is not enough memory for a batch of 1 pairs" in outcome.err
    assert "Traceback" not in outcome.err


def test_other_errors_are_not_taken_for_a_lack_of_memory(train, monkeypatch):
    def broken(self, batch):
        raise RuntimeError("something else")

    monkeypatch.setattr(Objective, "forward", broken)
    with pytest.raises(RuntimeError, match="something else"):
        train("training.max_steps=4")


@pytest.mark.parametrize("kind", ["pipe", "endless", "folder"])
def test_sums_that_are_no_file_are_refused(copy_of_run, mt, kind):
    sums = copy_of_run / "SHA256SUMS"
    sums.unlink()
    {"pipe": os.mkfifo, "endless": lambda path: path.symlink_to("/dev/zero"), "folder": os.mkdir}[kind](sums)
    outcome = mt("translate", copy_of_run, "ba")
    assert outcome.code == 2
    assert "SHA256SUMS is missing, or not a regular file" in outcome.err


def test_a_run_without_sums_still_works(copy_of_run, mt, tmp_path):
    (copy_of_run / "SHA256SUMS").unlink()
    shutil.rmtree(copy_of_run / "checkpoints")
    assert mt("translate", copy_of_run, "ba").code == 0


def test_a_run_of_an_earlier_version_gets_sums_when_it_resumes(train, mt, tmp_path):
    run, keep = tmp_path / "run", "training.average_best=2"
    assert train("training.max_steps=4", "training.valid_every_steps=2", keep).code == 0
    for sums in run.rglob("SHA256SUMS"):
        sums.unlink()
    worse = ["training.max_steps=6", "training.valid_every_steps=2", "optim.lr=1e-9", keep]
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("lr: 0.001", "lr: 1.0e-09"))
    assert train(*worse).code == 0
    assert mt("translate", run, "ba").code == 0
    assert mt("average", run, "--best", "2", "-o", tmp_path / "mean").code == 0
    assert "  model.safetensors\n" in (run / "SHA256SUMS").read_text()
