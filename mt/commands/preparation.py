"""From the configured sources to encoded pairs, and what a run folder begins with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from datasets import Dataset

from mt.config import Config, source_list
from mt.config_file import save_config
from mt.data.corpus import Corpus, encode_corpus
from mt.data.sources import load_pairs
from mt.errors import UserError
from mt.scoring import load_test_sets, source_context
from mt.storage import remove_leftovers, replacing
from mt.tokenizer import (
    AUTOMATIC_VOCAB_SIZE,
    Pairs,
    SubwordSettings,
    Tokenizer,
    load_tokenizer,
    model_paths,
    train_tokenizer,
)

log = logging.getLogger(__name__)


@dataclass
class Prepared:
    """The data of a run, read, tokenised and checked."""

    tokenizer: Tokenizer
    train: Corpus
    valid: Corpus
    valid_text: Dataset
    tests: dict[str, Dataset]


def prepare(config: Config, run: Path) -> Prepared:
    """Read all text, make or load the tokeniser, encode. Nothing is written to the run folder."""
    data = config.data
    text = {
        key: load_pairs(source_list(f"data.{key}", source), source_context(data, key, split))
        for key, source, split in (("train", data.train, "train"), ("valid", data.valid, "validation"))
    }
    tests = load_test_sets(data)
    trained = any((run / "checkpoints").glob("step-*"))  # then another tokeniser would not fit the weights
    if trained or all(path.exists() for path in model_paths(run, config.tokenizer.joint)):
        tokenizer = load_tokenizer(run, config.tokenizer.joint)
    elif config.training.init_from is not None and not config.training.new_vocab:
        tokenizer = load_tokenizer(Path(config.training.init_from), config.tokenizer.joint)
    else:
        tokenizer = make_tokenizer(config, text["train"])
    corpora = {key: encode_corpus(table, tokenizer, data.max_len, f"data.{key}") for key, table in text.items()}
    return Prepared(tokenizer, corpora["train"], corpora["valid"], text["valid"], tests)


def make_tokenizer(config: Config, text: Dataset) -> Tokenizer:
    """Train the tokeniser on the training text."""
    if not any(src.strip() and tgt.strip() for src, tgt in zip(text["src"], text["tgt"], strict=True)):
        raise UserError("data.train: every pair has an empty side.")
    log.info("Training the tokeniser on data.train.")
    settings = SubwordSettings(
        config.tokenizer.model_type.value,
        config.tokenizer.vocab_size,
        config.tokenizer.character_coverage,
        config.tokenizer.max_train_sentences,
    )

    def column(name: str) -> list[str]:
        return text[name]  # type: ignore[no-any-return]

    tokenizer = train_tokenizer(partial(column, "src"), partial(column, "tgt"), settings, config.tokenizer.joint)
    if config.tokenizer.vocab_size is None and min(tokenizer.vocab_sizes) < AUTOMATIC_VOCAB_SIZE:
        log.info("The text gives fewer than %s pieces; all are taken.", f"{AUTOMATIC_VOCAB_SIZE:,}")
    return tokenizer


def set_up_run_folder(run: Path, config: Config, tokenizer: Tokenizer) -> None:
    """Write what a new run begins with; limits that were changed replace the old ones."""
    with replacing(run / "config.yaml") as temporary:  # first: it is what marks the folder as this run's
        save_config(config, temporary)
    tokenizer.save(run)
    remove_leftovers(run)


def resample_pairs(tokenizer: Tokenizer, alpha: float, max_len: int, pairs: Pairs, seed: int) -> Pairs:
    """Other pieces for the same text; a pair that would become too long stays as it is."""
    sampled = tokenizer.resample(pairs, alpha, seed)
    return [
        new if max(map(len, new)) <= max_len and min(map(len, new)) > 0 else old
        for old, new in zip(pairs, sampled, strict=True)
    ]
