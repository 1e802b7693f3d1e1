"""The parts of a training run, built from its configuration."""

import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from mt.commands.composition import current_command
from mt.config.file import load_config
from mt.config.schema import Config
from mt.data.loader import BatchLoader
from mt.data.preparation import Prepared, prepare
from mt.data.variation import Variation
from mt.errors import UserError
from mt.model.transformer import Transformer
from mt.runs.checkpoint import CheckpointStore, set_weights
from mt.runs.folder import check_run_folder, existing_tokenizer
from mt.runs.layout import RunLayout
from mt.runs.record import Start, describe_start, read_starts
from mt.runs.saved_model import build_model
from mt.runtime.checksums import digest
from mt.runtime.devices import chooses_bf16
from mt.runtime.distributed import ALONE, World, distribute
from mt.text.metrics import Scorer
from mt.text.terminology import load_terminology
from mt.training.averaging import MovingAverage
from mt.training.embeddings import embed_lexicon
from mt.training.guidance import Guidance
from mt.training.lexicon_learning import learn_from_corpus
from mt.training.objective import Objective
from mt.training.optim import LearningRate, Update, build_optimizer
from mt.training.starting_point import (
    adopt_settings,
    adopt_vocabulary,
    check_shape,
    check_vocabulary,
    warn_if_longer,
    warn_if_other_languages,
)
from mt.training.trainer import Learner, Trainer
from mt.training.validator import Validation, Validator
from mt.translation.reranking import load_reverse
from mt.translation.translator import Translator

log = logging.getLogger(__name__)
INIT_FROM, FROM_RUN = "training.init_from", "tokenizer.from_run"
"""under which a record has the fingerprint of the weights that training starts from"""


def build_trainer(config: Config, run: RunLayout, data: Prepared, model: Transformer, world: World) -> Trainer:
    """Build the training loop and everything that it works with."""
    training, device = config.training, model.projection.weight.device
    bf16, guidance = chooses_bf16(training.precision, device), None
    embeds = training.lexicon_embeddings and not run.has_checkpoint()
    if embeds or training.guided_attention:
        lexicon = learn_from_corpus(data.train, data.tokenizer.vocab_sizes)
        if embeds:
            embed_lexicon(model, lexicon, config.seed)
        if training.guided_attention:
            guidance = Guidance(lexicon.to(device), training.guided_attention)
    objective = Objective(model, training.label_smoothing, training.r_drop, bf16, training.simcut, guidance)
    if training.compile:
        objective.compile(dynamic=True)
    layers = [*model.encoder, *model.decoder]
    shared = distribute(objective, layers, training.strategy, world, drops_layers=config.model.layer_drop > 0)
    optimizer = build_optimizer(config.optim, model, bf16)
    update = Update(optimizer, config.optim, LearningRate(config.optim, training))
    average = MovingAverage(model, training.ema_decay) if training.ema_decay else None
    variation = Variation(data.tokenizer, config.data.max_len, config.data.noise, training.subword_alpha)
    loader = BatchLoader(
        data.train, training.max_tokens, config.seed, world, variation if variation.is_active else None
    )
    validator = build_validator(config, data, model, world)
    return Trainer(Learner(objective, shared, update, average), loader, validator, run, training, world, config.seed)


def adopt_start(config: Config, world: World) -> Config:
    """Return the configuration with what it takes over from the runs that it starts from."""
    adopted = None
    with world.main_first():
        if world.is_main:
            run, adopted = RunLayout(Path(config.run_dir)), config
            keys = {FROM_RUN: config.tokenizer.from_run, INIT_FROM: config.training.init_from}
            origins = {key: origin_config(run, key, folder) for key, folder in keys.items() if folder is not None}
            if len({origin.tokenizer.joint for origin in origins.values()}) > 1:
                raise UserError(
                    f"{FROM_RUN}={keys[FROM_RUN]} and {INIT_FROM}={keys[INIT_FROM]} differ in tokenizer.joint: "
                    "a run cannot start from both."
                )
            if FROM_RUN in origins:
                adopted = adopt_vocabulary(adopted, origins[FROM_RUN])
            if INIT_FROM in origins:
                adopted = adopt_settings(adopted, origins[INIT_FROM])
    return world.gather(adopted)[0] or config


def origin_config(run: RunLayout, key: str, folder: str) -> Config:
    """Return the configuration of the run that a key names; of `run` itself if it resumes, when that may be gone."""
    start = RunLayout(Path(folder))
    if start.folder.resolve() == run.folder.resolve():
        raise UserError(f"{key}={folder} is the folder of this run itself: set name or run_dir.")
    resumes = run.has_checkpoint() and run.config.exists()
    if not start.folder.is_dir() and not resumes:
        raise UserError(f"{key}={folder}: there is no such run folder.")
    return load_config((run if resumes else start).config)


def prepare_data(config: Config, run: RunLayout, world: World) -> Prepared:
    """Check that the run folder and the run to start from fit, then prepare the data; every process must call this."""
    tokenizer = None
    with world.main_first():
        if world.is_main:
            check_run_folder(run, config)
            check_search(config)
        if config.training.init_from is not None and not run.has_checkpoint():
            start = RunLayout(Path(config.training.init_from))
            if world.is_main and start.folder.is_dir():
                warn_if_other_languages(config, start)
            check_shape(config, start)
        if config.tokenizer.from_run is not None and not run.has_checkpoint():
            check_vocabulary(config, RunLayout(Path(config.tokenizer.from_run)))
        if world.is_main:
            tokenizer = existing_tokenizer(run, config)
    recorded = run.held_out
    if world.is_main and config.training.init_from is not None and not recorded.exists():
        start = RunLayout(Path(config.training.init_from))
        if start.folder.is_dir() and load_config(start.config).data.train == config.data.train:
            recorded = start.held_out  # what that run has not been trained on
            if config.data.held_out and not recorded.exists():
                log.warning("%s was trained on the sentences that are held out now.", start.folder)
    data = prepare(config, tokenizer, world, recorded)
    config.data.part_len = config.data.part_len or data.train.usual_len
    if world.is_main and not run.has_checkpoint():
        warn_if_longer(config, data.texts.train[0].text, data.tokenizer)
    return data


def check_search(config: Config) -> None:
    """Read the files with which the test sets will be translated, so that a missing one is reported before training."""
    if config.search.terminology is not None:
        load_terminology(config.search.terminology)
    if config.search.reverse is not None:
        load_reverse(config.search.reverse, "cpu").tags((config.data.src_lang, config.data.tgt_lang))


def this_start(config: Config, run: RunLayout, data: Prepared, device: torch.device, world: World) -> Start:
    """Describe this start of a run, for its record."""
    state = CheckpointStore(run.checkpoints).latest_state()
    inputs = dict(data.fingerprints)
    if config.tokenizer.from_run is not None:
        inputs[FROM_RUN] = data.tokenizer.fingerprint
    if config.training.init_from is not None and state is None:
        inputs[INIT_FROM] = digest(RunLayout(Path(config.training.init_from)).weights)
    elif starts := read_starts(run.config):
        inputs |= {INIT_FROM: starts[-1].inputs[INIT_FROM]} if INIT_FROM in starts[-1].inputs else {}
    return describe_start(current_command(), state.step if state else 0, device, world.size, inputs)


def build_validator(config: Config, data: Prepared, model: Transformer, world: World = ALONE) -> Validator:
    """Build the validation of a model."""
    langs = (config.data.src_lang, config.data.tgt_lang)
    return Validator(
        Translator(
            lambda: [model],
            data.tokenizer,
            config.data.max_len,
            langs,
            part_len=config.data.part_len,
            tagging=config.data.tagging,
        ),
        data.valid,
        list(data.texts.valid.read()),
        config.training.valid_pairs,
        Scorer(config.data.tgt_lang),
        config.search,
        config.training.max_tokens,
        config.training.n_samples,
        world,
    )


def validate_weights(config: Config, data: Prepared, device: torch.device) -> Callable[[dict[str, Tensor]], Validation]:
    """Return a function that validates a model with given weights."""

    def validate(weights: dict[str, Tensor]) -> Validation:
        model = build_model(config, data.tokenizer).to(device)
        set_weights(model, weights, "The model")
        return build_validator(config, data, model).validate(lambda: None)

    return validate
