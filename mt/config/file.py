"""The configuration as a file and as `KEY=VALUE` overrides. It is data: no value is interpolated, no code is named."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mt.config.schema import Config
from mt.errors import UserError, suggest

TEXTS = ("search.required", "search.forbidden")
"""Lists of phrases."""


def save_config(config: Config, path: Path) -> None:
    """Write `config` as YAML."""
    path.write_text(OmegaConf.to_yaml(OmegaConf.structured(config)), encoding="utf-8")


def load_config(path: Path, overrides: list[str] | None = None) -> Config:
    """Read a configuration that `save_config` wrote, with `KEY=VALUE` overrides on top. No value is interpolated.

    Raises:
        UserError: the file is missing, damaged, or has keys or values that the schema does not know.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
        if not isinstance(values, dict) or "${" in text:
            raise UserError(f"{path} is no configuration that mt has written.")
        merged = OmegaConf.merge(OmegaConf.structured(Config), values)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: {path.parent} is no run folder of `mt train`.") from None
    except (OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from error
    for override in overrides or []:
        apply_override(merged, override)
    config = OmegaConf.to_object(merged)
    assert isinstance(config, Config)
    return config


def apply_override(config: Any, override: str) -> None:
    """Set one `section.key=value` in an OmegaConf configuration.

    Raises:
        UserError: the form, the key or the value is wrong; near names are suggested.
    """
    key, equals, value = override.partition("=")
    if not equals or "${" in value:
        raise UserError(f"'{override}' is not of the form KEY=VALUE, as in search.beam_size=5.")
    check_key(key)
    try:
        OmegaConf.update(config, key, read_value(key, value))
    except (OmegaConfBaseException, yaml.YAMLError) as error:
        raise UserError(f"{key}: {str(error).splitlines()[0]}") from error


def read_value(key: str, value: str) -> Any:
    """A value as YAML has it; in a list of texts, everything is one: `no` is a word there, and 10:30 a time of day."""
    if key not in TEXTS:
        return yaml.safe_load(value)
    texts = yaml.load(value, Loader=yaml.BaseLoader)
    if not isinstance(texts, list):
        raise UserError(f"{key}={value} must be a list: {key}='[{value}]'.")
    for text in texts:
        if not isinstance(text, str):
            raise UserError(f"{key}: {text} is no text; put the phrase in quotes.")
    return texts


def check_key(key: str) -> None:
    """Raise `UserError` with the nearest names where the configuration has no such (dotted) key."""
    section: Any = Config
    parts = re.sub(r"\[\d+\]", "", key).split(".")  # KEY[0] is an item of the list KEY
    for depth, part in enumerate(parts):
        if not is_dataclass(section):
            return
        known = {f.name: get_type_hints(section)[f.name] for f in fields(section)}
        if part not in known:
            place = ".".join(parts[:depth]) or "the configuration"
            raise UserError(f"There is no key '{key}'.{suggest(part, known)} {place} has: {', '.join(sorted(known))}.")
        section = known[part]
