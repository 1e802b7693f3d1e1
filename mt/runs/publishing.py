"""A copy of a run's model for others: complete, and without what concerns the machine that trained it alone."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mt.config.corpora import public_name
from mt.config.facts import keys_where
from mt.config.file import load_config, save_config
from mt.config.schema import Config
from mt.errors import UserError
from mt.runs.layout import RunLayout
from mt.runs.record import format_starts, read_starts
from mt.runtime.checksums import check_sum, record_files

log = logging.getLogger(__name__)


def publish(run: RunLayout, folder: Path, with_quality: bool) -> None:
    """Copy the model of a run and its card into a new folder, and its estimates of quality if wanted.

    Raises:
        UserError: there is no model, or a file is damaged.
    """
    config = load_config(run.config)
    files = [run.weights, *run.tokenizer(config.tokenizer.joint), *([run.quality] if with_quality else [])]
    if not run.weights.is_file():
        raise UserError(f"{run.weights} is missing: there is no model to publish yet.")
    folder.mkdir()
    for file in files:
        check_sum(file)
    for file in (*files, run.card):  # the card may have been edited
        if file.exists():
            shutil.copyfile(file, folder / file.name)
    for key in ("terminology", "reverse"):
        if getattr(config.search, key) is not None:
            log.warning("search.%s is not published; scores and qualities are of translations that it changed.", key)
    starts = [replace(start, command="") for start in read_starts(run.config)]  # commands name files, too
    save_config(without_folders(config), folder / run.config.name, format_starts(starts) if starts else "")
    record_files(folder)


def without_folders(config: Config) -> Config:
    """Return a configuration that names corpora without their folders, and no file that translating would read."""
    values = OmegaConf.structured(config)
    for key in keys_where("names_files", Config, default=False):
        OmegaConf.update(values, key, public_names(OmegaConf.select(values, key)), merge=False)
    values.search.terminology = values.search.reverse = None
    published = OmegaConf.to_object(values)
    assert isinstance(published, Config)
    return published


def public_names(value: Any) -> Any:
    """Return a value of the configuration with the names of its sources alone."""
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value)
    if isinstance(value, dict):
        return {key: public_names(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [public_names(inner) for inner in value]
    return public_name(value) if isinstance(value, str) else value
