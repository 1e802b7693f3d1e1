"""Tables read by the datasets library: data sets of the Hugging Face hub, and Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset

from mt.data.context import HUB, SourceContext
from mt.data.readers import Pair
from mt.errors import UserError
from mt.runtime.progress import on_terminal

FEATURES = datasets.Features({"src": datasets.Value("string"), "tgt": datasets.Value("string")})

if not on_terminal():
    datasets.disable_progress_bars()


def load_table(source: str, files: list[Path] | None, context: SourceContext) -> Dataset:
    """Load a source that is a table, with all its columns.

    Args:
        files: the Parquet file, or None for a data set of the hub.

    Raises:
        UserError: it cannot be loaded.
    """
    if files is None:
        return load_hub(source, context)
    table = Dataset.from_parquet(str(files[0]), cache_dir=str(context.cache_dir))
    assert isinstance(table, Dataset)
    return table


def language_columns(table: Dataset, source: str, context: SourceContext) -> Dataset:
    """Return the language columns of a table, renamed to `src` and `tgt`.

    Raises:
        UserError: the table lacks a column.
    """
    langs = context.langs
    if "translation" in table.column_names:
        table = table.flatten().rename_columns({f"translation.{lang}": lang for lang in langs})
    missing = [lang for lang in langs if lang not in table.column_names]
    if missing:
        raise UserError(
            f"{context.key}: {source} has no column {' and no '.join(missing)}; it has "
            f"{', '.join(table.column_names)}. data.src_lang and data.tgt_lang name the columns."
        )
    renamed: Any = table.select_columns(list(langs)).rename_columns({langs[0]: "src", langs[1]: "tgt"})
    return renamed.cast(FEATURES)


def read_table(table: Dataset) -> Iterator[Pair]:
    """Yield the pairs of a table with the columns `src` and `tgt`."""
    for rows in table.iter(batch_size=10_000):
        yield from zip(rows["src"], rows["tgt"], strict=True)


@dataclass(frozen=True)
class HubName:
    """The parts of `hub:NAME[@REVISION][:CONFIG[:SPLIT]]`."""

    name: str
    revision: str | None
    config: str | None
    split: str | None

    @classmethod
    def parse(cls, source: str) -> HubName:
        """Split a source into its parts; a split may contain colons, such as `train[:98%]`."""
        address, _, rest = source.removeprefix(HUB).partition(":")
        name, _, revision = address.partition("@")
        config, _, split = rest.partition(":")
        return cls(name, revision or None, config or None, split or None)

    @property
    def reversed_config(self) -> str | None:
        """The configuration of two languages the other way round: data sets name a pair once, for both directions."""
        languages = (self.config or "").split("-")
        return "-".join(languages[::-1]) if len(languages) == 2 else None


def load_hub(source: str, context: SourceContext) -> Dataset:
    """Load the split for this context of a data set of the hub, or of a local folder of one.

    Raises:
        UserError: there is no such data set, configuration or split, or no network.
    """
    hub = HubName.parse(source)

    def load(config: str | None) -> Any:
        split, cache_dir = hub.split or context.split, str(context.cache_dir)
        return datasets.load_dataset(hub.name, config, split=split, cache_dir=cache_dir, revision=hub.revision)

    try:
        try:
            table = load(hub.config)
        except ValueError as error:
            if hub.reversed_config is None or f"'{hub.reversed_config}'" not in str(error):
                raise
            table = load(hub.reversed_config)
    except ValueError as error:  # no such configuration or split: the message lists those that exist
        raise UserError(f"{context.key}: {source}: {error}") from error
    except (OSError, datasets.exceptions.DatasetsError, RuntimeError) as error:
        raise UserError(
            f"{context.key}: {source} could not be loaded ({str(error).splitlines()[0]}). Check the name and the "
            f"network. Without a network, run `hf download --repo-type dataset {hub.name} --local-dir FOLDER` "
            f"elsewhere and give {context.key}=hub:FOLDER; or give text files as {context.key}=PREFIX."
        ) from error
    assert isinstance(table, Dataset)
    return table
