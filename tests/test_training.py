"""Training through the command line: what it writes, that it learns, and that it resumes exactly."""

import fcntl
import gc
import itertools
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import weakref
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT, overrides, slow_except, toy_pairs, write_pairs
from safetensors.torch import load_file

from mt.model.transformer import Transformer


def weights(run: Path) -> dict[str, torch.Tensor]:
    (checkpoint,) = (run / "checkpoints").glob("step-*")
    return load_file(checkpoint / "model.safetensors") | load_file(checkpoint / "optimizer.safetensors")


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], tolerance: float = 0.0) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.allclose(a[name].double(), b[name].double(), rtol=tolerance, atol=tolerance), name


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_training_learns_and_writes_a_run(run_folder, mt):
    for name in (
        "config.yaml",
        "tokenizer.model",
        "model.safetensors",
        "metrics.jsonl",
        "train.log",
        "translations/test.bb",
    ):
        assert (run_folder / name).is_file()
    assert [p.name for p in (run_folder / "checkpoints").iterdir()] == ["step-000000700"]
    assert {p.name for p in (run_folder / "checkpoints" / "step-000000700").iterdir()} == {
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
        "SHA256SUMS",
    }
    assert not [p for p in run_folder.rglob("*") if p.suffix in (".pt", ".pth", ".pkl", ".tmp")]
    outcome = mt("evaluate", run_folder)
    assert outcome.code == 0
    bleu = float(outcome.out.split("BLEU ")[1].split()[0])
    assert bleu > 95
    assert "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:" in outcome.out
    best = max(row["valid/bleu"] for row in rows(run_folder) if "valid/bleu" in row)
    assert best > 95
    modes = {name: (run_folder / name).stat().st_mode for name in ("config.yaml", "model.safetensors")}
    assert len(set(modes.values())) == 1, modes  # who may read the configuration may read the model


def test_the_same_command_after_the_end_changes_nothing(corpus, tmp_path, mt):
    arguments = overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=4", "training.valid_every_steps=4")
    assert mt(*arguments).code == 0
    before = weights(tmp_path / "run")
    outcome = mt(*arguments)
    assert outcome.code == 0
    assert "training.max_steps=4 is reached" in outcome.err
    assert_equal(weights(tmp_path / "run"), before)


@pytest.mark.parametrize("optimizer", slow_except("adamw", ["adamw", "sgd", "rmsprop"]))
def test_resumed_equals_uninterrupted(corpus, tmp_path, mt, optimizer):
    """Bit for bit, with dropout, across the end of an epoch, with a limit raised in between."""
    common = [
        f"optim={optimizer}",
        "optim.l1=1e-5",
        "optim.weight_decay=0.01",
        "model.dropout=0.2",
        "training.valid_every_steps=1000",
        "training.log_every_steps=1",
    ]
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/whole", "training.max_steps=24", *common)).code == 0
    for steps in (7, 24):
        assert mt(*overrides(corpus, f"run_dir={tmp_path}/parts", f"training.max_steps={steps}", *common)).code == 0
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert_equal(weights(whole), weights(parts))
    losses = [[(row["step"], row["train/loss"]) for row in rows(run) if "train/loss" in row] for run in (whole, parts)]
    assert losses[0] == losses[1]
    assert [step for step, _ in losses[0]] == list(range(1, 25))


def start(corpus: Path, run: Path, *extra: str) -> "subprocess.Popen[str]":
    arguments = overrides(corpus, f"run_dir={run}", "training.log_every_steps=1", "model.dropout=0.1", *extra)
    return subprocess.Popen([sys.executable, "-m", "mt", *arguments], stderr=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for(process: "subprocess.Popen[str]", condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_save_and_the_same_command_resumes(corpus, tmp_path, mt, number, code):
    limits = ["training.max_steps=80", "training.valid_every_steps=40"]
    process = start(corpus, tmp_path / "run", *limits)
    wait_for(process, lambda: (tmp_path / "run" / "metrics.jsonl").exists() and len(rows(tmp_path / "run")) > 3)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "rerun the same command to resume" in err
    assert "Traceback" not in err + (tmp_path / "run" / "train.log").read_text(encoding="utf-8")
    assert (tmp_path / "run" / "model.safetensors").exists()
    process = start(corpus, tmp_path / "run", *limits)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Resuming from step" in err
    assert (
        mt(
            *overrides(corpus, f"run_dir={tmp_path}/whole", "training.log_every_steps=1", "model.dropout=0.1", *limits)
        ).code
        == 0
    )
    assert_equal(weights(tmp_path / "run"), weights(tmp_path / "whole"))


@pytest.mark.slow
def test_a_kill_loses_only_the_steps_after_the_last_checkpoint(corpus, tmp_path):
    process = start(corpus, tmp_path / "run", "training.checkpoint_every_steps=10", "training.max_steps=100000")
    wait_for(process, lambda: (tmp_path / "run" / "checkpoints" / "step-000000010").exists())
    process.kill()
    process.communicate()
    leftover = tmp_path / "run" / "checkpoints" / ".step-000000099.1.tmp"  # as a kill during a save leaves it
    leftover.mkdir()
    process = start(corpus, tmp_path / "run", "training.checkpoint_every_steps=10", "training.max_steps=60")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert not leftover.exists()
    steps = [row["step"] for row in rows(tmp_path / "run") if "train/loss" in row]
    assert steps == list(range(1, 61))  # rows after the checkpoint were dropped


def test_accumulated_small_batches_equal_one_large(corpus, tmp_path, mt, monkeypatch):
    """1 x 8 batches = 2 x 4 = 4 x 2: the same pairs per step, divided differently, give the same weights."""
    from mt.data.sampler import Epoch

    original = Epoch.cut

    def cut_finer(self, *arguments):
        pieces = int(os.environ["TEST_PIECES"])
        batches = [batch for batch in original(self, *arguments) if len(batch) >= 4]
        return [part for batch in batches for part in split(batch, pieces)]

    def split(batch, pieces):
        bounds = [round(i * len(batch) / pieces) for i in range(pieces + 1)]
        return [batch[a:b] for a, b in itertools.pairwise(bounds)]

    monkeypatch.setattr(Epoch, "cut", cut_finer)
    results = []
    for pieces in (1, 2, 4):
        monkeypatch.setenv("TEST_PIECES", str(pieces))
        run = tmp_path / str(pieces)
        limits = [f"training.accumulate={pieces}", "training.max_steps=8", "model.dropout=0", "optim=sgd"]
        assert mt(*overrides(corpus, f"run_dir={run}", *limits)).code == 0
        results.append({name: value for name, value in weights(run).items() if "random" not in name})
    assert_equal(results[0], results[1], 1e-5)
    assert_equal(results[0], results[2], 1e-5)


def test_early_stopping(corpus, tmp_path, mt):
    outcome = mt(
        *overrides(
            corpus,
            f"run_dir={tmp_path}/run",
            "training.max_steps=1000",
            "training.valid_every_steps=2",
            "optim.lr=1e-9",
            "training.early_stopping.metric=chrf",
            "training.early_stopping.patience=3",
        )
    )
    assert outcome.code == 0
    assert "validation chrf has not improved since step" in outcome.err
    state = json.loads(next((tmp_path / "run" / "checkpoints").glob("*/state.json")).read_text())
    assert state["n_validations_since_best"] == 3
    assert state["step"] < 100


def test_limits_in_epochs_and_minutes(corpus, tmp_path, mt):
    epochs = mt(
        *overrides(corpus, f"run_dir={tmp_path}/epochs", "training.max_epochs=2", "training.checkpoint_every_steps=1")
    )
    assert epochs.code == 0
    assert "training.max_epochs=2 is reached" in epochs.err
    minutes = mt(*overrides(corpus, f"run_dir={tmp_path}/minutes", "training.max_minutes=0.02"))
    assert minutes.code == 0
    assert "training.max_minutes=0.02 is reached" in minutes.err


def test_a_single_step_of_an_epoch_changes_the_weights(tmp_path, mt):
    """A corpus that fits into one batch, for one epoch, where the schedule ends."""
    write_pairs(tmp_path / "train", toy_pairs(5, seed=1))
    write_pairs(tmp_path / "valid", toy_pairs(5, seed=2))
    schedule = ["training.max_epochs=1", "optim.schedule=cosine", "optim.warmup_steps=1"]
    others = ["training.log_every_steps=1", "tokenizer.vocab_size=null", "data.test={}"]
    assert mt(*overrides(tmp_path, f"run_dir={tmp_path}/run", *schedule, *others)).code == 0
    (row,) = [row for row in rows(tmp_path / "run") if "train/loss" in row]
    assert row["train/learning_rate"] > 0


@pytest.mark.slow
def test_compiled_equals_eager_up_to_rounding(corpus, tmp_path, mt):
    losses = []
    for name, compiled in (("eager", "false"), ("compiled", "true")):
        settings = ["training.max_steps=4", "training.log_every_steps=1", "model.dropout=0"]
        settings += ["training.guided_attention=0.5", "model.n_decoder_layers=2", f"training.compile={compiled}"]
        assert mt(*overrides(corpus, f"run_dir={tmp_path}/{name}", *settings)).code == 0
        losses.append([row["train/loss"] for row in rows(tmp_path / name) if "train/loss" in row])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_validation_by_a_part_of_the_text_is_by_pairs_spread_over_it(corpus, tmp_path, mt):
    sides = [Path(f"{corpus}/valid.{lang}").read_text(encoding="utf-8").splitlines() for lang in ("aa", "bb")]
    pairs = list(zip(*sides, strict=True))
    write_pairs(tmp_path / "part", [pairs[i * len(pairs) // 7] for i in range(7)])
    curves = []
    for folder, settings in (
        ("all", ["training.valid_pairs=7"]),
        ("part", [f"data.valid={tmp_path}/part", "training.valid_pairs=0"]),
    ):
        limits = ["training.max_steps=4", "training.valid_every_steps=2"]
        assert mt(*overrides(corpus, f"run_dir={tmp_path}/{folder}", *limits, *settings)).code == 0
        validations = [row for row in rows(tmp_path / folder) if "valid/loss" in row]
        curves.append([{key: row[key] for key in ("valid/loss", "valid/bleu", "valid/chrf")} for row in validations])
    assert len(curves[0]) == 2
    assert curves[0] == [pytest.approx(row) for row in curves[1]]


def test_bf16_trains_too(corpus, tmp_path, mt):
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=10", "training.precision=bf16"))
    assert outcome.code == 0
    assert "bfloat16" in outcome.err


@pytest.mark.parametrize(
    "variant",
    [
        "tokenizer.joint=false tokenizer.vocab_size=290",
        "tokenizer.model_type=bpe",
        "model.norm=post",
        "model.positions=learned",
        "model.activation=swiglu",
        "model.tie_embeddings=false",
        "optim.schedule=linear",
        "optim.schedule=cosine",
        "tokenizer.vocab_size=null",
    ],
)
def test_variants_train_and_translate(corpus, tmp_path, mt, variant):
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=6", *variant.split())).code == 0
    outcome = mt("translate", tmp_path / "run", "ba de", "", "fi")
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 3


def test_validation_is_greedy_whatever_the_search(corpus, tmp_path, mt):
    search = ["search.required=[BA]", "search.diverse_groups=5", "search.beam_size=10"]
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=2", "data.test=null", *search))
    assert outcome.code == 0, outcome.err
    assert "BA" in mt("translate", tmp_path / "run", "ba de").out


def test_a_sweep_gives_each_job_a_folder_and_ends_with_a_table(corpus, tmp_path, mt, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = mt(*overrides(corpus, "name=sweep", "--multirun", "training.max_steps=3", "optim.lr=0.001,0.01"))
    assert outcome.code == 0, outcome.err
    assert "Job 1 of 2: optim.lr=0.001" in outcome.err
    assert "Job 2 of 2: optim.lr=0.01" in outcome.err
    assert outcome.err.count("Training the tokenizer on data.train.") <= 1  # the jobs share it
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["sweep"]
    assert sorted(p.name for p in (tmp_path / "runs" / "sweep").iterdir()) == ["optim.lr=0.001", "optim.lr=0.01"]
    assert (tmp_path / "runs" / "sweep" / "optim.lr=0.01" / "model.safetensors").is_file()
    table = outcome.err.splitlines()[-3:]
    assert "valid bleu" in table[0]
    assert {row.split()[4].rstrip(":") for row in table[1:]} == {"optim.lr=0.001", "optim.lr=0.01"}
    assert "test_bleu" in table[1]


@pytest.mark.parametrize(
    ("twice", "message"),
    [(["optim.lr=0.1", "optim.lr=0.001,0.01"], "Job 2 of 2: optim.lr=0.01"), (["name=a,b"], "name is the folder of")],
)
def test_a_setting_given_twice_and_a_sweep_over_names(corpus, tmp_path, mt, monkeypatch, twice, message):
    monkeypatch.chdir(tmp_path)
    outcome = mt(*overrides(corpus, "--multirun", "training.max_steps=1", "data.test=null", *twice))
    assert (outcome.code, message in outcome.err) == (2 if "name" in message else 0, True), outcome.err


def test_a_job_of_a_sweep_finds_the_memory_of_the_one_before_free(corpus, tmp_path, mt, monkeypatch):
    alive, weights = [], []
    build = Transformer.__init__

    def recorded(self, *arguments, **settings):
        alive.append(sum(weight() is not None for weight in weights))
        build(self, *arguments, **settings)
        weights.append(weakref.ref(next(self.parameters())))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Transformer, "__init__", recorded)
    gc.disable()
    try:
        outcome = mt(*overrides(corpus, "name=sweep", "-m", "training.max_steps=1", "seed=1,2,3", "data.test=null"))
    finally:
        gc.enable()
    assert outcome.code == 0, outcome.err
    assert alive.count(0) == 3, alive  # before the first model of each job, whatever else a job builds


@pytest.mark.slow
def test_a_hopeless_job_of_a_sweep_ends_early(corpus, tmp_path, mt, monkeypatch):
    monkeypatch.chdir(tmp_path)
    limits = ["training.max_steps=40", "training.valid_every_steps=10", "training.early_stopping.metric=loss"]
    sweep = ["name=sweep", "-m", "optim.lr=0.004,0.005,0.006,1e-9", "training.early_stopping.prune_after=2"]
    outcome = mt(*overrides(corpus, *limits, *sweep))
    assert outcome.code == 0, outcome.err
    assert outcome.err.count("other jobs of the sweep do better") == 1
    rows = [row.split() for row in outcome.err.splitlines()[-4:]]
    scores = [float(row[0]) for row in rows]
    assert scores == sorted(scores)  # a loss: the smallest is the best
    assert rows[-1][3:5] == ["20", "optim.lr=1e-09:"]
    for metrics in (tmp_path / "runs" / "sweep").glob("*/metrics.jsonl"):  # the verdict stays, whatever others do later
        worse = re.sub(r'"valid/loss": [\d.]+', '"valid/loss": 99.0', metrics.read_text())
        metrics.write_text(metrics.read_text() if "1e-09" in metrics.parent.name else worse)
    again = mt(*overrides(corpus, *limits, *sweep))
    assert again.err.count("other jobs of the sweep do better") == 1
    assert "step 30:" not in again.err


@pytest.mark.slow
def test_optuna_searches(corpus, tmp_path, mt, monkeypatch):
    """The sweeper of the experiment in the extra `sweep` receives the score of each job."""
    monkeypatch.chdir(tmp_path)
    search = [
        "--multirun",
        "experiment=sweep_optuna",
        "hydra.sweeper.n_trials=3",
        "training.early_stopping.metric=loss",
    ]
    arguments = overrides(corpus, "training.max_steps=4", "training.valid_every_steps=2", "name=search")
    searched = ("optim", "training.max_tokens", "model.dropout")
    outcome = mt("train", *search, *[a for a in arguments[1:] if not a.startswith(searched)])
    assert outcome.code == 0, outcome.err
    assert len(list((tmp_path / "runs" / "search").iterdir())) == 3
    best = yaml.safe_load((tmp_path / "runs" / "multirun" / "optimization_results.yaml").read_text())
    assert best["best_value"] == pytest.approx(-float(outcome.err.splitlines()[-3].split()[0]), abs=1e-3)


@pytest.mark.slow
def test_an_optuna_search_without_a_score_says_so(tmp_path, mt, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = mt("train", "--multirun", "experiment=sweep_optuna", "hydra.sweeper.n_trials=1", "data.train=nowhere")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("mt: No job of the sweep was validated")


def test_dropped_pairs_are_reported(corpus, tmp_path, mt):
    pairs = [*toy_pairs(200, 3), ("", "X"), ("ba", ""), ("ba " * 60, "BA " * 60)]
    write_pairs(tmp_path / "train", pairs)
    outcome = mt(
        *overrides(
            corpus, f"data.train={tmp_path}/train", f"run_dir={tmp_path}/run", "training.max_steps=2", "data.max_len=40"
        )
    )
    assert "200 pairs" in outcome.err
    assert "2 with an empty side and 1 too long" in outcome.err


def test_an_interrupted_validation_is_repeated(corpus, tmp_path, mt, monkeypatch):
    from mt.runtime.signals import Interrupted
    from mt.training.validator import Validator

    arguments = overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=4", "training.valid_every_steps=2")
    original = Validator.validate

    def interrupted(self, check):
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(Validator, "validate", interrupted)
    assert mt(*arguments).code == 143
    monkeypatch.setattr(Validator, "validate", original)
    assert mt(*arguments).code == 0
    assert [row["step"] for row in rows(tmp_path / "run") if "valid/loss" in row] == [2, 4]


def run_on_terminal(*arguments: str) -> tuple[int, str]:
    """Run a command whose standard error is a terminal; return its exit code and what the terminal showed."""
    terminal, stderr = pty.openpty()
    fcntl.ioctl(stderr, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    command = [sys.executable, "-m", "mt", *arguments]
    environment = {**os.environ, "TQDM_MININTERVAL": "0"}  # show every update, however fast the machine is
    process = subprocess.Popen(command, stderr=stderr, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment)
    os.close(stderr)
    seen = b""
    try:
        while block := os.read(terminal, 4096):
            seen += block
    except OSError:  # the process has closed the terminal
        pass
    return process.wait(), seen.decode()


def test_a_terminal_gets_a_progress_bar(corpus, tmp_path):
    code, text = run_on_terminal(*overrides(corpus, f"run_dir={tmp_path}/run", "training.max_steps=20"))
    assert code == 0
    assert "step 20/20" in text
    assert "target tokens/s" in text
    assert " left" in text
    assert "100%" in text


@pytest.mark.slow
def test_a_terminal_shows_a_training_that_ends_by_time(corpus, tmp_path):
    limits = ["training.max_steps=null", "training.max_minutes=0.02"]
    code, text = run_on_terminal(*overrides(corpus, f"run_dir={tmp_path}/run", *limits))
    assert code == 0, text
    assert re.search(r"step \d+", text)
    assert "training.max_minutes=0.02 is reached" in text


def test_a_terminal_and_the_log_show_an_error(corpus, tmp_path):
    limits = ["training.max_steps=null", "training.max_minutes=5", "optim.lr=1e30", "optim.warmup_steps=0"]
    code, text = run_on_terminal(*overrides(corpus, f"run_dir={tmp_path}/run", *limits, "optim.grad_clip=0"))
    assert code == 1, text
    assert "Training has diverged" in text
    assert "Traceback" not in text
    assert "ERROR Training has diverged" in (tmp_path / "run" / "train.log").read_text(encoding="utf-8")


def test_a_terminal_shows_the_progress_within_a_long_file(run_folder, tmp_path):
    lines = [source for source, _ in toy_pairs(600, 3)]
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    files = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    code, text = run_on_terminal(
        "translate", str(run_folder), *files, "--beam-size", "1", "--set", "search.max_tokens=600"
    )
    assert code == 0, text
    shown = {int(percent) for percent in re.findall(r"(\d+)%", text)}
    assert {0, 100} < shown  # something between


@pytest.mark.parametrize("every", [2, 1000])
def test_divergence_is_reported_and_not_saved(corpus, tmp_path, mt, every):
    limits = [
        "training.max_steps=40",
        "optim.lr=1e30",
        "optim.warmup_steps=0",
        "optim.grad_clip=0",
        f"training.log_every_steps={every}",
    ]
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", *limits, f"training.checkpoint_every_steps={every}"))
    assert outcome.code == 1
    assert "Training has diverged" in outcome.err
    assert "Traceback" not in outcome.err
    for checkpoint in (tmp_path / "run").glob("checkpoints/*/model.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(checkpoint).values())


def test_a_sweep_needs_multirun(mt):
    outcome = mt("train", "experiment=sweep_grid")
    assert outcome.code == 2
    assert "add --multirun" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["iwslt14", "iwslt15", "wmt14_base", "wmt14_big", "opus100"])
def test_a_recipe_starts_on_other_text(recipe, mt, corpus, tmp_path):
    """The sizes and the text are smaller here; everything else is as in the recipe."""
    train = f"{corpus}/train" if recipe != "opus100" else f"[{{path: {corpus}/train, tgt_lang: bb}}]"
    size = ["model.d_model=32", "model.d_ff=64", "model.n_heads=2", "training.max_tokens=600", "training.device=cpu"]
    text = [
        "data.src_lang=aa",
        "data.tgt_lang=bb",
        f"data.train={train}",
        f"data.valid={corpus}/valid",
        "data.test=null",
    ]
    ends = [
        "training.max_steps=2",
        "training.valid_every_steps=2",
        "tokenizer.vocab_size=null",
        f"run_dir={tmp_path}/run",
    ]
    outcome = mt("train", f"experiment={recipe}", *size, *text, *ends)
    assert outcome.code == 0, outcome.err
    assert "Chosen for" not in outcome.err  # nothing is left to choose
    assert mt("translate", tmp_path / "run", "ba de").code == 0
