"""`mt train`: from a configuration to a trained and scored model in one folder."""

import gc
import logging
from dataclasses import dataclass
from pathlib import Path

import torch

from mt.commands.automatic_settings import adopt_choices, choose_automatic, choose_precision
from mt.commands.composition import run_jobs
from mt.commands.final_scores import score_final_model
from mt.commands.resuming import check_unchanged, finished_state, score_on_new_text
from mt.commands.training_setup import adopt_start, build_trainer, prepare_data, this_start, validate_weights
from mt.config.schema import Config
from mt.data.preparation import Prepared
from mt.runs.folder import start_run_folder, used_for_training
from mt.runs.layout import RunLayout
from mt.runtime.devices import choose_device
from mt.runtime.distributed import World, start_world
from mt.runtime.logs import LogFile, log_file, silence_messages
from mt.text.metrics import Scorer
from mt.training.starting_point import build_starting_model
from mt.training.trainer import Trainer

log = logging.getLogger(__name__)


@dataclass
class Setup:
    """Everything that training needs, built from its configuration."""

    config: Config
    """with every automatic setting chosen"""
    run: RunLayout
    data: Prepared
    trainer: Trainer
    world: World


def main(arguments: list[str]) -> int:
    """Train as configured, or each job of a sweep, and return the exit code."""
    started: list[str] = []

    def job(config: Config) -> float | None:
        if started:  # the optimizer of the job before refers to itself, and to the weights
            free_memory()
        started.append(config.run_dir)
        return train(config)

    return run_jobs(arguments, job)


def free_memory() -> None:
    """Free the memory of objects that are no longer used, so that a job of a sweep has what the first one had."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def train(config: Config) -> float | None:
    """Prepare, train, and score the best model; return its validation score."""
    world = start_world(use_gpu=config.training.device != "cpu" and torch.cuda.is_available())
    if not world.is_main:
        silence_messages()
    run = RunLayout(Path(config.run_dir))
    with log_file() as file, used_for_training(run, world) as has_mended:
        if has_mended:  # even if training does not begin
            file.begin(run.log)
        best_score = train_in_folder(config, world, file)
        file.complete()
        return best_score


def train_in_folder(config: Config, world: World, file: LogFile) -> float | None:
    """Train in a run folder that no other process trains in."""
    config = adopt_choices(adopt_start(config, world), world)
    with world.main_first():
        finished = world.is_main and finished_state(config)
    if finished := world.gather(finished)[0]:
        return finished.best_score
    setup = set_up(config, world)
    config, trainer = setup.config, setup.trainer
    if world.is_main:
        file.begin(setup.run.log)
    describe(config, setup)
    validate = validate_weights(config, setup.data, trainer.device)
    with world.main_first():
        if world.is_main:
            score_on_new_text(config, validate)
    trainer.fit()
    with world.main_first():
        if world.is_main:
            trainer.keep_average(validate)
            score_final_model(config, setup.run, setup.data, trainer.state)
            trainer.finish()
    return trainer.state.best_score


def set_up(config: Config, world: World) -> Setup:
    """Read and encode the text, start the run folder, build the model and its trainer."""
    run = RunLayout(Path(config.run_dir))
    config.training.batches_per_process(world.size)  # fails now if the batches cannot be divided
    device = choose_device(config.training.device, world.local_rank if world.size > 1 else None)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    Scorer(config.data.tgt_lang)  # fails now instead of after the first thousand steps
    resumes = run.has_checkpoint()
    data = prepare_data(config, run, world)
    config = choose_automatic(choose_precision(config, device, world), data, world)
    with world.main_first():
        model = build_starting_model(config, data.tokenizer, resumes).to(device)
        if world.is_main:
            check_unchanged(config, data)
            start_run_folder(run, config, data, this_start(config, run, data, device, world))
    return Setup(config, run, data, build_trainer(config, run, data, model, world), world)


def describe(config: Config, setup: Setup) -> None:
    """Log the data, the model and the settings that determine the result."""
    data, trainer, world, training = setup.data, setup.trainer, setup.world, config.training
    sizes = data.tokenizer.vocab_sizes
    vocabulary = f"{sizes[0]:,} joint" if data.tokenizer.joint else f"{sizes[0]:,} source and {sizes[1]:,} target"
    log.info("Training data: %s.", data.train.describe())
    log.info("Validation data: %s.", data.valid.describe())
    n_all, n_trained = trainer.model.n_parameters(), trainer.model.n_parameters(trained=True)
    frozen = f" ({n_trained:,} of them trained)" if n_trained < n_all else ""
    log.info("Model: %s parameters%s, %s pieces.", f"{n_all:,}", frozen, vocabulary)
    log.info(
        "Training on %s in %s; up to %s tokens per step (%s per batch x %d batches x %d processes); seed %d; "
        "%d threads.",
        trainer.device,
        "bfloat16" if trainer.learner.objective.bf16 else "float32",
        f"{training.max_tokens * trainer.accumulate * world.size:,}",
        f"{training.max_tokens:,}",
        trainer.accumulate,
        world.size,
        config.seed,
        torch.get_num_threads(),
    )
