import copy
import itertools
import math
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mt.config.choices import OptimizerName, Schedule
from mt.config.schema import OptimConfig
from mt.training.loss import CHUNK_SIZE, smoothed_cross_entropy
from mt.training.muon import orthogonalize
from mt.training.optim import build_optimizer, learning_rate_factor, shrink


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("chunk_size", [11, 33, 1 << 20])
@pytest.mark.parametrize("biased", [False, True])
def test_loss_and_gradients_are_torchs(smoothing, chunk_size, biased, monkeypatch):
    """The loss may be computed at once or some rows at a time."""
    monkeypatch.setitem(CHUNK_SIZE, "cpu", chunk_size)
    torch.manual_seed(1)
    features, weight = torch.randn(7, 5, requires_grad=True), torch.randn(11, 5, requires_grad=True)
    bias = torch.randn(11, requires_grad=True) if biased else None
    inputs = (features, weight, bias) if bias is not None else (features, weight)
    targets = torch.randint(11, (7,))
    logits = F.linear(features, weight, bias)
    expected = F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)
    expected_gradients = torch.autograd.grad(expected * 0.5, inputs, retain_graph=True)
    loss_sum, nll_sum = smoothed_cross_entropy(features, weight, targets, smoothing, bias)
    gradients = torch.autograd.grad(loss_sum * 0.5, inputs)
    assert loss_sum.item() == pytest.approx(expected.item(), rel=1e-5)
    assert nll_sum.item() == pytest.approx(F.cross_entropy(logits, targets, reduction="sum").item(), rel=1e-5)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        assert torch.allclose(gradient, expected_gradient, atol=1e-6)


def test_loss_of_a_known_distribution():
    probabilities = torch.tensor([[0.5], [0.25], [0.25]])
    loss_sum, nll_sum = smoothed_cross_entropy(torch.ones(1, 1), probabilities.log(), torch.tensor([0]), 0.3)
    assert nll_sum.item() == pytest.approx(math.log(2))
    assert loss_sum.item() == pytest.approx(0.7 * math.log(2) + 0.1 * (math.log(2) + 2 * math.log(4)), rel=1e-5)


def test_schedules():
    def factor(schedule: str, step: int) -> float:
        return learning_rate_factor(Schedule(schedule), step, warmup_steps=100, max_steps=1100)

    for schedule in ("inverse_sqrt", "cosine", "linear", "constant"):
        assert factor(schedule, 25) == 0.25
        assert factor(schedule, 100) == 1
    assert factor("inverse_sqrt", 400) == pytest.approx(0.5)
    assert factor("cosine", 600) == pytest.approx(0.5)
    assert factor("linear", 850) == pytest.approx(0.25)
    assert factor("constant", 1000) == 1
    assert factor("cosine", 1100) == factor("linear", 1100) == pytest.approx(0)
    assert learning_rate_factor(Schedule.inverse_sqrt, 4, warmup_steps=0) == 0.5


@pytest.mark.parametrize("schedule", [Schedule.cosine, Schedule.linear])
def test_a_schedule_by_time_has_no_jump_and_ends_with_the_time(schedule):
    """1,000 steps take all of the time, the first 100 of them to warm up."""
    factors = [learning_rate_factor(schedule, step, 100, None, step / 1000) for step in range(1, 1001)]
    assert max(abs(a - b) for a, b in itertools.pairwise(factors)) < 0.011  # 0.01 in a step of the warm-up
    assert max(factors) > 0.89
    assert factors[-1] == pytest.approx(0)


@pytest.mark.parametrize("name", OptimizerName)
def test_every_optimizer_learns(name):
    torch.manual_seed(2)
    model = nn.Linear(4, 1)
    x = torch.randn(64, 4)
    y = x @ torch.tensor([[1.0], [-2.0], [3.0], [0.5]])
    optimizer = build_optimizer(OptimConfig(name, lr=0.02), model)
    for _ in range(800):
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()
    assert F.mse_loss(model(x), y).item() < 0.01


def test_muon_makes_singular_values_equal():
    """The result has the singular vectors of the matrix, by torch's own decomposition, and values near 1."""
    torch.manual_seed(3)
    for shape in ((3, 16, 16), (2, 8, 32), (2, 32, 8)):
        matrices = torch.randn(shape)
        u, _, vt = torch.linalg.svd(matrices, full_matrices=False)
        values = u.mT @ orthogonalize(matrices) @ vt.mT
        diagonal = values.diagonal(dim1=1, dim2=2)
        assert 0.6 < diagonal.min() < diagonal.max() < 1.25
        assert torch.allclose(values, torch.diag_embed(diagonal), atol=1e-4)


def test_muon_equals_that_of_torch(monkeypatch):
    """Momentum, scale and decay: torch gets our iteration, as its own rounds to bfloat16. The others are AdamW's."""
    module = pytest.importorskip("torch.optim._muon", reason="torch has a Muon from version 2.9 on")
    monkeypatch.setattr(module, "_zeropower_via_newtonschulz", lambda matrix, *_: orthogonalize(matrix[None])[0])
    torch.manual_seed(4)
    ours = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 4))
    theirs = copy.deepcopy(ours)
    weights, biases = [layer.weight for layer in theirs], [layer.bias for layer in theirs]
    muon = torch.optim.Muon(weights, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(biases, lr=0.01, betas=(0.9, 0.98), eps=1e-9, weight_decay=0)
    own = build_optimizer(OptimConfig(OptimizerName.muon, lr=0.01, weight_decay=0.1), ours)
    for _ in range(5):
        x = torch.randn(8, 6)
        for model, optimizers in ((ours, [own]), (theirs, [muon, adamw])):
            model(x).square().sum().backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
    for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(parameter, other, atol=1e-5)


def test_only_matrices_decay():
    model = nn.Linear(3, 3)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(1.0)
    optimizer = build_optimizer(OptimConfig(OptimizerName.adamw, lr=0.1, weight_decay=0.5), model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert torch.allclose(model.weight, torch.full((3, 3), 0.95))
    assert torch.allclose(model.bias, torch.ones(3))


def test_l1_shrinks_to_zero_and_no_further():
    weight, bias = nn.Parameter(torch.tensor([[0.5, -0.5, 0.05, -0.05]])), nn.Parameter(torch.tensor([0.5]))
    shrink([weight, bias], 0.1)
    assert torch.allclose(weight, torch.tensor([[0.4, -0.4, 0.0, 0.0]]))
    assert bias.item() == 0.5


@pytest.mark.parametrize(("build", "imported"), [
    ("from torch.optim import AdamW; make = lambda model: AdamW(model.parameters())", True),
    *[("from mt.training.optim import build_optimizer; from mt.config.schema import OptimConfig\n"
     "from mt.config.choices import OptimizerName\n"
     f"make = lambda model: build_optimizer(OptimConfig(OptimizerName.{name}, lr=0.1), model)", False)
     for name in ("adamw", "muon")],
])  # fmt: skip
def test_an_optimizer_does_not_import_the_compiler(build, imported):
    """torch's own does: when this changes with a version of torch, `without_compiler` must change, or can go."""
    code = f"""import sys, torch
{build}
model = torch.nn.Linear(2, 2)
model(torch.ones(1, 2)).sum().backward()
optimizer = make(model)
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)"""
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert outcome.stdout.strip() == str(imported)
