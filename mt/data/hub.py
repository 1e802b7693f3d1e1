"""Tables read by the datasets library: data sets of the Hugging Face hub, and Parquet files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets import Dataset

from mt.config.corpora import HUB
from mt.data.context import SourceContext
from mt.data.readers import Pair
from mt.errors import UserError

FEATURES = datasets.Features({"src": datasets.Value("string"), "tgt": datasets.Value("string")})


def load_table(source: str, files: list[Path] | None, context: SourceContext) -> Dataset:
    """Load a table with all its columns: a Parquet file, or a data set of the hub if `files` is None."""
    if files is None:
        return load_hub(source, context)
    try:
        table = Dataset.from_parquet(str(files[0]), cache_dir=str(context.cache_dir))
    except (pa.ArrowException, OSError, UnicodeError, datasets.exceptions.DatasetGenerationError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk, not the file
            raise
        raise UserError(f"{files[0]} is not a Parquet file, or is damaged ({error}).") from error
    assert isinstance(table, Dataset)
    return table


def language_columns(table: Dataset, source: str, context: SourceContext) -> Dataset:
    """Return the language columns of a table, renamed to `src` and `tgt`."""
    langs = context.langs
    if "translation" in table.column_names:
        table = table.flatten()
        names = {f"translation.{lang}": lang for lang in langs}
        if set(names) <= set(table.column_names):
            table = table.rename_columns(names)
    missing = [lang for lang in langs if lang not in table.column_names]
    if missing:
        raise UserError(
            f"{context.key}: {source} has no column {' and no '.join(missing)}; it has "
            f"{', '.join(table.column_names)}. data.src_lang and data.tgt_lang name the columns."
        )
    renamed: Any = table.select_columns(list(langs)).rename_columns({langs[0]: "src", langs[1]: "tgt"})
    try:
        return renamed.cast(FEATURES)
    except (TypeError, ValueError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{context.key}: {source}: {' or '.join(langs)} is not a column of text ({reason}).") from error


def read_table(table: Dataset) -> Iterator[Pair]:
    """Yield the pairs of a table with the columns `src` and `tgt`; a cell without a value is an empty text."""
    try:
        for rows in table.iter(batch_size=10_000):
            yield from ((src or "", tgt or "") for src, tgt in zip(rows["src"], rows["tgt"], strict=True))
    except UnicodeDecodeError as error:
        raise UserError(f"The table has text that is not UTF-8 ({error.reason}): it is damaged.") from None


def load_hub(source: str, context: SourceContext) -> Dataset:
    """Load `hub:NAME[@REVISION][:CONFIG[:SPLIT]]`, by default the split of the context; NAME may be a local folder."""
    address, _, rest = source.removeprefix(HUB).partition(":")
    name, _, revision = address.partition("@")
    if Path(name).is_dir():
        name = str(Path(name).resolve())  # or a folder called csv would stand for a program of the datasets library
    elif "/" not in name:
        raise UserError(f"{context.key}: {source}: give OWNER/NAME of the hub, or a folder.")
    config, _, split = ("", "", rest) if re.match(r"\w+\[", rest) else rest.partition(":")  # a split: `train[:98%]`
    reversed_config = "-".join(config.split("-")[::-1])

    def load(config: str) -> Any:
        options: dict[str, Any] = {"cache_dir": str(context.cache_dir), "revision": revision or None}
        return datasets.load_dataset(name, config or None, split=split or context.split, **options)

    try:
        try:
            table = load(config)
        except ValueError as error:
            if config.count("-") != 1 or f"'{reversed_config}'" not in str(error):
                raise
            table = load(reversed_config)  # data sets name a pair of languages once, for both directions
    except ValueError as error:  # no such configuration or split: the message lists those that exist
        raise UserError(f"{context.key}: {source}: {error}") from error
    except (OSError, datasets.exceptions.DatasetsError, RuntimeError) as error:
        raise UserError(
            f"{context.key}: {source} could not be loaded ({str(error).splitlines()[0]}). Check the name and the "
            f"network. Without a network, run `hf download --repo-type dataset {name} --local-dir FOLDER` "
            f"elsewhere and give {context.key}=hub:FOLDER; or give text files as {context.key}=PREFIX."
        ) from error
    assert isinstance(table, Dataset)
    return table
