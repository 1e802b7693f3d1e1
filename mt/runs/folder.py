"""Whether a run folder belongs to the configuration at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mt.config.file import load_config
from mt.config.schema import Config
from mt.errors import UserError

FREE_TO_CHANGE = (
    "name",
    "run_dir",
    "search.",
    "data.test",
    "data.cache_dir",
    "training.max_steps",
    "training.max_epochs",
    "training.max_minutes",
    "training.early_stopping.patience",
    "training.early_stopping.prune_after",
    "training.valid_every_steps",
    "training.checkpoint_every_steps",
    "training.log_every_steps",
    "training.keep_checkpoints",
    "training.n_samples",
    "training.profile_steps",
    "training.device",
    "training.accumulate",
    "training.batches_per_step",
    "training.strategy",
    "training.compile",
    "training.gradient_checkpointing",
    "training.average_best",
)
"""Keys that may differ when training goes on: limits, reports, and who does how much of a step."""


def flatten(config: Config) -> dict[str, Any]:
    """Every value of a configuration under its dotted key."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            flat[prefix] = value

    walk("", OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True))
    return flat


def check_free(folder: Path) -> None:
    """Raise `UserError` if there is something in a folder that is to be written, or a file in its place."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already: give the name of a folder that is not.")


def check_run_folder(run: Path, config: Config) -> None:
    """Do nothing if the folder is free or its run was started with this configuration.

    Raises:
        UserError: it holds another run; the keys that differ are named.
    """
    if not run.exists():
        return
    if not run.is_dir():
        raise UserError(f"run_dir={run} is a file: give another name=… or run_dir=….")
    if not (run / "config.yaml").exists():
        if any(run.iterdir()):
            raise UserError(f"run_dir={run} is a folder with other things in it: give another name=… or run_dir=….")
        return
    old, new = flatten(load_config(run / "config.yaml")), flatten(config)
    differing = [
        key
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(FREE_TO_CHANGE)
    ]
    if differing:
        table = "\n".join(f"  {key}: {old.get(key)} there, {new.get(key)} now" for key in differing)
        raise UserError(
            f"{run} holds a run with another configuration:\n{table}\n"
            f"To go on with it, give its values; to train anew, give another name=… or delete {run}."
        )
