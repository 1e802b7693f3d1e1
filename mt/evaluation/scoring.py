"""Test sets: translated with beam search, scored, and kept for reading."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset

from mt.config.data import DataConfig, TrainingSource, source_list
from mt.config.search import SearchConfig
from mt.data.sources import SourceContext, load_pairs
from mt.runtime.files import write_text
from mt.text.metrics import Score, Scorer
from mt.translation.translator import Translator

log = logging.getLogger(__name__)


def source_context(data: DataConfig, key: str, split: str) -> SourceContext:
    """What reading the sources of the configuration key `data.<key>` needs to know."""
    cache_dir = Path(data.cache_dir) if data.cache_dir else Path(datasets.config.HF_DATASETS_CACHE) / "mt"
    return SourceContext(f"data.{key}", split, data.src_lang, data.tgt_lang, cache_dir)


def training_context(data: DataConfig, source: TrainingSource) -> SourceContext:
    """What reading an entry of `data.train` needs to know."""
    context = source_context(data, "train", "train")
    return replace(context, src_lang=source.src_lang or data.src_lang, tgt_lang=source.tgt_lang or data.tgt_lang)


def load_test_sets(data: DataConfig) -> dict[str, Dataset]:
    """The text of each test set of the configuration.

    Raises:
        UserError: one cannot be read.
    """
    return {name: load_test_set(data, name, source) for name, source in data.test.items()}


def load_test_set(data: DataConfig, name: str, source: Any) -> Dataset:
    """The text of one test set."""
    key = f"test.{name}"
    return load_pairs(source_list(f"data.{key}", source), source_context(data, key, "test"))


@dataclass(frozen=True)
class TestResult:
    """The scores of one test set."""

    name: str
    n_sentences: int
    scores: list[Score]


def score_test_sets(
    translator: Translator, tests: dict[str, Dataset], scorer: Scorer, search: SearchConfig, folder: Path, tgt_lang: str
) -> list[TestResult]:
    """Translate and score test sets; the translations are left in `folder` as `NAME.LANG`."""
    results = []
    for name, text in tests.items():
        log.info("Translating test set %s (%d sentences, beam %d).", name, len(text), search.beam_size)
        translations = [best[0].text for best in translator.n_best(list(text["src"]), search)]
        write_text(folder / f"{name}.{tgt_lang}", "".join(f"{line}\n" for line in translations))
        results.append(TestResult(name, len(text), scorer.score(translations, [list(text["tgt"])])))
    return results


def format_results(results: list[TestResult]) -> str:
    """Scores with their signatures, a line each."""
    width = max((len(result.name) for result in results), default=0)
    return "\n".join(f"{result.name:<{width}}  {score}" for result in results for score in result.scores)
