"""The context in which a source is read."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub.constants import HF_HOME

from mt.config.corpora import TrainingSource
from mt.config.data import DataConfig


@dataclass(frozen=True)
class SourceContext:
    """The languages and the split to read, and the configuration key to name in errors."""

    key: str
    """the configuration key that names the source, for error messages"""
    split: str
    """the split to read of a data set that has several: train, validation or test"""
    src_lang: str
    tgt_lang: str
    cache_dir: Path
    columns: tuple[str, ...] | None = None
    """the columns of files with tabs; None: as `data.columns` describes"""

    @property
    def langs(self) -> tuple[str, str]:
        """Source and target language."""
        return self.src_lang, self.tgt_lang


def source_context(data: DataConfig, key: str, split: str) -> SourceContext:
    """Return the context of the sources under the configuration key `data.<key>`."""
    cache_dir = data.cache_dir or Path(os.environ.get("HF_DATASETS_CACHE", f"{HF_HOME}/datasets")) / "mt"
    return SourceContext(f"data.{key}", split, data.src_lang, data.tgt_lang, Path(cache_dir), columns_of(data.columns))


def training_context(data: DataConfig, source: TrainingSource) -> SourceContext:
    """Return the context of an entry of `data.train`."""
    context = source_context(data, "train", "train")
    langs = (source.src_lang or data.src_lang, source.tgt_lang or data.tgt_lang)
    common = context.columns if context.columns and set(langs) <= set(context.columns) else None
    return replace(context, src_lang=langs[0], tgt_lang=langs[1], columns=columns_of(source.columns) or common)


def columns_of(names: list[str] | None) -> tuple[str, ...] | None:
    """Return names of columns as a tuple."""
    return None if names is None else tuple(names)
