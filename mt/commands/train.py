"""`mt train`: from configuration to a trained, scored model in one folder."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import datasets
import torch
from torch import Tensor

from mt.cli import fail
from mt.commands.composition import run_composed
from mt.config.choices import Precision
from mt.config.schema import Config
from mt.data.loader import BatchLoader
from mt.data.noise import Noise
from mt.data.preparation import Prepared, prepare, set_up_run_folder
from mt.data.variation import Variation
from mt.errors import UserError
from mt.evaluation.scoring import TestResult, format_results, score_test_sets
from mt.model.transformer import Transformer
from mt.runs.checkpoint import read_tensors, save_weights, set_weights
from mt.runs.folder import check_run_folder, flatten
from mt.runtime.devices import bf16_is_faster, choose_device, keep_freed_memory
from mt.runtime.distributed import ALONE, StoppedElsewhere, World, distribute, start_world
from mt.runtime.logs import log_file, quiet, set_up_console
from mt.runtime.progress import on_terminal
from mt.runtime.signals import Interrupted
from mt.text.metrics import Scorer
from mt.text.tokenizer import N_SPECIAL
from mt.training.averaging import MovingAverage, average_weights
from mt.training.objective import Objective
from mt.training.optim import build_optimizer, learning_rate_factor, shrink
from mt.training.starting_point import build_starting_model, check_shape
from mt.training.tracking import Tracker
from mt.training.trainer import Learner, Trainer, TrainingFailed
from mt.training.update import Update
from mt.training.validator import Validator
from mt.translation.translator import Translator, build_model, load_run

log = logging.getLogger(__name__)

TRACKED = tuple(
    f"training.{name}"
    for name in (
        "max_tokens", "accumulate", "batches_per_step", "label_smoothing", "ema_decay", "average_best", "r_drop",
        "subword_alpha", "init_from", "freeze", "lora.rank",
    )
)  # fmt: skip
"""Keys of `training` that TensorBoard's hyper-parameter table shows, beside all of model, optim and tokenizer."""


def main(arguments: list[str]) -> int:
    """Train as configured, or each job of a sweep; the exit code."""
    set_up_console()
    keep_freed_memory()
    (datasets.enable_progress_bars if on_terminal() else datasets.disable_progress_bars)()
    exit_codes: list[int] = []

    def job(config: Config) -> float | None:
        try:
            score = train(config)
            exit_codes.append(0)
            return score
        except UserError as error:
            exit_codes.append(fail(str(error), 2))
        except StoppedElsewhere:
            exit_codes.append(2)
        except TrainingFailed as error:
            exit_codes.append(fail(str(error), 1))
        except Interrupted as interruption:  # ends a sweep, too
            raise SystemExit(interruption.exit_code) from None
        return None

    run_composed(arguments, job)
    return max(exit_codes, default=0)


@dataclass
class Setup:
    """All that a run needs, built from its configuration."""

    data: Prepared
    trainer: Trainer
    world: World


def train(config: Config) -> float | None:
    """Prepare, train, and score the best model; gives its validation score."""
    run = Path(config.run_dir)
    setup = set_up(config)
    with log_file(run / "train.log") if setup.world.is_main else nullcontext():
        describe(config, setup)
        trainer = setup.trainer
        trainer.fit()
        log.info("Training ends at step %d: %s.", trainer.state.step, trainer.stop_reason)
        log.info("The best model is that of step %d.", trainer.state.best_step)
        with setup.world.main_first():
            if setup.world.is_main:
                keep_average(config, setup)
                score(config, setup)
        return trainer.state.best_score


def keep_average(config: Config, setup: Setup) -> None:
    """Make the mean of the best models the model, if it validates better than each."""
    trainer, run = setup.trainer, Path(config.run_dir)
    paths = trainer.best.paths()[: config.training.average_best]
    if len(paths) < 2:
        return
    weights = average_weights(paths, read_tensors)
    model = build_model(config, setup.data.tokenizer).to(trainer.device)
    set_weights(model, weights, f"The mean of {paths[0].parent}")
    result = build_validator(config, setup.data, model).validate(lambda: None)
    best = trainer.state.best_score
    better = best is None or trainer.score_of(result) > best
    log.info(
        "The mean of the %d best models: validation loss %.3f, BLEU %.2f, chrF %.2f; it is %skept.",
        len(paths),
        result.loss,
        result.bleu,
        result.chrf,
        "" if better else "not ",
    )
    if better:
        save_weights(weights, run / "model.safetensors")
        trainer.state.best_score = trainer.score_of(result)
        trainer.checkpoints.replace_state(trainer.state)


def score(config: Config, setup: Setup) -> None:
    """Translate and score the test sets with the model that training has left in the run folder."""
    run = Path(config.run_dir)
    translator, _ = load_run(run, config.training.device)
    scorer = Scorer(config.data.tgt_lang)
    results = score_test_sets(
        translator, setup.data.tests, scorer, config.search, run / "translations", config.data.tgt_lang
    )
    track_results(run, config, setup.trainer, results, translator)
    if results:
        log.info("%s", format_results(results))
    log.info("The model is in %s. Translate: mt translate %s. Watch: tensorboard --logdir %s", run, run, run.parent)


def set_up(config: Config) -> Setup:
    """Read and encode the text, mark the run folder, build the model and its trainer."""
    run = Path(config.run_dir)
    world = start_world(use_gpu=config.training.device != "cpu" and torch.cuda.is_available())
    if not world.is_main:
        quiet()
    config.training.batches_per_process(world.size)  # fails now if they cannot be shared
    device = choose_device(config.training.device, world.local_rank if world.size > 1 else None)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    Scorer(config.data.tgt_lang)  # fails now, not after the first thousand steps
    resumes = any((run / "checkpoints").glob("step-*"))
    with world.main_first():
        if world.is_main:
            check_run_folder(run, config)
        if config.training.init_from is not None and not resumes:
            check_shape(config, Path(config.training.init_from))
    data = prepare(config, run, world)
    with world.main_first():
        model = build_starting_model(config, data.tokenizer, resumes).to(device)
        if world.is_main:
            set_up_run_folder(run, config, data.tokenizer)
    return Setup(data, build_trainer(config, data, model, world), world)


def use_bf16(config: Config, device: torch.device) -> bool:
    """Whether to compute in bfloat16; "auto" is where it is faster."""
    if config.training.precision is Precision.auto:
        return bf16_is_faster(device)
    return config.training.precision is Precision.bf16


def describe(config: Config, setup: Setup) -> None:
    """Say what is trained, on what, and with what that decides the result."""
    data, trainer, world, training = setup.data, setup.trainer, setup.world, config.training
    sizes = data.tokenizer.vocab_sizes
    vocabulary = f"{sizes[0]:,} joint" if data.tokenizer.joint else f"{sizes[0]:,} source and {sizes[1]:,} target"
    log.info("Training data: %s.", data.train.describe())
    log.info("Validation data: %s.", data.valid.describe())
    n_all, n_trained = trainer.model.n_parameters(), trainer.model.n_parameters(trained=True)
    frozen = f" ({n_trained:,} of them trained)" if n_trained < n_all else ""
    log.info("Model: %s parameters%s, %s pieces.", f"{n_all:,}", frozen, vocabulary)
    log.info(
        "Training on %s in %s; up to %s tokens a step (%s a batch x %d batches x %d processes); seed %d; %d threads.",
        trainer.device,
        "bfloat16" if trainer.objective.bf16 else "float32",
        f"{training.max_tokens * trainer.accumulate * world.size:,}",
        f"{training.max_tokens:,}",
        trainer.accumulate,
        world.size,
        config.seed,
        torch.get_num_threads(),
    )


def build_trainer(config: Config, data: Prepared, model: Transformer, world: World) -> Trainer:
    """Wire the training loop."""
    training = config.training
    bf16 = use_bf16(config, model.projection.weight.device)
    objective = Objective(model, training.label_smoothing, training.r_drop, bf16)
    if training.compile:
        objective.compile(dynamic=True)
    shared = distribute(
        objective, [*model.encoder, *model.decoder], training.strategy.value, world, config.model.layer_drop > 0
    )
    validator = build_validator(config, data, model, world)
    average = MovingAverage(model, training.ema_decay) if training.ema_decay else None
    learner = Learner(objective, shared, build_update(config, model), average)
    noise = Noise(**vars(config.data.noise))
    variation = Variation(data.tokenizer, config.data.max_len, noise, training.subword_alpha)
    loader = BatchLoader(
        data.train,
        training.max_tokens,
        config.seed,
        world.rank,
        world.size,
        variation if variation else None,
    )
    return Trainer(learner, loader, validator, Path(config.run_dir), training, world, config.seed)


def build_validator(config: Config, data: Prepared, model: Transformer, world: World = ALONE) -> Validator:
    """What scores a model on the validation data."""
    langs = (config.data.src_lang, config.data.tgt_lang)
    translator = Translator(model, data.tokenizer, config.data.max_len, langs)
    translator.translate_to(langs[1] if config.data.language_tags else None)
    return Validator(
        translator,
        data.valid,
        list(zip(data.valid_text["src"], data.valid_text["tgt"], strict=True)),
        Scorer(config.data.tgt_lang),
        config.search,
        config.training.max_tokens,
        config.training.n_samples,
        world,
    )


def build_update(config: Config, model: Transformer) -> Update:
    """The optimizer with its schedule and L1."""
    optim, training = config.optim, config.training

    def learning_rate(step: int, minutes: float) -> float:
        share_of_time = minutes / training.max_minutes if training.max_minutes else 0.0
        return optim.lr * learning_rate_factor(
            optim.schedule.value, step, optim.warmup_steps, training.max_steps, share_of_time
        )

    def apply_l1(rate: float) -> None:
        shrink(model.parameters(), rate * optim.l1)

    optimizer = build_optimizer(optim.name.value, model, optim.lr, optim.weight_decay)
    return Update(optimizer, learning_rate, optim.grad_clip, apply_l1 if optim.l1 else None)


def track_results(
    run: Path, config: Config, trainer: Trainer, results: list[TestResult], translator: Translator
) -> None:
    """Put the final scores beside the hyper-parameters in TensorBoard, and the pieces into its projector."""
    scores = {
        f"test/{result.name}_{score.metric.lower()}": score.value for result in results for score in result.scores
    }
    best = trainer.state.best_score
    if best is not None:
        metric = config.training.early_stopping.metric.value
        scores[f"final/best_valid_{metric}"] = -best if metric == "loss" else best
    hyperparameters = {
        key: value
        for key, value in flatten(config).items()
        if key.startswith(("model.", "optim.", "tokenizer.", "seed")) or key in TRACKED
    }
    tracker = Tracker(run, trainer.state.step)
    tracker.scalars(trainer.state.step, {name: value for name, value in scores.items() if name.startswith("test/")})
    tracker.hyperparameters(trainer.state.step, hyperparameters, scores)
    tracker.embeddings(embedding_tables(translator))
    tracker.close()


def embedding_tables(translator: Translator) -> dict[str, tuple[Tensor, list[str]]]:
    """The vectors of pieces with the pieces, of both languages where they are not the same; no marks, no bytes."""
    model, tokenizer = translator.model, translator.tokenizer
    sides = {"target_pieces": (model.tgt_embedding, tokenizer.tgt)}
    if model.src_embedding.tokens is model.tgt_embedding.tokens:
        sides = {"pieces": sides["target_pieces"]}
    else:
        sides["source_pieces"] = (model.src_embedding, tokenizer.src)
    return {
        name: (
            embedding.tokens.weight[N_SPECIAL:],
            [processor.id_to_piece(i) for i in range(N_SPECIAL, len(processor))],
        )
        for name, (embedding, processor) in sides.items()
    }
