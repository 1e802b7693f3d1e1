"""Saving and loading: the model's weights, and all that going on exactly with training needs.

Everything is safetensors or JSON: loading executes no code.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from mt.data.sampler import Place
from mt.errors import UserError
from mt.runtime.distributed import part_like, whole
from mt.runtime.files import remove, replacing, write_text


@dataclass
class TrainState:
    """Where training is; with weights and optimizer, all that it depends on."""

    step: int = 0
    place: Place = field(default_factory=Place)
    """in the order of batches"""
    minutes: float = 0.0
    """of training so far, over all starts"""
    best_score: float | None = None
    """of early stopping's metric, larger is better"""
    best_step: int = 0
    n_validations_since_best: int = 0
    validated_step: int = 0


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's parameters by name, a shared one once. All processes must ask, see `mt.runtime.distributed.whole`."""
    return {name: whole(p.detach()).contiguous().to("cpu", copy=True) for name, p in model.named_parameters()}


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write tensors by name."""
    with replacing(path) as temporary:
        save_file(weights, temporary)


def load_weights(model: nn.Module, path: Path) -> None:
    """Read the weights of a model of the same shape.

    Raises:
        UserError: the file is missing, damaged, or of another model.
    """
    set_weights(model, read_tensors(path), str(path))


def set_weights(model: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Give a model the weights `tensors`, by name.

    Raises:
        UserError: they are of another model; `origin` says where they come from.
    """
    own = dict(model.named_parameters())
    if tensors.keys() != own.keys() or any(tensors[name].shape != own[name].shape for name in own):
        raise UserError(f"{origin} holds another model than config.yaml describes.")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(part_like(tensors[name], parameter))


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

    def save(self, state: TrainState, weights: dict[str, Tensor], others: dict[str, dict[str, Tensor]]) -> Path:
        """Write a checkpoint, `weights` and the `others` a file each; then delete those that are too many."""
        path = self.folder / f"step-{state.step:09d}"
        with replacing(path) as temporary:
            temporary.mkdir()
            for name, tensors in {"model": weights, **others}.items():
                save_file(tensors, temporary / f"{name}.safetensors")
            (temporary / "state.json").write_text(json.dumps(asdict(state), indent=1), encoding="utf-8")
        for old in self.paths()[: -self.keep]:
            remove(old)
        return path

    def replace_state(self, state: TrainState) -> None:
        """Correct the state in the newest checkpoint."""
        if self.paths():
            write_text(self.paths()[-1] / "state.json", json.dumps(asdict(state), indent=1))

    def load_latest(
        self, model: nn.Module, optimizer: Optimizer, average: dict[str, Tensor] | None = None
    ) -> TrainState | None:
        """Restore model, optimizer and `average` from the newest checkpoint; None where there is none.

        Raises:
            UserError: the checkpoint is damaged.
        """
        if not self.paths():
            return None
        path = self.paths()[-1]
        try:
            state = read_state(path / "state.json")
            load_weights(model, path / "model.safetensors")
            unpack_optimizer(optimizer, read_tensors(path / "optimizer.safetensors"))
            if average is not None:
                tensors = read_tensors(path / "average.safetensors")
                for name, tensor in average.items():
                    tensor.copy_(part_like(tensors[name], tensor))
        except (UserError, KeyError, ValueError, RuntimeError) as error:
            others = f"the one before it, {self.paths()[-2]}" if len(self.paths()) > 1 else "the beginning"
            raise UserError(
                f"The checkpoint {path} cannot be used: {error} Delete that folder to go on from {others}."
            ) from error
        return state


class BestModels:
    """The folder `best/` of a run: the weights of the best validated models, for averaging."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def paths(self) -> list[Path]:
        """Their files, best first."""
        scores = self.scores()
        return [self.folder / name for name in sorted(scores, key=lambda name: scores[name], reverse=True)]

    def scores(self) -> dict[str, float]:
        """File name -> score, larger is better."""
        try:
            return dict(json.loads((self.folder / "scores.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise UserError(f"{self.folder / 'scores.json'} is damaged ({error}): delete {self.folder}.") from error

    def offer(self, step: int, score: float, weights: dict[str, Tensor]) -> None:
        """Keep the weights after `step` if they are among the best."""
        if not self.keep:
            return
        scores = self.scores() | {f"step-{step:09d}.safetensors": score}
        kept = sorted(scores, key=lambda name: scores[name], reverse=True)[: self.keep]
        if f"step-{step:09d}.safetensors" in kept:
            save_weights(weights, self.folder / f"step-{step:09d}.safetensors")
        write_text(self.folder / "scores.json", json.dumps({name: scores[name] for name in kept}, indent=1))
        for path in self.folder.glob("step-*"):
            if path.name not in kept:
                remove(path)


def read_state(path: Path) -> TrainState:
    """Read `state.json`."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values["place"] = Place(**values["place"])
        return TrainState(**{field.name: values[field.name] for field in fields(TrainState)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is missing or damaged ({type(error).__name__}: {error}).") from error


def pack_optimizer(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as whole tensors named `INDEX.NAME`. Its settings come from the configuration."""
    return {
        f"{index}.{name}": whole(value).contiguous()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if value is not None
    }


def unpack_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore what `pack_optimizer` gave."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = part_like(value, parameters[int(index)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
