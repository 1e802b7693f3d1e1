"""The gradients of one update: over several batches, and with less memory if there is not enough."""

import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mt.data.batch import Batch
from mt.errors import WorkFailed
from mt.runtime.distributed import World, sharded_modules, without_sync
from mt.runtime.logs import PROCESS_ONLY

log = logging.getLogger(__name__)


class OutOfMemory(Exception):
    """The memory does not suffice for one batch."""

    def __init__(self, index: int, is_awaited: bool) -> None:
        """Name the batch by its index among those of the update.

        Args:
            is_awaited: other processes take part in this batch, and none can repeat it by itself.
        """
        super().__init__(index)
        self.index = index
        self.is_awaited = is_awaited


def add_gradients(
    shared: nn.Module, batches: Sequence[Batch], seed: int, device: torch.device, world: World
) -> tuple[Tensor, Tensor]:
    """Add the gradients of the loss, summed over the target tokens of the batches of all processes.

    If there is not enough memory for a batch, all batches are tried again with that one divided in two: the sums are
    the same, except for dropout.

    Args:
        shared: the objective as the processes share it.
        seed: of dropout.

    Returns:
        The loss and the unsmoothed cross-entropy of this process, both summed over its target tokens.

    Raises:
        WorkFailed: there is not enough memory for a single pair, or it ran out while processes shared gradients or
            weights.
    """
    parts = list(batches)
    while True:
        torch.manual_seed(seed)
        try:
            return accumulate(shared, parts, device, world)
        except OutOfMemory as error:
            index, is_awaited = error.index, error.is_awaited
        shared.zero_grad(set_to_none=True)  # outside of the handler, which holds on to what the batch has allocated
        if device.type == "cuda":
            torch.cuda.empty_cache()
        too_large = parts[index]
        if is_awaited or len(too_large.src) == 1:
            raise WorkFailed(f"There is not enough memory for {describe(too_large)}. {smaller(too_large)}")
        log.warning(
            "There is not enough memory for %s: it is tried again in two halves. %s",
            describe(too_large), smaller(too_large), extra=PROCESS_ONLY,
        )  # fmt: skip
        parts[index : index + 1] = too_large.halves()


def accumulate(
    shared: nn.Module, batches: Sequence[Batch], device: torch.device, world: World
) -> tuple[Tensor, Tensor]:
    """Add the gradients of each batch, and return the sums of both losses.

    Raises:
        OutOfMemory: there is not enough memory for one of the batches; the gradients are of no use.
    """
    sums = torch.zeros(2, device=device)
    is_split = bool(sharded_modules(shared))
    for index, batch in enumerate(batches):
        is_last, is_awaited = index == len(batches) - 1, is_split
        try:
            with without_sync(shared, active=not is_last):
                loss_sum, nll_sum = shared(batch.to(device))
                is_awaited |= is_last and world.size > 1  # from here on, gradients are shared as soon as they are known
                # DDP and FSDP average the gradients, but the sum is needed.
                (loss_sum * world.size).backward()
                sums += torch.stack((loss_sum.detach(), nll_sum.detach()))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemory(index, is_awaited) from error
    return sums[0], sums[1]


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error means that memory is exhausted; on a CPU, torch has no class for it."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


def describe(batch: Batch) -> str:
    """Describe a batch by its size."""
    longest = max(batch.src.size(1), batch.tgt_in.size(1))
    return f"a batch of {len(batch.src):,} pairs of up to {longest:,} tokens"


def smaller(batch: Batch) -> str:
    """Advise on settings with which half of a batch is a whole one."""
    tokens = max(batch.src.numel(), batch.tgt_in.numel()) // 2
    return (
        f"For the same updates with less memory, set training.max_tokens={max(1, tokens)} and twice the "
        "training.accumulate, or training.gradient_checkpointing=true."
    )
