"""Preparation of the configured sources into encoded corpora. Each process hashes every file once."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import sentencepiece

from mt.config.checks import require
from mt.config.choices import Chinese
from mt.config.corpora import Stage, TrainingSource, is_size, source_list, training_sources, training_stages
from mt.config.data import DataConfig
from mt.config.schema import Config
from mt.data.cleaning import NO_HASHES, Hashes, hash_sources
from mt.data.context import SourceContext, source_context, training_context
from mt.data.corpus import CorpusEncoder
from mt.data.derived import fraction_of, in_memory, without
from mt.data.direction import check_direction
from mt.data.held_out import Parts, hold_out, load_parts
from mt.data.mixture import Member, Mixture, weights_by_temperature
from mt.data.overlaps import Overlap, find_overlaps
from mt.data.readers import Pair
from mt.data.sources import ParallelText, open_text
from mt.data.store import Share
from mt.errors import UserError
from mt.runtime.checksums import matches
from mt.runtime.distributed import ALONE, World
from mt.text.languages import plain_language
from mt.text.normalization import build_rules, useful_settings
from mt.text.tokenizer import Tokenizer, load_tokenizer
from mt.text.tokenizer_training import EDITION, Extras, train_tokenizer, vocab_size_for

log = logging.getLogger(__name__)
N_SAMPLED = 1000
"""pairs that are examined for what normalisation would change"""


@dataclass(frozen=True)
class TrainingText:
    """The text of an entry of `data.train`."""

    source: TrainingSource
    text: ParallelText
    langs: tuple[str, str]


@dataclass(frozen=True)
class Texts:
    """All text of a run, found and hashed but not encoded."""

    train: list[TrainingText]
    valid: ParallelText
    tests: dict[str, list[Pair]]
    held_out: Parts
    """pairs of the training text that `valid` and `tests` hold instead"""


@dataclass(frozen=True)
class Prepared:
    """The data of a run, tokenized, encoded and checked."""

    tokenizer: Tokenizer
    texts: Texts
    train: Mixture
    valid: Mixture
    overlaps: list[Overlap]

    @property
    def fingerprints(self) -> dict[str, str]:
        """Hashes of the training and the validation text by their keys."""
        train = " ".join(one.text.fingerprint for one in self.texts.train)
        return {"data.train": train, "data.valid": self.texts.valid.fingerprint}


def prepare(
    config: Config, tokenizer: Tokenizer | None = None, world: World = ALONE, recorded: Path | None = None
) -> Prepared:
    """Open all text, train a tokenizer if there is none, and encode. Nothing is written to the run folder.

    Several processes share the encoding: each encodes some parts of the training text. Parts that are then still
    missing on a machine, because machines share no disk, are encoded by its first process.

    Args:
        tokenizer: from an earlier run, if any; only that of rank 0 is used.
        recorded: folder with the pairs that an earlier start, or the run to start from, has held out, if any.
    """
    held_out = choose_held_out(config.data, config.seed, recorded, world)
    with world.main_first():
        texts = open_texts(config.data, held_out)
        if world.is_main and tokenizer is None:
            tokenizer = make_tokenizer(config, texts.train)
    protos = world.gather(tokenizer.protos if tokenizer else ())[0]
    tokenizer = Tokenizer(*protos)
    if world.size > 1:
        with world.all_at_once():
            encoder = build_encoder(config.data, tokenizer)
            for train in texts.train:
                encoder.encode_share(train.text, train.langs, "data.train", Share(world.rank, world.size))
    with world.main_first():
        return encode_all(config.data, texts, tokenizer)


def choose_held_out(data: DataConfig, seed: int, recorded: Path | None = None, world: World = ALONE) -> Parts:
    """Return the pairs to hold out of the training text, the same in every process: those recorded, or a new choice.

    They come from the first corpus in the main direction.
    """
    parts: Parts = {}
    with world.main_first():
        if world.is_main and data.held_out:
            langs = (data.src_lang, data.tgt_lang)
            known = load_parts(data.held_out, recorded, langs) if recorded else None
            if known is None and recorded is not None and recorded.exists():
                log.warning("%s holds other pairs: sentences of the new parts may have been trained on.", recorded)
            parts = known or hold_out(open_main_text(data), data.held_out, seed, "data.train")
    return world.gather(parts)[0]


def open_main_text(data: DataConfig) -> ParallelText:
    """Open the first corpus in the main direction."""
    for source in training_sources(data.train):
        context = training_context(data, source)
        if context.langs == (data.src_lang, data.tgt_lang):
            return open_checked(data, source.path, context)
    raise UserError(f"data.train has no corpus from {data.src_lang} to {data.tgt_lang} to hold pairs out of.")


def open_texts(data: DataConfig, held_out: Parts) -> Texts:
    """Open the training, validation and test text; what is held out of the training text is validation or test data."""
    train = open_training_texts(data, held_out)
    if is_size(data.valid):
        valid = in_memory("data.valid", held_out["valid"])
    else:
        valid = open_checked(data, source_list("data.valid", data.valid), source_context(data, "valid", "validation"))
    tests = {
        name: held_out[f"test.{name}"] if f"test.{name}" in held_out else load_test_set(data, name)
        for name in data.test
    }
    return Texts(train, valid, tests, held_out)


def open_training_texts(data: DataConfig, held_out: Parts) -> list[TrainingText]:
    """Open the text of each entry of `data.train`, or a fraction of it, without the pairs that are held out."""
    train = [open_training_text(data, source) for source in training_sources(data.train)]
    if held_out:
        main = (data.src_lang, data.tgt_lang)
        train = [replace(one, text=without(one.text, held_out, in_any_direction=one.langs != main)) for one in train]
    if data.fraction < 1:
        train = [replace(one, text=fraction_of(one.text, data.fraction)) for one in train]
    return train


def open_checked(data: DataConfig, sources: list[str], context: SourceContext) -> ParallelText:
    """Open a text and check its direction."""
    text = open_text(sources, context)
    if data.check_languages:
        check_direction(text.read(), text.name, context)
    return text


def open_training_text(data: DataConfig, source: TrainingSource) -> TrainingText:
    """Open the text of an entry of `data.train`."""
    context = training_context(data, source)
    return TrainingText(source, open_checked(data, source.path, context), context.langs)


def load_test_set(data: DataConfig, name: str) -> list[Pair]:
    """Read the pairs of one test set."""
    context = source_context(data, f"test.{name}", "test")
    return list(open_checked(data, source_list(context.key, data.test[name]), context).read())


def build_encoder(data: DataConfig, tokenizer: Tokenizer, other_sources: Hashes = NO_HASHES) -> CorpusEncoder:
    """Build the encoder of training text."""
    cache_dir = source_context(data, "train", "train").cache_dir
    return CorpusEncoder(tokenizer, data.max_len, cache_dir, data.clean, other_sources)


def encode_all(data: DataConfig, texts: Texts, tokenizer: Tokenizer) -> Prepared:
    """Encode all text; what is in the cache already is used."""
    encoder = CorpusEncoder(tokenizer, data.max_len, source_context(data, "valid", "validation").cache_dir)
    langs = (data.src_lang, data.tgt_lang)
    valid_tags = tokenizer.encode_tags(*data.tagging.names(langs))
    valid = encoder.encode(texts.valid, langs, "data.valid", valid_tags)
    hashes = {"data.valid": hash_sources(list(texts.valid.read()))}
    hashes |= {f"data.test.{name}": hash_sources(pairs) for name, pairs in texts.tests.items()}
    encoder = build_encoder(data, tokenizer, np.concatenate([NO_HASHES, *hashes.values()]))
    members = []
    for train in texts.train:
        tags = tokenizer.encode_tags(*data.tagging.names(train.langs, train.source.tag))
        corpus = encoder.encode(train.text, train.langs, "data.train", tags)
        members.append(Member(train.text.name, corpus, tags, train.langs[0]))
    return Prepared(
        tokenizer,
        texts,
        Mixture(members, build_stages(data, members)),
        Mixture([Member("", valid, valid_tags)], [Stage([1.0])]),
        find_overlaps(members, hashes),
    )


def build_stages(data: DataConfig, members: Sequence[Member]) -> list[Stage]:
    """Build the stages of the corpora's weights; the last has no end."""
    weights = [source.weight for source in training_sources(data.train)]
    if data.temperature is not None:
        weights = weights_by_temperature([len(member.corpus) for member in members], data.temperature, weights)
    stages = [*training_stages(data.stages), Stage(weights)]
    for stage in stages:
        n_pairs = max(len(member.corpus) * weight for member, weight in zip(members, stage.weights, strict=True))
        require(n_pairs >= 1, f"data.train: with the weights {stage.weights}, an epoch would have no pairs.")
    return stages


def build_extras(config: Config) -> Extras:
    """Return the tags and the normalisation of the configured tokenizer."""
    data, langs = config.data, (config.data.src_lang, config.data.tgt_lang)
    chinese = data.normalize.chinese
    if chinese is not Chinese.none and "zh" not in map(plain_language, langs):
        raise UserError(
            f"data.normalize.chinese={chinese.value} is for Chinese (zh), not for {langs[0]} and {langs[1]}."
        )
    if config.tokenizer.joint:
        rules = (build_rules(data.normalize, langs),) * 2
    else:
        rules = (build_rules(data.normalize, langs[:1]), build_rules(data.normalize, langs[1:]))
    return Extras(data.tags, rules)


def suggest_normalization(data: DataConfig, train: TrainingText) -> None:
    """Say so if normalisation would change some of a sample of the text."""
    sample = list(islice(train.text.read(), N_SAMPLED))
    for lang, lines in zip(train.langs, zip(*sample, strict=True), strict=False):
        for setting, fraction in useful_settings(lines, lang, data.normalize):
            log.info(
                "%.0f%% of the %s sentences would be written in another way with %s.", 100 * fraction, lang, setting
            )


def tokenizer_cache(config: Config, train: Sequence[TrainingText], automatic_size: int) -> Path:
    """Return the folder of the tokenizer that this text and these settings give."""
    texts = [text.text.fingerprint for text in train]
    settings = (config.tokenizer, automatic_size, config.data.tags, config.data.normalize)
    determined_by = repr((EDITION, texts, settings, sentencepiece.__version__))
    cache_dir = source_context(config.data, "train", "train").cache_dir
    return cache_dir / "tokenizers" / hashlib.sha256(determined_by.encode()).hexdigest()[:32]


def make_tokenizer(config: Config, train: Sequence[TrainingText]) -> Tokenizer:
    """Train a tokenizer on the training text."""

    def side(number: int) -> Iterator[str]:
        return (pair[number] for one in train for pair in one.text.read())

    pairs = (pair for one in train for pair in one.text.read())
    n_characters = sum(len(src) + len(tgt) for src, tgt in pairs if src.strip() and tgt.strip())
    if not n_characters:
        too_small = f", or data.fraction={config.data.fraction:g} leaves none" if config.data.fraction < 1 else ""
        raise UserError(f"data.train: every pair has an empty side{too_small}.")
    size = vocab_size_for(n_characters)
    cached = tokenizer_cache(config, train, size)
    files = [cached / name for name in (["joint"] if config.tokenizer.joint else ["src", "tgt"])]
    if all(file.exists() and matches(file) for file in files):
        log.info("The tokenizer was trained on this text before.")
        return load_tokenizer(files)
    log.info("Training the tokenizer on data.train.")
    suggest_normalization(config.data, train[0])
    extras = replace(build_extras(config), automatic_size=size)
    tokenizer = train_tokenizer(partial(side, 0), partial(side, 1), config.tokenizer, extras)
    tokenizer.save(files)
    if config.tokenizer.vocab_size is None and min(tokenizer.vocab_sizes) < size:
        log.info("The text yields fewer than %s pieces, so the vocabulary is smaller.", f"{size:,}")
    return tokenizer
