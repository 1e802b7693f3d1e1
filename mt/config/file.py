"""The configuration as a file and as `KEY=VALUE` overrides. It is plain data, without interpolation or code."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mt.config.checks import check_file
from mt.config.facts import keys_where
from mt.config.schema import Config
from mt.config.search import SearchConfig
from mt.errors import UserError, suggest

MAX_BYTES = 1 << 20
"""largest configuration file; those with many corpora have some thousands"""
RECORD = "record"
"""key of a configuration file that is not part of the configuration: how the run was made (`mt.runs.record`)"""

TAGS = {f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")}


class PlainLoader(yaml.SafeLoader):
    """Reads YAML as `save_config` writes it: plain values, and no aliases, which make a small file endless data."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Refuse values other than mappings, lists, texts and numbers, such as dates."""
        if node.tag not in TAGS:
            raise yaml.YAMLError(f"{node.tag} is not allowed")
        return super().construct_object(node, deep)

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


def has_interpolation(value: Any) -> bool:
    """Return whether a key or value contains `${`, which OmegaConf would replace, by a secret of the user's perhaps.

    The text of the file does not show it: YAML can write `$` as `\\x24`.
    """
    if isinstance(value, dict):
        return any(has_interpolation(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(map(has_interpolation, value))
    return isinstance(value, str) and "${" in value


def save_config(config: Config, path: Path, record: str = "") -> None:
    """Write a configuration as YAML, and at its end the key `record`."""
    path.write_text(OmegaConf.to_yaml(OmegaConf.structured(config)) + record, encoding="utf-8")


def load_config(path: Path, overrides: list[str] | None = None) -> Config:
    """Read a configuration that `save_config` wrote, and apply `KEY=VALUE` overrides. No value is interpolated.

    Raises:
        UserError: the file is missing or damaged, or has keys or values that the schema does not know; the message
            names the file, or else the key of the override.
    """
    values = read_values(path)
    values.pop(RECORD, None)
    try:
        merged = OmegaConf.merge(OmegaConf.structured(Config), values)
        config = to_config(merged)
    except (OmegaConfBaseException, UserError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from error
    if not overrides:
        return config
    for override in overrides:
        apply_override(merged, override)
    return to_config(merged)


def to_config(values: Any) -> Config:
    """Make the dataclasses of an OmegaConf configuration, which check their values."""
    try:
        config = OmegaConf.to_object(values)
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise UserError(str(error).splitlines()[0]) from error
    assert isinstance(config, Config)
    return config


def read_values(path: Path) -> dict[Any, Any]:
    """Read the plain values of a configuration file.

    Raises:
        UserError: the file is missing or damaged, or has anything but plain values.
    """
    if not path.exists():
        raise UserError(f"{path} is missing: {path.parent} is not a run folder of `mt train`.")
    check_file(path, MAX_BYTES)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from error
    if not isinstance(values, dict) or has_interpolation(values):
        raise UserError(f"{path} is not a configuration that mt has written.")
    return values


def flatten(config: Config) -> dict[str, Any]:
    """Return every value of a configuration under its dotted key; enums by name."""
    flat: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            flat[prefix] = value

    walk("", OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True))
    return flat


def apply_override(config: Any, override: str) -> None:
    """Set one `section.key=value` in an OmegaConf configuration."""
    key, equals, value = override.partition("=")
    if not equals:
        raise UserError(f"'{override}' is not of the form KEY=VALUE, such as search.beam_size=5.")
    check_key(key)
    if "${" in value:
        raise UserError(f"{key}: a value must not contain '${{'.")
    try:
        OmegaConf.update(config, key, read_value(key, value))
    except yaml.YAMLError as error:
        raise UserError(f"{key}: '{value}' is not YAML: close the bracket, or quote the text.") from error
    except (OmegaConfBaseException, ValueError, RecursionError) as error:
        raise UserError(f"{key}: {str(error).splitlines()[0]}") from error


def read_value(key: str, value: str) -> Any:
    """Parse a value as YAML; in a list of phrases everything is text, such as `no` and 10:30."""
    if key not in keys_where("holds_text", SearchConfig, "search.", default=False):
        return yaml.safe_load(value)
    phrases = yaml.load(value, Loader=yaml.BaseLoader)
    if not isinstance(phrases, list):
        raise UserError(f"{key}={value} must be a list: {key}='[{value}]'.")
    for phrase in phrases:
        if not isinstance(phrase, str):
            raise UserError(f"{key}: {phrase} is not text; put the phrase in quotes.")
    return phrases


def check_key(key: str) -> None:
    """Raise `UserError` with the closest names if the configuration has no such (dotted) key."""
    section: Any = Config
    parts = re.sub(r"\[\d+\]", "", key).split(".")  # KEY[0] is an item of the list KEY
    for depth, part in enumerate(parts):
        if not is_dataclass(section):
            return
        known = {f.name: get_type_hints(section)[f.name] for f in fields(section)}
        if part not in known:
            parent = ".".join(parts[:depth]) or "The configuration"
            raise UserError(f"There is no key '{key}'.{suggest(part, known)} {parent} has: {', '.join(sorted(known))}.")
        section = known[part]
