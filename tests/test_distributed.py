"""Several processes on this machine, started by torchrun, train the same model as one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import ROOT, Outcome, overrides
from safetensors.torch import load_file

from mt.config.training import TrainingConfig
from mt.errors import UserError

COMMON = [
    "training.batches_per_step=4",
    "training.max_steps=12",
    "training.valid_every_steps=6",
    "training.log_every_steps=1",
    "training.early_stopping.metric=loss",
    "model.dropout=0",
    "training.lexicon_embeddings=true",
    "training.valid_pairs=0",
]


MT = ("-m", "mt")


def start(
    n: int, corpus: Path, run: Path, *extra: str, restarts: int = 0, program: Sequence[str] = MT
) -> "subprocess.Popen[str]":
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={n}", "--rdzv-backend=c10d"]
    launcher += ["--rdzv-endpoint=localhost:0", f"--max-restarts={restarts}", *program]
    arguments = overrides(corpus, f"run_dir={run}", *COMMON, *extra)
    return subprocess.Popen(
        [sys.executable, *launcher, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def torchrun(n: int, corpus: Path, run: Path, *extra: str, program: Sequence[str] = MT) -> Outcome:
    process = start(n, corpus, run, *extra, program=program)
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)


def losses_of(run: Path, kind: str = "train/loss") -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row[kind] for row in rows if kind in row]


def assert_same(run: Path, other: Path) -> None:
    for kind, count in (("train/loss", 12), ("valid/loss", 2)):
        found = losses_of(run, kind)
        assert len(found) == count
        assert found == pytest.approx(losses_of(other, kind), abs=2e-5)
    paths = [next((folder / "checkpoints").glob("step-*")) for folder in (run, other)]
    for name in ("model", "optimizer"):
        a, b = (load_file(path / f"{name}.safetensors") for path in paths)
        assert a.keys() == b.keys()
        for key in a:
            assert a[key].numpy() == pytest.approx(b[key].numpy(), abs=5e-5), key


@pytest.fixture(scope="module")
def alone(corpus, tmp_path_factory) -> Path:
    """One process, four batches per step."""
    from mt import cli

    run = tmp_path_factory.mktemp("alone") / "run"
    assert cli.run(overrides(corpus, f"run_dir={run}", *COMMON)) == 0
    return run


@pytest.mark.parametrize(
    ("n", "strategy"),
    [
        (2, "ddp"),
        pytest.param(2, "fsdp", marks=pytest.mark.slow),
        pytest.param(4, "ddp", marks=pytest.mark.slow),
        pytest.param(4, "fsdp", marks=pytest.mark.slow),
    ],
)
def test_several_processes_equal_one(corpus, alone, tmp_path, n, strategy):
    """1 x 4 batches = 2 x 2 = 4 x 1: same losses, weights and optimizer, across an uneven end of an epoch."""
    outcome = torchrun(n, corpus, tmp_path / "run", f"training.strategy={strategy}")
    assert outcome.code == 0, outcome.err
    assert f"2,400 tokens per step (600 per batch x {4 // n} batches x {n} processes)" in outcome.err
    assert_same(tmp_path / "run", alone)
    assert outcome.err.count("Training ends at step 12") == 1  # one process reports
    assert (tmp_path / "run" / "translations" / "test.bb").is_file()


LITTLE_MEMORY = """
import os, sys
import torch
from mt import cli
from mt.training.objective import Objective

forward = Objective.forward

class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise MemoryError

def limited(self, batch):
    if self.training and os.environ["RANK"] == "1" and len(batch.src) > 20:
        {fails}
    return forward(self, batch)

Objective.forward = limited
cli.main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_memory_that_suffices_for_one_process_only(corpus, alone, tmp_path, strategy):
    """That process divides its batches, and all train the same model."""
    (tmp_path / "mt_with_little_memory.py").write_text(LITTLE_MEMORY.format(fails="raise MemoryError"))
    program = [str(tmp_path / "mt_with_little_memory.py")]
    outcome = torchrun(2, corpus, tmp_path / "run", f"training.strategy={strategy}", program=program)
    assert "There is not enough memory for a batch of " in outcome.err
    assert "training.max_tokens=" in outcome.err
    if strategy == "ddp":
        assert outcome.code == 0, outcome.err
        assert_same(tmp_path / "run", alone)
    else:  # the other process waits for weights of this one
        assert outcome.code != 0


@pytest.mark.slow
def test_memory_that_ends_while_gradients_are_shared(corpus, tmp_path):
    fails = "return [Fails.apply(sums) for sums in forward(self, batch)]"
    (tmp_path / "mt_with_little_memory.py").write_text(LITTLE_MEMORY.format(fails=fails))
    only = ["training.batches_per_step=2"]
    outcome = torchrun(2, corpus, tmp_path / "run", *only, program=[str(tmp_path / "mt_with_little_memory.py")])
    assert outcome.code != 0
    assert "There is not enough memory for a batch of " in outcome.err


@pytest.mark.slow
def test_noise_and_guidance_are_the_same_for_any_number_of_processes(corpus, tmp_path, mt):
    settings = ["data.noise={typos: 0.1, case: 0.2, punctuation: 0.2, copies: 0.2}", "training.max_steps=3"]
    settings += ["training.guided_attention=0.5", "model.n_decoder_layers=2"]
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/one", *COMMON, *settings)).code == 0
    outcome = torchrun(2, corpus, tmp_path / "two", *settings)
    assert outcome.code == 0, outcome.err
    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(tmp_path / "one"), abs=2e-5)


@pytest.mark.slow
def test_a_checkpoint_resumes_with_another_number_of_processes(corpus, alone, tmp_path, mt):
    """Two processes, then one."""
    assert torchrun(2, corpus, tmp_path / "run", "training.max_steps=5").code == 0
    outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/run", *COMMON))
    assert outcome.code == 0, outcome.err
    assert "Resuming from step 5" in outcome.err
    # the validation at the end of the first start, at step 5, does not affect training
    assert losses_of(tmp_path / "run") == pytest.approx(losses_of(alone), abs=2e-5)


@pytest.mark.slow
def test_processes_may_drop_different_layers(corpus, tmp_path, mt):
    drop = ["model.layer_drop=0.5", "model.n_encoder_layers=3", "training.max_steps=6"]
    outcome = torchrun(2, corpus, tmp_path / "run", *drop)
    assert outcome.code == 0, outcome.err
    refused = mt(*overrides(corpus, f"run_dir={tmp_path}/other", *drop, "training.strategy=fsdp"))
    assert refused.code == 2
    assert "model.layer_drop does not work with training.strategy=fsdp" in refused.err


def test_batches_must_be_divisible_by_the_processes():
    training = TrainingConfig(batches_per_step=4)
    assert [training.batches_per_process(n) for n in (1, 2, 4)] == [4, 2, 1]
    with pytest.raises(UserError, match="not divisible by 3 processes"):
        training.batches_per_process(3)


def wait_for_step(run: Path, step: int, process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + 90
    while not (run / "metrics.jsonl").exists() or f'"step": {step},' not in (run / "metrics.jsonl").read_text():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)


def workers(process: "subprocess.Popen[str]") -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    )
    return [int(pid) for pid in listed.stdout.split()]


@pytest.mark.slow
def test_a_killed_process_is_restarted_from_the_last_checkpoint(corpus, tmp_path, mt):
    limits = ["training.max_steps=60", "training.checkpoint_every_steps=10", "training.valid_every_steps=1000"]
    process = start(2, corpus, tmp_path / "run", *limits, restarts=1)
    wait_for_step(tmp_path / "run", 12, process)
    os.kill(workers(process)[1], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Resuming from step" in err
    assert mt(*overrides(corpus, f"run_dir={tmp_path}/whole", *COMMON, *limits)).code == 0
    restarted, undisturbed = (losses_of(tmp_path / name) for name in ("run", "whole"))
    assert len(restarted) == 60
    assert restarted == pytest.approx(undisturbed, abs=1e-3)


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_after_the_same_step(corpus, tmp_path):
    process = start(2, corpus, tmp_path / "run", "training.max_steps=100000", "training.valid_every_steps=100000")
    wait_for_step(tmp_path / "run", 5, process)
    os.kill(workers(process)[1], signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "rerun the same command to resume" in err
    (checkpoint,) = (tmp_path / "run" / "checkpoints").glob("step-*")
    assert int(checkpoint.name[5:]) >= 5


@pytest.mark.slow
def test_processes_share_the_encoding(corpus, tmp_path, monkeypatch):
    """Each process encodes some parts, missing parts are added, and the result equals that of one process."""
    from mt.data import store

    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d",
               "--rdzv-endpoint=localhost:0", str(tmp_path / "small_parts.py")]  # fmt: skip
    (tmp_path / "small_parts.py").write_text(
        "import os, sys\n"
        "from mt import cli\n"
        "from mt.data import store\n"
        "store.PAIRS_PER_PART = 100\n"
        "write = store.write_part\n"
        "def write_part(path, table):\n"
        "    open(f'{os.environ[\"LOG\"]}/{os.environ[\"RANK\"]}', 'a').write(f'{path.name}\\n')\n"
        "    write(path, table)\n"
        "store.write_part = write_part\n"
        "cli.main(sys.argv[1:])\n"
    )
    arguments = overrides(corpus, f"run_dir={tmp_path}/run", f"data.cache_dir={tmp_path}/cache")[1:]
    environment = {**os.environ, "LOG": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "prepare", *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "Training data: 800 pairs" in done.stderr
    written = [(tmp_path / rank).read_text().split() for rank in "01"]
    assert {*written[1]} == {f"part-{number:06d}.arrow" for number in range(1, 8, 2)}
    assert {*written[0]} >= {f"part-{number:06d}.arrow" for number in range(0, 8, 2)}
    monkeypatch.setattr(store, "PAIRS_PER_PART", 100)
    from mt import cli

    alone = [*arguments, f"data.cache_dir={tmp_path}/cache-alone", f"run_dir={tmp_path}/alone"]
    assert cli.run(["prepare", *alone]) == 0
    folders = [
        next((tmp_path / cache / "encoded").glob("*/part-000007.arrow")).parent for cache in ("cache", "cache-alone")
    ]
    for number in range(8):
        shared, own = (folder / f"part-{number:06d}.arrow" for folder in folders)
        assert shared.read_bytes() == own.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_processes_fine_tune_and_hold_out_the_same_pairs(run_folder, corpus, tmp_path, strategy):
    """The model that training starts from is validated before the first step, in parts that were never run before."""
    settings = ["model.d_model=64", "model.d_ff=128", f"training.init_from={run_folder}", "data.valid=50"]
    settings += ["training.lexicon_embeddings=false"]
    outcome = torchrun(2, corpus, tmp_path / "run", f"training.strategy={strategy}", *settings)
    assert outcome.code == 0, outcome.err
    assert "step 0, epoch 0.0" in outcome.err
    assert outcome.err.count("Held out of data.train: 50 pairs for valid.") == 1


@pytest.mark.slow
def test_several_processes_resume_an_interrupted_validation(alone, corpus, tmp_path):
    """With "fsdp", the first thing that a model does is then to translate, and not to train."""
    assert torchrun(2, corpus, tmp_path / "run", "training.strategy=fsdp", "training.max_steps=6").code == 0
    state = tmp_path / "run" / "checkpoints" / "step-000000006" / "state.json"
    values = json.loads(state.read_text()) | {"validated_step": 0, "best_score": None}
    state.write_text(json.dumps(values))
    (state.parent / "SHA256SUMS").unlink()
    metrics = tmp_path / "run" / "metrics.jsonl"
    rows = [line for line in metrics.read_text().splitlines(keepends=True) if "valid/loss" not in line]
    metrics.write_text("".join(rows))
    resumed = torchrun(2, corpus, tmp_path / "run", "training.strategy=fsdp")
    assert resumed.code == 0, resumed.err
    assert resumed.err.count("step 6, epoch") == 1
    assert_same(tmp_path / "run", alone)
