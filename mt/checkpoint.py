"""Saving and loading: the model's weights, and all that going on exactly with training needs.

Everything is safetensors or JSON: loading executes no code.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from mt.errors import UserError
from mt.storage import remove, replacing


@dataclass
class TrainState:
    """Where training is; with weights, optimizer and random generators, all that it depends on."""

    step: int = 0
    epoch: int = 0
    cursor: int = 0
    minutes: float = 0.0
    """of training so far, over all starts"""
    best_score: float | None = None
    """of early stopping's metric, larger is better"""
    best_step: int = 0
    n_validations_since_best: int = 0
    validated_step: int = 0


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's parameters; a shared one once."""
    with replacing(path) as temporary:
        save_file({name: p.detach().contiguous() for name, p in model.named_parameters()}, temporary)


def load_weights(model: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote into a model of the same shape.

    Raises:
        UserError: the file is missing, damaged, or of another model.
    """
    tensors = read_tensors(path)
    own = dict(model.named_parameters())
    if tensors.keys() != own.keys() or any(tensors[name].shape != own[name].shape for name in own):
        raise UserError(f"{path} holds another model than config.yaml describes.")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path} is missing.") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}).") from error


class CheckpointStore:
    """The folder `checkpoints/` of a run: a folder a step, of which the newest are kept."""

    def __init__(self, folder: Path, keep: int = 1) -> None:
        self.folder = folder
        self.keep = keep

    def paths(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*"))

    def save(self, state: TrainState, model: nn.Module, optimizer: Optimizer) -> Path:
        """Write a checkpoint, then delete those that are too many."""
        path = self.folder / f"step-{state.step:09d}"
        with replacing(path) as temporary:
            temporary.mkdir()
            save_weights(model, temporary / "model.safetensors")
            save_file(pack_optimizer(optimizer) | random_states(), temporary / "optimizer.safetensors")
            (temporary / "state.json").write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
        for old in self.paths()[: -self.keep]:
            remove(old)
        return path

    def load_latest(self, model: nn.Module, optimizer: Optimizer) -> TrainState | None:
        """Restore model, optimizer and random generators from the newest checkpoint; None where there is none.

        Raises:
            UserError: the checkpoint is damaged.
        """
        if not self.paths():
            return None
        path = self.paths()[-1]
        try:
            state = read_state(path / "state.json")
            load_weights(model, path / "model.safetensors")
            tensors = read_tensors(path / "optimizer.safetensors")
            restore_random_states(tensors)
            unpack_optimizer(optimizer, tensors)
        except (UserError, KeyError, ValueError, RuntimeError) as error:
            others = f"the one before it, {self.paths()[-2]}" if len(self.paths()) > 1 else "the beginning"
            raise UserError(
                f"The checkpoint {path} cannot be used: {error} Delete that folder to go on from {others}."
            ) from error
        return state


def read_state(path: Path) -> TrainState:
    """Read `state.json`."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return TrainState(**{field.name: values[field.name] for field in fields(TrainState)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is missing or damaged ({type(error).__name__}: {error}).") from error


def pack_optimizer(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as tensors named `INDEX.NAME`. Its settings come from the configuration."""
    return {
        f"{index}.{name}": value.contiguous()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def unpack_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore what `pack_optimizer` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        if index.isdigit():
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def random_states() -> dict[str, Tensor]:
    """The states of torch's generators."""
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random.cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random_states(tensors: dict[str, Tensor]) -> None:
    """Set the generators to the states that `random_states` gave."""
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available() and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"])
