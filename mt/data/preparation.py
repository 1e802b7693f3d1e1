"""From the configured sources to encoded pairs, and what a run folder begins with."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from datasets import Dataset

from mt.config.data import (
    CleanConfig,
    DataConfig,
    Stage,
    TrainingSource,
    domain_tag,
    language_tag,
    source_list,
    training_sources,
    training_stages,
)
from mt.config.file import save_config
from mt.config.schema import Config
from mt.data.cleaning import NO_HASHES, Cleaning, Hashes, hash_of
from mt.data.corpus import Encoder
from mt.data.mixture import Member, Mixture, weights_by_temperature
from mt.data.sources import ParallelText, load_pairs, open_text
from mt.data.store import Share
from mt.errors import UserError
from mt.evaluation.scoring import load_test_sets, source_context, training_context
from mt.runtime.distributed import ALONE, World
from mt.runtime.files import remove_leftovers, replacing
from mt.text.tokenizer import (
    AUTOMATIC_VOCAB_SIZE,
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
    train: Mixture
    valid: Mixture
    valid_text: Dataset
    tests: dict[str, Dataset]
    texts: list[ParallelText]
    """those of the corpora that are trained on"""
    overlaps: list[Overlap]


@dataclass(frozen=True)
class Overlap:
    """A test set of which something is trained on."""

    name: str
    n_known: int
    n_sentences: int


def prepare(config: Config, run: Path, world: World = ALONE) -> Prepared:
    """Read all text, make or load the tokeniser, encode. Nothing is written to the run folder.

    Several processes share the encoding: each encodes some parts of the training text. What is then still missing on a
    machine's disk, as where they share none, its first process encodes.
    """
    with world.main_first():
        tokenizer = choose_tokenizer(config, run) if world.is_main else None
    tokenizer = Tokenizer(*world.gather(tokenizer and tokenizer.protos)[0] or ())
    if world.size > 1:
        with world.all_at_once():
            encode_share(config, tokenizer, Share(world.rank, world.size))
    with world.main_first():
        return encode_all(config, tokenizer)


def choose_tokenizer(config: Config, run: Path) -> Tokenizer:
    """The run's own, or that of the run to begin with, or a new one."""
    trained = any((run / "checkpoints").glob("step-*"))  # then another tokeniser would not fit the weights
    if trained or all(path.exists() for path in model_paths(run, config.tokenizer.joint)):
        return load_tokenizer(run, config.tokenizer.joint)
    if config.training.init_from is not None and not config.training.new_vocab:
        return load_tokenizer(Path(config.training.init_from), config.tokenizer.joint)
    return make_tokenizer(config, open_training_texts(config.data))


def open_training_texts(data: DataConfig) -> list[ParallelText]:
    """The text of each corpus that is trained on."""
    return [open_text(source.path, training_context(data, source)) for source in training_sources(data.train)]


def build_encoder(data: DataConfig, tokenizer: Tokenizer, test_sources: Hashes = NO_HASHES) -> Encoder:
    """Of training text."""
    cache_dir = source_context(data, "train", "train").cache_dir
    return Encoder(tokenizer, data.max_len, cache_dir, build_cleaning(data.clean), test_sources)


def encode_share(config: Config, tokenizer: Tokenizer, share: Share) -> None:
    """Encode some parts of the training text."""
    data, encoder = config.data, build_encoder(config.data, tokenizer)
    for source, text in zip(training_sources(data.train), open_training_texts(data), strict=True):
        encoder.encode_share(text, langs_of(data, source), "data.train", share)


def encode_all(config: Config, tokenizer: Tokenizer) -> Prepared:
    """All text, encoded; what is there already is found."""
    data = config.data
    sources, texts = training_sources(data.train), open_training_texts(data)
    valid_context = source_context(data, "valid", "validation")
    valid_sources = source_list("data.valid", data.valid)
    valid_text = load_pairs(valid_sources, valid_context)
    tests = load_test_sets(data)
    plain = Encoder(tokenizer, data.max_len, valid_context.cache_dir)
    valid = plain.encode(open_text(valid_sources, valid_context), (data.src_lang, data.tgt_lang), "data.valid")
    hashes = {name: source_hashes(text) for name, text in tests.items()}
    encoder = build_encoder(data, tokenizer, np.concatenate([NO_HASHES, *hashes.values()]))
    train = []
    for source, text in zip(sources, texts, strict=True):
        corpus = encoder.encode(text, langs_of(data, source), "data.train")
        train.append(Member(text.name, corpus, tokenizer.encode_tags(tags_of(data, source))))
    overlaps = find_overlaps(train, hashes)
    valid_tags = tokenizer.encode_tags(tags_of(data, TrainingSource(valid_sources)))
    return Prepared(
        tokenizer, Mixture(train, stages_of(data, train)), Mixture([Member("", valid, valid_tags)], [Stage([1.0])]),
        valid_text, tests, texts, overlaps,
    )  # fmt: skip


def langs_of(data: DataConfig, source: TrainingSource) -> tuple[str, str]:
    """Source and target language of a corpus."""
    return source.src_lang or data.src_lang, source.tgt_lang or data.tgt_lang


def source_hashes(text: Dataset) -> Hashes:
    """Of the sources of a test set."""
    return np.array([hash_of(src) for src in text["src"]], np.uint64)


def build_cleaning(config: CleanConfig) -> Cleaning:
    """What is left out of the training data."""
    return Cleaning(
        config.max_ratio, config.identical, config.control, config.language, config.duplicates.value, config.overlap
    )


def find_overlaps(train: Sequence[Member], tests: dict[str, Hashes]) -> list[Overlap]:
    """How much of each test set is trained on, which is said: its score then means little."""
    overlaps = []
    for name, hashes in tests.items():
        known = int(np.any([member.corpus.has_sources(hashes) for member in train], axis=0).sum())
        if known:
            overlaps.append(Overlap(name, known, len(hashes)))
            log.warning(
                "%s of the %s sources of data.test.%s are in the training data, too: its scores will be too good. "
                "data.clean.overlap=true leaves them out of the training.",
                f"{known:,}", f"{len(hashes):,}", name,
            )  # fmt: skip
    return overlaps


def tags_of(data: DataConfig, source: TrainingSource) -> list[str]:
    """The marks before the sources of a corpus: its target language, then what it is."""
    languages = [language_tag(source.tgt_lang or data.tgt_lang)] * data.language_tags
    return [*languages, *([domain_tag(source.tag)] if source.tag else [])]


def stages_of(data: DataConfig, members: Sequence[Member]) -> list[Stage]:
    """The weights of the corpora: of each stage, then for good."""
    weights = [source.weight for source in training_sources(data.train)]
    if data.temperature is not None:
        weights = weights_by_temperature([len(member.corpus) for member in members], data.temperature, weights)
    return [*training_stages(data.stages), Stage(weights)]


def make_tokenizer(config: Config, texts: Sequence[ParallelText]) -> Tokenizer:
    """Train the tokeniser on the training text."""

    def side(number: int) -> Iterator[str]:
        return (pair[number] for text in texts for pair in text.read())

    if not any(src.strip() and tgt.strip() for text in texts for src, tgt in text.read()):
        raise UserError("data.train: every pair has an empty side.")
    log.info("Training the tokeniser on data.train.")
    settings = SubwordSettings(
        config.tokenizer.model_type.value,
        config.tokenizer.vocab_size,
        config.tokenizer.character_coverage,
        config.tokenizer.max_train_sentences,
        config.data.tags,
    )
    tokenizer = train_tokenizer(partial(side, 0), partial(side, 1), settings, config.tokenizer.joint)
    if config.tokenizer.vocab_size is None and min(tokenizer.vocab_sizes) < AUTOMATIC_VOCAB_SIZE:
        log.info("The text gives fewer than %s pieces; all are taken.", f"{AUTOMATIC_VOCAB_SIZE:,}")
    return tokenizer


def set_up_run_folder(run: Path, config: Config, tokenizer: Tokenizer) -> None:
    """Write what a new run begins with; limits that were changed replace the old ones."""
    with replacing(run / "config.yaml") as temporary:  # first: it is what marks the folder as this run's
        save_config(config, temporary)
    tokenizer.save(run)
    remove_leftovers(run)
