"""The device to compute on, and the precision that is faster there."""

import time

import torch

from mt.config.choices import Precision
from mt.errors import UserError


def choose_device(name: str = "auto", local_rank: int | None = None) -> torch.device:
    """Return the named device; "auto" is the first GPU, or the one of this process, or the CPU if there is none.

    Raises:
        UserError: this machine has no such device, or all of several processes would use the same GPU.
    """
    if local_rank is not None and name.startswith("cuda:"):
        raise UserError(f"training.device={name} would put all processes on one GPU: training.device=cuda does not.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{local_rank or 0}"  # torch.cuda.set_device needs the number
    try:
        device = torch.device(name)
        if device.type == "meta":  # which computes nothing
            raise RuntimeError
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        here += ["mps"] if torch.backends.mps.is_available() else []
        raise UserError(f"There is no device '{name}'. Available: {', '.join(['cpu', *here])}.") from error
    if device.type == "cuda":
        # On an H100, torch prefers cuDNN's attention, which builds a plan for each new shape of a batch. That takes
        # longer than the rest of a step, and batches have thousands of shapes.
        torch.backends.cuda.enable_cudnn_sdp(False)
    return device


def chooses_bf16(precision: Precision, device: torch.device) -> bool:
    """Return whether to compute in bfloat16; "auto" does so if it is faster on this device."""
    return bf16_is_faster(device) if precision is Precision.auto else precision is Precision.bf16


def bf16_is_faster(device: torch.device) -> bool:
    """Return whether bfloat16 matrix products take at most two thirds of float32's time; measured on a CPU."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.ones(256, 256, dtype=dtype)
        times = []
        for _ in range(4):
            start = time.perf_counter()
            a @ a
            times.append(time.perf_counter() - start)
        seconds[dtype] = min(times)
    return seconds[torch.bfloat16] < seconds[torch.float32] * 2 / 3
