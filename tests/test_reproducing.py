"""What a run records about how it was made, and `mt reproduce`, which makes it again."""

import json

import pytest
import torch
import yaml
from conftest import overrides, toy_pairs, write_pairs
from safetensors.torch import load_file, save_file

from mt.text.tokenizer import load_tokenizer

STEPS = ["training.max_steps=6", "training.valid_every_steps=3", "training.log_every_steps=1", "data.valid=20"]


@pytest.fixture
def made(tmp_path, mt):
    """Train in `run` on a corpus of its own, with these overrides."""
    write_pairs(tmp_path / "train", toy_pairs(200, 1))

    def train(*extra):
        arguments = overrides(tmp_path, f"run_dir={tmp_path}/run", *STEPS, *extra)
        kept = [one for one in arguments if not one.startswith("data.test=") and one != f"data.valid={tmp_path}/valid"]
        outcome = mt(*kept, "data.test={held: 10}")
        assert outcome.code == 0, outcome.err
        return tmp_path / "run"

    return train


def record(run):
    return yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))["record"]


def test_the_record_says_how_a_run_was_made(made, tmp_path):
    run = made("model.dropout=0.2")
    (start,) = record(run)
    assert start["command"].startswith("mt train data=files ")
    assert "model.dropout=0.2" in start["command"]
    assert start["command"].count("data.test=") == 1  # not what Hydra needs besides
    assert start["versions"]["torch"] == torch.__version__
    assert start["machine"]["threads"] == str(torch.get_num_threads())
    assert set(start["inputs"]) == {"data.train", "data.valid"}
    made("model.dropout=0.2")
    assert record(run) == [start]  # a start that changes nothing is not recorded
    made("model.dropout=0.2", "training.max_steps=8")
    assert [one["from_step"] for one in record(run)] == [0, 6]


def test_the_record_has_the_folder_of_configurations(made, tmp_path, monkeypatch):
    folder = tmp_path / "my=conf"
    (folder / "optim").mkdir(parents=True)
    (folder / "optim" / "mine.yaml").write_text("lr: 0.02\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (start,) = record(made("model.dropout=0.2", "--config-dir", "my=conf", "optim=mine"))
    assert f"--config-dir {folder}" in start["command"].replace("'", "")


def test_a_run_is_reproduced(made, mt, tmp_path):
    run = made("training.subword_alpha=0.2", "data.noise={typos: 0.1}", "training.average_best=2")
    outcome = mt("reproduce", run)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(f"{tmp_path}/run-reproduced is the same as {run}: tokenizer, curves")
    assert "there," not in outcome.err
    rows = (tmp_path / "run-reproduced" / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == len((run / "metrics.jsonl").read_text().splitlines()) > 6
    assert "is the same" in mt("reproduce", run).out  # trained already


def test_an_unfinished_run_cannot_be_reproduced(made, mt):
    run = made("training.max_steps=3")
    state = run / "checkpoints" / "step-000000003" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"is_finished": False}))
    (state.parent / "SHA256SUMS").unlink()
    outcome = mt("reproduce", run)
    assert outcome.code == 2
    assert "is not finished: resume it first" in outcome.err


def test_the_run_itself_is_no_place_for_its_reproduction(made, mt):
    run = made()
    outcome = mt("reproduce", run, "-o", f"{run.parent}/./run")
    assert outcome.code == 2
    assert "is the run itself" in outcome.err


def test_a_damaged_run_is_not_reproduced(made, mt):
    run = made()
    (run / "model.safetensors").write_bytes(b"x" + (run / "model.safetensors").read_bytes()[1:])
    assert "model.safetensors is damaged" in mt("reproduce", run).err
    (run / "model.safetensors").unlink()
    assert "model.safetensors is missing" in mt("reproduce", run).err


def test_the_first_difference_is_named(made, mt):
    run = made()
    rows = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    rows[2] = json.dumps(json.loads(rows[2]) | {"train/loss": 1.5}) + "\n"
    (run / "metrics.jsonl").write_text("".join(rows))
    outcome = mt("reproduce", run)
    assert outcome.code == 1
    assert "it first differs at step 3: train/loss 1.5 there, " in outcome.err


def test_other_versions_and_machines_are_named(made, mt):
    run = made()
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["record"][0]["versions"]["torch"] = "1.0"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert f"torch: 1.0 there, {torch.__version__} here" in mt("reproduce", run).err


def test_other_text_cannot_reproduce_a_run(made, mt, tmp_path):
    run = made()
    write_pairs(tmp_path / "train", toy_pairs(200, 2))
    outcome = mt("reproduce", run)
    assert outcome.code == 2
    assert "data.train and data.valid changed: the run was trained with other text" in outcome.err


def test_another_model_to_start_from_cannot_reproduce_a_run(made, mt, copy_of_run, tmp_path):
    start_from = [f"training.init_from={copy_of_run}", "model.d_model=64", "model.d_ff=128"]
    run = made(*start_from)
    (start,) = record(run)
    assert set(start["inputs"]) == {"data.train", "data.valid", "training.init_from"}
    copy_of_run.rename(tmp_path / "elsewhere")
    made(*start_from, "training.max_steps=8")  # resumes without the model, and keeps its fingerprint
    assert record(run)[1]["inputs"] == start["inputs"]
    (tmp_path / "elsewhere").rename(copy_of_run)
    weights = load_file(copy_of_run / "model.safetensors")
    save_file({name: 2 * weight for name, weight in weights.items()}, copy_of_run / "model.safetensors")
    (copy_of_run / "SHA256SUMS").unlink()
    outcome = mt("reproduce", run)
    assert outcome.code == 2
    assert "training.init_from changed: the run was trained with other text, from another model" in outcome.err


def test_another_vocabulary_cannot_reproduce_a_run(made, mt, copy_of_run):
    run = made(f"tokenizer.from_run={copy_of_run}")
    assert record(run)[0]["inputs"].keys() == {"data.train", "data.valid", "tokenizer.from_run"}
    file = copy_of_run / "tokenizer.model"
    load_tokenizer([file]).with_tags(["<other>"]).save([file])
    outcome = mt("reproduce", run)
    assert outcome.code == 2
    assert "tokenizer.from_run changed" in outcome.err


def test_a_training_that_followed_the_clock(made, mt):
    run = made("training.max_minutes=10", "optim.schedule=linear")
    outcome = mt("reproduce", run)
    assert "The learning rate of the run followed the clock" in outcome.err
    assert outcome.code in (0, 1)


@pytest.mark.parametrize("damage", ["record: 3", "record: [{command: 5}]", "record: [{from_step: a}]", ""])
def test_a_run_without_a_record(copy_of_run, mt, damage):
    config = (copy_of_run / "config.yaml").read_text()
    (copy_of_run / "config.yaml").write_text(config[: config.index("record:")] + damage)
    outcome = mt("reproduce", copy_of_run)
    assert outcome.code == 2
    assert "does not record how the run was made" in outcome.err
    assert mt("translate", copy_of_run, "ba").code == 0
