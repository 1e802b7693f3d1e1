"""`mt runs`: what it says of runs in every state, two of them side by side, and what it deletes."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import overrides
from safetensors.numpy import load_file

from mt.runs.metrics_file import MetricsFile
from mt.runtime.locks import locked

EVERY = ["training.checkpoint_every_steps=1", "training.keep_checkpoints=3"]


@pytest.fixture
def runs(corpus, tmp_path, mt, copy_of_run):
    """A folder with a run in every state."""
    folder = tmp_path / "runs"
    short = ["training.max_steps=4", "training.valid_every_steps=2", "training.average_best=2", *EVERY]
    assert mt(*overrides(corpus, f"run_dir={folder}/done", *short)).code == 0
    assert mt("prepare", *overrides(corpus, f"run_dir={folder}/prepared")[1:]).code == 0
    shutil.copytree(folder / "done", folder / "sweep" / "stopped")
    state = next((folder / "sweep" / "stopped" / "checkpoints").glob("step-*4")) / "state.json"
    state.write_text(state.read_text(encoding="utf-8").replace('"is_finished": true', '"is_finished": false'))
    (state.parent / "SHA256SUMS").unlink()
    shutil.copytree(copy_of_run, folder / "model", ignore=shutil.ignore_patterns("checkpoints"))
    shutil.copytree(folder / "done", folder / "broken")
    (folder / "broken" / "config.yaml").write_text("nonsense: 1\n", encoding="utf-8")
    (folder / "loop").symlink_to(folder)
    (folder / "notes.txt").write_text("not a run", encoding="utf-8")
    return folder


def listed(mt, *arguments):
    outcome = mt("runs", *arguments, "--json")
    assert outcome.code == 0, outcome.err
    return {row["name"]: row for row in map(json.loads, outcome.out.splitlines())}


def test_every_state_is_named(runs, mt):
    found = listed(mt, runs)
    assert {name: row["state"] for name, row in found.items()} == {
        "done": "done", "prepared": "prepared", "sweep/stopped": "resumable", "model": "model", "broken": "broken",
    }  # fmt: skip
    done = found["done"]
    rows = [json.loads(line) for line in (runs / "done" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (done["langs"], done["step"]) == ("aa-bb", 4)
    assert done["best"] in [row["valid/bleu"] for row in rows if "valid/bleu" in row]
    assert done["tests"]["test_bleu"] == rows[-1]["test/test_bleu"]
    weights = load_file(runs / "done" / "model.safetensors")
    assert done["n_parameters"] == sum(tensor.size for tensor in weights.values())
    assert done["n_bytes"] == sum(path.stat().st_size for path in (runs / "done").rglob("*") if path.is_file())
    with locked(runs / "done" / ".lock", "it"):
        assert listed(mt, runs)["done"]["state"] == "running"
    printed = mt("runs", runs).out
    assert "broken: " in printed
    assert "nonsense" in printed
    assert "There is no run" in mt("runs", runs / "done" / "checkpoints").out
    assert mt("runs", runs / "nowhere").code == 2
    assert [*listed(mt, runs / "done")] == ["done"]


def test_the_score_of_a_run_is_that_of_its_model(runs, mt):
    """Below a BLEU of 1, the loss decides which model is saved."""
    metrics = MetricsFile(runs / "done" / "metrics.jsonl")
    for step, bleu, loss in ((6, 0.9, 1e-3), (8, 0.4, 1e-4)):
        metrics.replace(step, {"valid/bleu": bleu, "valid/loss": loss, "valid/chrf": 1.0})
    for step in (2, 4):
        metrics.replace(step, {"valid/bleu": 0.5, "valid/loss": 9.0, "valid/chrf": 1.0})
    assert listed(mt, runs)["done"]["best"] == 0.4
    metrics.replace(10, {"valid/bleu": 1.5, "valid/loss": 9.0, "valid/chrf": 1.0})
    assert listed(mt, runs)["done"]["best"] == 1.5


def test_runs_are_sorted(runs, mt):
    by_name = list(listed(mt, runs, "--sort", "name"))
    assert by_name == sorted(by_name)
    sizes = [row["n_bytes"] for row in listed(mt, runs, "--sort", "size").values()]
    assert sizes == sorted(sizes)


def test_two_runs_side_by_side(runs, corpus, mt):
    settings = ["training.max_steps=2", "model.dropout=0.3"]
    assert mt(*overrides(corpus, f"run_dir={runs}/other", *settings)).code == 0
    lines = [line.split() for line in mt("runs", "--diff", runs / "done", runs / "other").out.splitlines()]
    assert ["model.dropout", "0.1", "0.3"] in lines
    assert ["steps", "4", "2"] in lines
    assert not any(line and line[0] == "model.d_model" for line in lines)
    assert any(line[0] == "test_bleu" and len(line) == 3 for line in lines)
    assert mt("runs", "--diff", runs / "done", runs / "nowhere").code == 2


EOF = "\x04"


def test_what_is_no_longer_needed_is_deleted_after_asking(runs, mt, monkeypatch):
    (runs / "sweep" / "stopped" / "checkpoints" / "damaged-step-000000001").mkdir()
    refused = mt("runs", runs, "--clean")
    assert refused.code == 2
    assert "add --yes" in refused.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def reply(answer):
        if answer == EOF:
            raise EOFError
        return answer

    for answer, code in (("", 1), (EOF, 1), ("y", 0)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: reply(answer))
        before = sorted(runs.rglob("*"))
        assert mt("runs", runs, "--clean").code == code
        assert (sorted(runs.rglob("*")) == before) == bool(code)
    names = [path.name for path in (runs / "done" / "checkpoints").iterdir()]
    assert names == ["step-000000004"]
    assert not (runs / "done" / "best").exists()
    assert len(list((runs / "sweep" / "stopped" / "checkpoints").iterdir())) == 3
    assert len(list((runs / "broken" / "checkpoints").iterdir())) == 3
    assert listed(mt, runs)["done"]["state"] == "done"
    assert mt("translate", runs / "done", "ba").code == 0
    assert "nothing to delete" in mt("runs", runs, "--clean").out


def test_a_run_is_found_by_its_name(run_folder, mt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    shutil.copytree(run_folder, "runs/mine")
    assert mt("translate", "mine", "ba").out == mt("translate", run_folder, "ba").out
    assert mt("evaluate", "mine").code == 0
    assert "There is no folder other" in mt("translate", "other", "ba").err
