"""The model that training starts with: new, or from another run; and which of its weights are trained."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from mt.config.choices import Part, Positions
from mt.config.data import DataConfig, NormalizeConfig
from mt.config.facts import keys_where
from mt.config.file import load_config
from mt.config.schema import Config, ModelConfig, TokenizerConfig
from mt.data.readers import Pair
from mt.data.sources import ParallelText
from mt.errors import UserError
from mt.model.lora import add_lora
from mt.model.parts import freeze, unfreeze
from mt.model.transformer import Transformer
from mt.runs.checkpoint import read_tensors
from mt.runs.layout import RunLayout
from mt.runs.saved_model import build_model
from mt.text.language_names import same_language
from mt.text.tokenizer import Tokenizer, load_tokenizer
from mt.text.tokenizer_training import Extras, train_tokenizer

log = logging.getLogger(__name__)
N_COMPARED = 8000
"""pairs by which two vocabularies are compared"""
MUCH_LONGER = 1.5
TAGGING = ("language_tags", "tag_each_side")
"""settings of `data` that decide which tags stand before a pair"""
Section = TypeVar("Section", DataConfig, ModelConfig, TokenizerConfig, NormalizeConfig)


def build_starting_model(config: Config, tokenizer: Tokenizer, resumes: bool) -> Transformer:
    """Build the model as it is before the first step; if training `resumes`, the weights do not matter."""
    torch.manual_seed(config.seed)
    model = build_model(config, tokenizer)
    training = config.training
    if training.init_from is not None and not resumes:
        load_start(model, config, RunLayout(Path(training.init_from)), tokenizer)
    if training.lora.rank:
        add_lora(model, training.lora.rank, training.lora.alpha)
        if training.new_vocab:
            unfreeze(model, [Part.embeddings.value])
    freeze(model, [part.value for part in training.freeze])
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(f"training.freeze={[part.value for part in training.freeze]} leaves nothing to train.")
    model.gradient_checkpointing = training.gradient_checkpointing
    return model


def load_start(model: Transformer, config: Config, start: RunLayout, tokenizer: Tokenizer) -> None:
    """Give a new model the weights of the run `start`."""
    check_shape(config, start)
    weights = read_tensors(start.weights)
    old = load_tokenizer(start.tokenizer(config.tokenizer.joint))
    if old.fingerprint != tokenizer.fingerprint:
        weights = carry_over(weights, model, old, tokenizer)
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in own.items():
            n_rows = len(parameter)
            if name.endswith(".positions") and name in weights:  # the number of learned positions may differ
                n_rows = min(n_rows, len(weights[name]))
            if weights.keys() != own.keys() or weights[name][:n_rows].shape != parameter[:n_rows].shape:
                raise UserError(f"{start.weights} does not match {start.config}.")
            parameter[:n_rows] = weights[name][:n_rows]


def warn_if_longer(config: Config, text: ParallelText, tokenizer: Tokenizer) -> None:
    """Warn if another run's vocabulary makes a text much longer than one of that size learned from it would."""
    origin, remedy = config.tokenizer.from_run, "Without tokenizer.from_run, one is learned from them."
    if origin is None and not config.training.new_vocab:
        origin, remedy = config.training.init_from, "training.new_vocab=true learns one from them."
    if origin is None:
        return
    sample = list(islice(text.read(), N_COMPARED))
    try:
        own = learn_vocabulary(config.tokenizer, sample[::2], max(tokenizer.vocab_sizes))
    except UserError:  # too little text
        return
    sides = (("sources", Tokenizer.encode_src), ("targets", Tokenizer.encode_tgt))
    for (side, encode), lines in zip(sides, zip(*sample[1::2], strict=True), strict=False):
        old, new = (sum(map(len, encode(one, list(lines)))) for one in (tokenizer, own))
        if old >= MUCH_LONGER * new > 0:
            log.warning(
                "With the vocabulary of %s the %s are %.1f times as long as with one of their own. %s",
                origin, side, old / new, remedy,
            )  # fmt: skip


def learn_vocabulary(config: TokenizerConfig, pairs: Sequence[Pair], size: int) -> Tokenizer:
    """Learn a vocabulary of `size` pieces, or the default number if the text has more characters than that."""
    sides = (lambda: (src for src, _ in pairs), lambda: (tgt for _, tgt in pairs))
    settings = replace(config, vocab_size=None)
    try:
        return train_tokenizer(*sides, settings, Extras(automatic_size=size))
    except UserError:
        return train_tokenizer(*sides, settings)


def adopt_settings(config: Config, origin: Config) -> Config:
    """Return `config` with another run's settings of model, vocabulary and tags where it has the defaults."""
    data_names = list(TAGGING)
    if origin.model.positions is Positions.learned:
        data_names.append("max_len")  # so that no positions are left to be learned
    if config.training.new_vocab:
        config = replace(config, tokenizer=adopt(config.tokenizer, origin.tokenizer, ["joint"]))
    else:
        config = adopt_vocabulary(config, origin)
    return replace(
        config,
        data=adopt(config.data, origin.data, data_names),
        model=adopt(config.model, origin.model, keys_where("shapes_model", ModelConfig)),
    )


def adopt_vocabulary(config: Config, origin: Config) -> Config:
    """Return `config` with another run's settings of vocabulary, normalisation and tags where it has the defaults."""
    names = [one.name for one in fields(TokenizerConfig) if one.name != "from_run"]
    normalize = adopt(config.data.normalize, origin.data.normalize, [one.name for one in fields(NormalizeConfig)])
    return replace(
        config,
        data=adopt(replace(config.data, normalize=normalize), origin.data, TAGGING),
        tokenizer=adopt(config.tokenizer, origin.tokenizer, names),
    )


def adopt(section: Section, origin: Section, names: Iterable[str]) -> Section:
    """Return a section with the named values of `origin` where it has the defaults."""
    defaults = type(section)()
    unset = [name for name in names if getattr(section, name) == getattr(defaults, name)]
    return replace(section, **{name: getattr(origin, name) for name in unset})


def check_shape(config: Config, start: RunLayout) -> None:
    """Raise `UserError` unless the run `start` exists and its model shape matches `config`.

    Without `training.new_vocab`, its tokenizer settings must match, too.
    """
    if not start.folder.is_dir():
        raise UserError(f"training.init_from={start.folder}: there is no such run folder.")
    old = load_config(start.config)
    wanted: dict[str, tuple[Any, Any]] = {
        f"model.{key}": (getattr(old.model, key), getattr(config.model, key))
        for key in keys_where("shapes_model", ModelConfig)
    }
    if config.training.new_vocab:
        wanted["tokenizer.joint"] = (old.tokenizer.joint, config.tokenizer.joint)
    else:
        wanted |= vocabulary_values(old, config)
    if differing := differing_values(wanted):
        raise UserError(
            f"training.init_from={start.folder} differs in model or tokenizer. To start from it, use its values:\n"
            f"  {differing}"
        )


def warn_if_other_languages(config: Config, start: RunLayout) -> None:
    """Warn if the model of the run `start`, of one direction, is to learn another one, which may be intended."""
    old = load_config(start.config)
    there, here = ((one.data.src_lang, one.data.tgt_lang) for one in (old, config))
    if not (old.data.language_tags or config.data.language_tags or all(map(same_language, there, here))):
        log.warning(
            "training.init_from=%s translates from %s to %s, but this training is from %s to %s. If that is a mistake, "
            "set data, data.src_lang, data.tgt_lang and data.train as in that run.",
            config.training.init_from, *there, *here,
        )  # fmt: skip


def check_vocabulary(config: Config, start: RunLayout) -> None:
    """Raise `UserError` unless the run `start` exists and its settings of vocabulary are those of `config`."""
    if not start.folder.is_dir():
        raise UserError(f"tokenizer.from_run={start.folder}: there is no such run folder.")
    if differing := differing_values(vocabulary_values(load_config(start.config), config)):
        raise UserError(
            f"tokenizer.from_run={start.folder} differs in tokenizer. To take its vocabulary, use its values:\n"
            f"  {differing}"
        )


def vocabulary_values(old: Config, config: Config) -> dict[str, tuple[Any, Any]]:
    """Return the values there and here of the settings that determine a vocabulary, by their keys."""
    values: dict[str, tuple[Any, Any]] = {
        f"tokenizer.{key}": (getattr(old.tokenizer, key), getattr(config.tokenizer, key))
        for key in ("joint", "model_type", "character_coverage", "copy_markers")
    }
    for one in fields(NormalizeConfig):
        both = (getattr(old.data.normalize, one.name), getattr(config.data.normalize, one.name))
        values[f"data.normalize.{one.name}"] = both
    if config.tokenizer.vocab_size is not None:
        values["tokenizer.vocab_size"] = (old.tokenizer.vocab_size or "null", config.tokenizer.vocab_size)
    return values


def differing_values(wanted: dict[str, tuple[Any, Any]]) -> str:
    """Return overrides with the values there of all keys whose values differ."""
    there = {key: getattr(values[0], "value", values[0]) for key, values in wanted.items() if values[0] != values[1]}
    return " ".join(f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in there.items())


def carry_over(weights: dict[str, Tensor], model: Transformer, old: Tokenizer, new: Tokenizer) -> dict[str, Tensor]:
    """Adapt weights to another vocabulary: rows of pieces that both have are kept, others come from the new model."""
    carried = dict(weights)
    for name, parameter in model.named_parameters():
        if name in ("src_embedding.tokens.weight", "tgt_embedding.tokens.weight") or name.startswith("projection."):
            processors = (old.src, new.src) if name.startswith("src") else (old.tgt, new.tgt)
            old_ids = {processors[0].id_to_piece(i): i for i in range(processors[0].get_piece_size())}
            found = [(i, old_ids.get(processors[1].id_to_piece(i))) for i in range(len(parameter))]
            kept = torch.tensor([(i, old_id) for i, old_id in found if old_id is not None])
            carried[name] = parameter.detach().clone()
            carried[name][kept[:, 0]] = weights[name][kept[:, 1]]
    return carried
