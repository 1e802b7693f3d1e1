"""The choice of the device: a function of what torch reports, so that it can be tested without a GPU."""

import pytest
import torch

from mt.errors import UserError
from mt.runtime.devices import choose_device


@pytest.fixture
def gpus(monkeypatch):
    """Let torch report two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, device=None: empty(*size))


@pytest.mark.parametrize(
    ("name", "local_rank", "expected"),
    [("auto", None, "cuda:0"), ("cuda", None, "cuda:0"), ("auto", 1, "cuda:1"), ("cuda", 1, "cuda:1"),
     ("cuda:1", None, "cuda:1"), ("cpu", None, "cpu"), ("cpu", 1, "cpu")],
)  # fmt: skip
def test_a_gpu_has_a_number(gpus, name, local_rank, expected):
    """torch.cuda.set_device needs it."""
    assert str(choose_device(name, local_rank)) == expected


def test_attention_needs_no_plan_for_each_shape(gpus):
    """cuDNN's would, and each step of a training has a batch of another shape."""
    torch.backends.cuda.enable_cudnn_sdp(True)
    choose_device("cpu")
    assert torch.backends.cuda.cudnn_sdp_enabled()
    choose_device("cuda")
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_several_processes_do_not_share_a_gpu(gpus):
    with pytest.raises(UserError, match="would put all processes on one GPU"):
        choose_device("cuda:0", 1)


def test_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert str(choose_device()) == "cpu"
    for name in ("nonsense", "meta"):
        with pytest.raises(UserError, match=f"There is no device '{name}'"):
            choose_device(name)
