"""Several processes that train one model: who is who, sums over all, and the model's gradients or parts shared out.

`torchrun` starts the processes and tells each its place in environment variables; without it there is one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")
PATIENCE = timedelta(days=1)
"""How long one waits for another: rank 0 may prepare a large corpus. `torchrun` ends all when one dies."""


class StoppedElsewhere(Exception):
    """Another process has failed, and has said why."""


@dataclass(frozen=True)
class World:
    """The processes that train together, as one of them sees it. All of them call each method here, or none."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """among the processes of this machine"""
    control: Any = None
    """a gloo group for numbers that are on the CPU, so that no GPU is waited for"""

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each of some numbers, summed over all processes."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total, group=self.control)
        return total.tolist()

    def gather(self, value: T) -> list[T]:
        """What each process has, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.control)
        return values

    def wait(self) -> None:
        """Until all are here."""
        if self.size > 1:
            dist.barrier(group=self.control)

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Within this context rank 0 goes first, then the first of each other machine, then the others.

        What the first makes, the later ones find ready in the run folder and on their disk.

        Raises:
            StoppedElsewhere: a process has failed in its turn, or before it.
        """
        turn = 0 if self.rank == 0 else 1 if self.local_rank == 0 else 2
        for _ in range(turn):
            self._end_turn()
        try:
            yield
        except BaseException:
            self.sum([1.0])  # tells the others
            raise
        for _ in range(3 - turn):
            self._end_turn()

    @contextmanager
    def all_at_once(self) -> Iterator[None]:
        """Within this context each does its share; none goes on before all have.

        Raises:
            StoppedElsewhere: another process has failed.
        """
        try:
            yield
        except BaseException:
            self.sum([1.0])
            raise
        self._end_turn()

    def _end_turn(self) -> None:
        if self.sum([0.0])[0]:
            raise StoppedElsewhere


ALONE = World()


@cache
def start_world(use_gpu: bool) -> World:
    """Join the other processes that `torchrun` has started; without it there are none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not {"RANK", "LOCAL_RANK", "MASTER_ADDR"} <= os.environ.keys():  # a cluster's own variable, perhaps
        return ALONE
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    if not dist.is_initialized():
        store, _, _ = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
        if os.environ.get("GROUP_WORLD_SIZE") == "1":
            # On one machine torchrun's store outlives a restart (pytorch issue 135712): leave old addresses alone.
            store = dist.PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)  # type: ignore[attr-defined]
        backend = "nccl" if use_gpu else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    control = dist.new_group(backend="gloo", timeout=PATIENCE) if use_gpu else dist.group.WORLD
    return World(rank, size, local_rank, control)


def distribute(
    module: nn.Module, layers: Sequence[nn.Module], strategy: str, world: World, drops_layers: bool = False
) -> nn.Module:
    """Let the processes share the training of `module`: "ddp" has a whole copy in each, "fsdp" a part of each layer.

    With "fsdp" the parameters of `module` become parts of themselves in place. `drops_layers`: in some steps some
    parameters have no part in the loss ("ddp" only).
    """
    if world.size == 1:
        return module
    if strategy == "ddp":
        return DistributedDataParallel(module, gradient_as_bucket_view=True, find_unused_parameters=drops_layers)
    from torch.distributed.fsdp import fully_shard  # here and below: takes longer to import than all of mt

    for layer in layers:
        fully_shard(layer)
    fully_shard(module)  # changes the module itself
    return module


def sharded_parts(module: nn.Module) -> list[Any]:
    """The parts of a module, itself first, that "fsdp" shares out; none without it."""
    if "torch.distributed.fsdp" not in sys.modules:
        return []
    from torch.distributed.fsdp import FSDPModule

    return [part for part in module.modules() if isinstance(part, FSDPModule)]


def without_sync(module: nn.Module, active: bool) -> AbstractContextManager[None]:
    """While `active`, gradients are only added up in each process; the backward pass after it shares them all."""
    if parts := sharded_parts(module):
        parts[0].set_requires_gradient_sync(not active)
    elif active and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@contextmanager
def gathered(module: nn.Module) -> Iterator[None]:
    """Within this context each process has the whole parameters of a module that it otherwise has a part of."""
    parts = sharded_parts(module)
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(part is not module, recurse=False)  # as `fully_shard` leaves them
            part.reshard()


def is_part(tensor: Tensor) -> bool:
    """Whether other processes hold the rest of this tensor."""
    return type(tensor) not in (Tensor, nn.Parameter)


def whole(tensor: Tensor) -> Tensor:
    """A tensor with the parts that the other processes hold; all of them must ask."""
    return tensor.full_tensor() if is_part(tensor) else tensor  # type: ignore[attr-defined]


def part_like(tensor: Tensor, like: Tensor) -> Tensor:
    """The part of a whole tensor that this process holds, shared out as `like` is."""
    if not is_part(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
