"""Training and translation on a GPU (`make test-gpu`); without one, the same tests run on the CPU alone."""

import shutil
from contextlib import contextmanager

import pytest
import torch
from conftest import overrides, slow_except, toy_pairs
from safetensors.torch import load_file

from mt.config.schema import ModelConfig
from mt.data.batch import build_batch
from mt.model.transformer import Transformer
from mt.runtime.distributed import ALONE
from mt.training.gradients import add_gradients
from mt.training.guidance import Guidance
from mt.training.lexicon_learning import learn_lexicon
from mt.training.objective import Objective

N_GPUS = torch.cuda.device_count()
gpu = [pytest.mark.gpu, pytest.mark.skipif(N_GPUS == 0, reason="there is no GPU")]
device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=gpu)])
LINES = [source for source, _ in toy_pairs(20, 5)]


@pytest.fixture
def train(corpus, tmp_path, mt):
    """Train with these overrides in a folder, and return the outcome."""

    def run(folder, *extra):
        outcome = mt(*overrides(corpus, f"run_dir={tmp_path}/{folder}", *extra))
        assert outcome.code == 0, outcome.err
        return outcome

    return run


def small_objective(dtype=torch.float32):
    """Return an objective without dropout, whose weights depend only on the seed."""
    torch.manual_seed(3)
    config = ModelConfig(
        d_model=32, d_ff=64, n_heads=2, n_encoder_layers=2, n_decoder_layers=2, dropout=0.0, attention_dropout=0.0,
        activation_dropout=0.0,
    )  # fmt: skip
    return Objective(Transformer(config, 50, 50, joint=True), label_smoothing=0.1).to(dtype)


def some_batch(n_pairs=11):
    pairs = [([4 + (i * j) % 40 for j in range(1, i + 2)], [4 + (i + j) % 40 for j in range(i)])
             for i in range(1, n_pairs + 1)]  # fmt: skip
    return build_batch(pairs, pad_id=0, bos_id=2, eos_id=3)


@device
def test_a_step_agrees_with_double_precision_on_the_cpu(device):
    exact, own = small_objective(torch.float64).train(), small_objective().to(device).train()
    losses = [add_gradients(one, [some_batch()], 1, place, ALONE)[0].item()
              for one, place in ((exact, torch.device("cpu")), (own, torch.device(device)))]  # fmt: skip
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    for (name, one), other in zip(exact.named_parameters(), own.parameters(), strict=True):
        torch.testing.assert_close(other.grad.cpu().double(), one.grad, rtol=1e-3, atol=1e-3, msg=name)


@device
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_training_resumes_and_translates(train, mt, tmp_path, device, precision):
    settings = [f"training.device={device}", f"training.precision={precision}", "training.checkpoint_every_steps=2"]
    settings += ["training.guided_attention=0.5", "training.lexicon_embeddings=true", "model.n_decoder_layers=2"]
    train("whole", *settings, "training.max_steps=6")
    train("parts", *settings, "training.max_steps=4")
    resumed = train("parts", *settings, "training.max_steps=6")
    assert "Resuming from step 4" in resumed.err
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    for name, tensor in whole.items():  # sums on a GPU have no fixed order
        torch.testing.assert_close(parts[name], tensor, rtol=0, atol=1e-5 if precision == "float32" else 1e-2)
    for engine in ([], ["--precision", "bf16"], ["--engine", "torch"]):
        outcome = mt("translate", tmp_path / "whole", "--device", device, *engine, *LINES)
        assert outcome.code == 0, outcome.err
        assert len(outcome.out.splitlines()) == len(LINES)


@device
@pytest.mark.parametrize("name", slow_except("muon", ["adam", "adamw", "muon", "rmsprop", "sgd"]))
def test_every_optimizer_with_averages_and_low_rank_maps(train, tmp_path, device, name):
    settings = [f"training.device={device}", f"optim={name}", "optim.lr=1e-3", "optim.l1=1e-5"]
    train("start", *settings, "training.max_steps=2", "training.ema_decay=0.9", "training.average_best=2")
    tuning = [f"training.init_from={tmp_path}/start", "training.lora.rank=2", "training.ema_decay=0.9"]
    train("tuned", *settings, *tuning, "training.max_steps=2")
    assert all(tensor.isfinite().all() for tensor in load_file(tmp_path / "tuned" / "model.safetensors").values())


@contextmanager
def no_synchronisation(device):
    """Make torch raise an error where the CPU would wait for the GPU."""
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device == "cuda":
            torch.cuda.set_sync_debug_mode("default")


@device
def test_the_cpu_does_not_wait_for_gradients(device):
    objective = small_objective().to(device).train()
    lexicon = learn_lexicon([([4, 5, 6], [5, 4])], 50, 50)
    objective.guidance = Guidance(lexicon.to(torch.device(device)), 0.5)
    batches = [some_batch(), some_batch()]
    add_gradients(objective, batches, 1, torch.device(device), ALONE)  # allocates
    with no_synchronisation(device):
        add_gradients(objective, batches, 1, torch.device(device), ALONE)


@device
def test_an_objective_is_compiled_once(device):
    """For all numbers of pairs and of tokens; the compiler itself is tried by the tests of training."""
    objective, place = small_objective().to(device).train(), torch.device(device)
    objective.compile(backend="eager", dynamic=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        losses = [objective(some_batch(n_pairs).to(place))[0].item() for n_pairs in range(7, 12)]
    assert losses == [small_objective().to(device)(some_batch(n_pairs).to(place))[0].item() for n_pairs in range(7, 12)]


@pytest.mark.gpu
@pytest.mark.skipif(N_GPUS == 0, reason="there is no GPU")
def test_compiled_training(train):
    guided = ["training.guided_attention=0.5", "model.n_decoder_layers=2"]
    train("compiled", "training.device=cuda", "training.compile=true", "training.max_steps=3", *guided)


@pytest.mark.gpu
@pytest.mark.skipif(N_GPUS < 2 or shutil.which("torchrun") is None, reason="there are no two GPUs")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_gpus_train_as_one(train, corpus, tmp_path, strategy):
    from test_distributed import torchrun

    settings = ["training.device=cuda", "training.max_steps=4", "model.dropout=0"]
    train("one", *settings, "training.accumulate=2")
    outcome = torchrun(2, corpus, tmp_path / "two", *settings, "training.accumulate=1", f"training.strategy={strategy}")
    assert outcome.code == 0, outcome.err
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-4)
