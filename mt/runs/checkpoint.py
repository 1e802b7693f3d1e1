"""Checkpoints: the model's weights and everything else that an exact resume needs.

All files are safetensors or JSON, so that loading executes no code.
"""

import json
import logging
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from mt.config.checks import check_file
from mt.data.sampler import DataPosition
from mt.errors import UserError
from mt.runs.layout import BEST_SCORES, CheckpointLayout, step_name, stored_steps, weights_name
from mt.runtime.checksums import SUMS, check_files, check_sum, record_files, replacing_recorded, write_recorded
from mt.runtime.distributed import shard_like, whole
from mt.runtime.files import remove, replacing

log = logging.getLogger(__name__)


@dataclass
class TrainState:
    """Everything that training depends on besides weights and optimizer."""

    step: int = 0
    epochs: float = 0.0
    """epochs completed, as a fraction"""
    data_position: DataPosition = field(default_factory=DataPosition)
    minutes: float = 0.0
    """minutes of training so far, over all starts"""
    best_score: float | None = None
    """comparison score of the best model; larger is better"""
    best_step: int = 0
    n_validations_since_best: int = 0
    validated_step: int = 0
    n_skipped: int = 0
    """steps that changed nothing, because their gradient was not finite"""
    n_skipped_in_a_row: int = 0
    """such steps since the last that changed something"""
    window: dict[str, float] = field(default_factory=dict)
    """sums over the steps since the last row of curves, so that the next row does not depend on a restart"""
    is_hopeless: bool = False
    """the best score is below the median of the other jobs of the sweep, see `mt.training.pruning`"""
    is_finished: bool = False
    """training has ended, and its test sets are scored"""


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copy a model's parameters by name, shared ones once; all processes must call this (`mt.runtime.distributed`)."""
    return {name: whole(p.detach()).contiguous().to("cpu", copy=True) for name, p in model.named_parameters()}


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write weights, by name, to a safetensors file."""
    with replacing_recorded(path) as temporary:
        write_tensors(weights, temporary)


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file that others may read as any other file; a refused write is an OSError."""
    path.touch()
    mode = path.stat().st_mode  # safetensors makes a new file that only its owner may read
    try:
        save_file(tensors, path)
        path.chmod(mode)
    except SafetensorError as error:
        code = re.search(r"\(os error (\d+)\)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error


def load_weights(model: nn.Module, path: Path) -> None:
    """Load weights into a model of the same shape."""
    tensors = read_tensors(path)
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise UserError(f"{path} holds numbers that are not finite: it is damaged, or its training has diverged.")
    set_weights(model, tensors, str(path))


def set_weights(model: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Give a model the weights `tensors`, by name; `origin` is where they come from, for error messages."""
    own = dict(model.named_parameters())
    if tensors.keys() != own.keys() or any(tensors[name].shape != own[name].shape for name in own):
        raise UserError(f"{origin} does not fit the model that config.yaml describes.")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(shard_like(tensors[name], parameter))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file."""
    check_file(path)
    check_sum(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}).") from error


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shape of each tensor of a safetensors file, from its header alone."""
    check_file(path)
    try:
        with safe_open(path, "pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}).") from error


class CheckpointStore:
    """The folder `checkpoints/` of a run: a folder for each saved step, of which the newest are kept."""

    def __init__(self, folder: Path, keep: int = 1) -> None:
        self.folder = folder
        self.keep = keep

    def paths(self) -> list[Path]:
        """Return the checkpoints, oldest first."""
        return stored_steps(self.folder)

    def save(
        self, state: TrainState, weights: dict[str, Tensor], optimizer: dict[str, Tensor], average: dict[str, Tensor]
    ) -> Path:
        """Write a checkpoint, with the moving average of the weights if any, then delete the oldest beyond `keep`."""
        path = self.folder / step_name(state.step)
        with replacing(path) as temporary:
            temporary.mkdir()
            layout = CheckpointLayout(temporary)
            write_tensors(weights, layout.weights)
            write_tensors(optimizer, layout.optimizer)
            if average:
                write_tensors(average, layout.average)
            layout.state.write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
            record_files(temporary)
        self.delete_old()
        return path

    def delete_old(self) -> None:
        """Delete the oldest checkpoints beyond `keep`, also those of a training that was killed before it did so."""
        for old in self.paths()[: -self.keep]:
            remove(old)

    def set_aside_damaged(self) -> bool:
        """Rename the newest checkpoints if they are damaged and an older one is not, so that training goes on there.

        Returns:
            Whether there were any.

        Raises:
            UserError: all are damaged.
        """
        damaged: list[tuple[Path, UserError]] = []
        for path in reversed(self.paths()):
            try:
                check_checkpoint(CheckpointLayout(path))
            except UserError as error:
                damaged.append((path, error))
                continue
            for other, reason in damaged:
                aside = other.with_name(f"damaged-{other.name}")
                remove(aside)
                other.rename(aside)
                log.warning("%s Training resumes from %s; the damaged checkpoint is now %s.", reason, path, aside)
            return bool(damaged)
        if damaged:
            path, reason = damaged[0]
            raise UserError(
                f"The checkpoint {path} cannot be used: {reason} There is no other that can. Restore it from a copy. "
                f"Delete that folder to start at the beginning, or its {SUMS} if only the sums are wrong."
            )
        return False

    def replace_state(self, state: TrainState) -> None:
        """Overwrite the state in the newest checkpoint, if there is one."""
        if self.paths():
            write_recorded(CheckpointLayout(self.paths()[-1]).state, json.dumps(asdict(state), indent=1))

    def latest_state(self) -> TrainState | None:
        """Return the state in the newest checkpoint; None if there is none, or if it is damaged."""
        try:
            return read_state(CheckpointLayout(self.paths()[-1]).state) if self.paths() else None
        except UserError:
            return None

    def load_latest(
        self, model: nn.Module, optimizer: Optimizer, average: dict[str, Tensor] | None = None
    ) -> TrainState | None:
        """Restore model, optimizer and `average` from the newest checkpoint; return None if there is none.

        Raises:
            UserError: the checkpoint is damaged.
        """
        if not self.paths():
            return None
        layout = CheckpointLayout(self.paths()[-1])
        try:
            state = read_state(layout.state)
            load_weights(model, layout.weights)
            unpack_optimizer(optimizer, read_tensors(layout.optimizer))
            if average is not None:
                tensors = read_tensors(layout.average)
                for name, tensor in average.items():
                    tensor.copy_(shard_like(tensors[name], tensor))
        except (UserError, KeyError, ValueError, RuntimeError) as error:
            raise UserError(f"The checkpoint {layout.folder} cannot be used: {error}") from error
        return state


class BestModels:
    """The folder `best/` of a run: the weights of the best validated models, for averaging."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep
        self.scores_path = folder / BEST_SCORES

    def paths(self) -> list[Path]:
        """Return the models' files, best first."""
        scores = self.scores()
        return [self.folder / name for name in sorted(scores, key=lambda name: scores[name], reverse=True)]

    def scores(self) -> dict[str, float]:
        """Return the score of each file by its name; larger is better."""
        try:
            check_sum(self.scores_path)
            return dict(json.loads(self.scores_path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (UserError, ValueError) as error:
            raise UserError(f"{error} Delete {self.folder}: training can resume without it.") from error

    def offer(self, step: int, score: float, weights: dict[str, Tensor]) -> None:
        """Keep the weights after `step` if they are among the best."""
        if not self.keep:
            return
        name = weights_name(step)
        scores = self.scores() | {name: score}
        kept = sorted(scores, key=lambda name: scores[name], reverse=True)[: self.keep]
        if name in kept:
            save_weights(weights, self.folder / name)
        write_recorded(self.scores_path, json.dumps({name: scores[name] for name in kept}, indent=1))
        for path in stored_steps(self.folder):
            if path.name not in kept:
                remove(path)


def check_checkpoint(layout: CheckpointLayout) -> None:
    """Raise `UserError` if a checkpoint is damaged."""
    check_files(layout.folder)
    read_state(layout.state)
    for path in (layout.weights, layout.optimizer):
        read_shapes(path)


def read_state(path: Path) -> TrainState:
    """Read the state of a training run."""
    try:
        check_sum(path)
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values["data_position"] = DataPosition(**values["data_position"])
        return TrainState(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is missing or damaged ({type(error).__name__}: {error}).") from error


def pack_optimizer(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's state as whole tensors named `INDEX.NAME`; its settings come from the configuration.

    They are on the CPU: one after the other, so that with `fsdp` no GPU has to hold all of them.
    """
    return {
        f"{index}.{name}": whole(value).contiguous().cpu()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def unpack_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore the state that `pack_optimizer` returned."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = shard_like(value, parameters[int(index)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
