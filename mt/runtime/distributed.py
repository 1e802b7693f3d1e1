"""Several processes that train one model: ranks, sums over all processes, and how gradients or weights are shared.

`torchrun` starts the processes and describes each in environment variables. Without it, there is one process.
"""

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

from mt.config.choices import Strategy
from mt.errors import StoppedElsewhere

T = TypeVar("T")
PATIENCE = timedelta(days=1)
"""the time for which a process waits for another: rank 0 may prepare a large corpus; torchrun ends all if one dies"""


@dataclass(frozen=True)
class World:
    """The processes that train together, seen from one of them. Every process must call each method, or none."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """rank among the processes of this machine"""
    control: Any = None
    """a gloo group for numbers on the CPU, so that no process waits for a GPU"""

    @property
    def is_main(self) -> bool:
        """True in the process that writes and reports."""
        return self.rank == 0

    def sum(self, values: Sequence[float]) -> list[float]:
        """Sum each of the numbers over all processes."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total, group=self.control)
        return total.tolist()

    def gather(self, value: T) -> list[T]:
        """Return the value of each process, by rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.control)
        return values

    def wait(self) -> None:
        """Block until every process has reached this point."""
        if self.size > 1:
            dist.barrier(group=self.control)

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """Run the block in rank 0, then in the first process of each other machine, then in the rest.

        Later processes find what the earlier ones wrote to the run folder and to their disk.

        Raises:
            StoppedElsewhere: a process failed in its turn or before it.
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
        """Run the block in all processes together; none continues before all have finished it."""
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
    """Join the processes that `torchrun` has started; return a world of one process without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not {"RANK", "LOCAL_RANK", "MASTER_ADDR"} <= os.environ.keys():  # WORLD_SIZE of a cluster, perhaps
        return ALONE
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    if not dist.is_initialized():
        store, _, _ = next(dist.rendezvous("env://", timeout=PATIENCE))  # type: ignore[attr-defined]
        if os.environ.get("GROUP_WORLD_SIZE") == "1":
            # On one machine torchrun's store outlives a restart (pytorch issue 135712): ignore its old addresses.
            store = dist.PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)  # type: ignore[attr-defined]
        backend = "nccl" if use_gpu else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    control = dist.new_group(backend="gloo", timeout=PATIENCE) if use_gpu else dist.group.WORLD
    return World(rank, size, local_rank, control)


def distribute(
    module: nn.Module, layers: Sequence[nn.Module], strategy: Strategy, world: World, drops_layers: bool = False
) -> nn.Module:
    """Return `module` prepared for training by all processes; call the result instead of `module`.

    Args:
        layers: the units that fsdp splits.
        strategy: ddp keeps a whole copy in each process; fsdp splits every layer and turns the parameters of `module`
            into shards in place.
        drops_layers: True if some parameters take no part in the loss of some steps (ddp only).
    """
    if world.size == 1:
        return module
    if strategy is Strategy.ddp:
        return DistributedDataParallel(
            module,
            gradient_as_bucket_view=True,
            find_unused_parameters=drops_layers,
            broadcast_buffers=False,  # the only buffers are sinusoids, which a process extends as it needs them
        )
    from torch.distributed.device_mesh import init_device_mesh  # here and below: slower to import than all of mt
    from torch.distributed.fsdp import fully_shard

    # The processes would otherwise take the GPUs of the machine, even if the module is on the CPU.
    mesh = init_device_mesh(next(module.parameters()).device.type, (world.size,))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(module, mesh=mesh)  # changes the module itself
    return module


def sharded_modules(module: nn.Module) -> list[Any]:
    """Return the modules that "fsdp" has split, `module` itself first; an empty list without it."""
    if "torch.distributed.fsdp" not in sys.modules:
        return []
    from torch.distributed.fsdp import FSDPModule

    return [part for part in module.modules() if isinstance(part, FSDPModule)]


def without_sync(module: nn.Module, active: bool) -> AbstractContextManager[None]:
    """While `active`, only accumulate gradients in each process; the next backward pass shares the sum."""
    if sharded := sharded_modules(module):
        sharded[0].set_requires_gradient_sync(not active)
    elif active and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return nullcontext()


@contextmanager
def gathered(module: nn.Module) -> Iterator[None]:
    """Give each process the whole parameters of a module, of which it otherwise holds a shard, within this context."""
    sharded = sharded_modules(module)
    if sharded:
        sharded[0]._get_fsdp_state()._lazy_init()  # before a part of it runs by itself
    for part in sharded:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in sharded:
            part.set_reshard_after_forward(part is not module, recurse=False)  # as `fully_shard` leaves them
            part.reshard()


def is_shard(tensor: Tensor) -> bool:
    """Return whether other processes hold the rest of this tensor."""
    return type(tensor) not in (Tensor, nn.Parameter)


def whole(tensor: Tensor) -> Tensor:
    """Return the whole tensor, gathered from all processes, all of which must call this."""
    return tensor.full_tensor() if is_shard(tensor) else tensor  # type: ignore[attr-defined]


def shard_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Return this process's shard of a whole tensor, split as `like` is."""
    if not is_shard(like) or tensor.shape != like.shape:
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(like, DTensor)
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
