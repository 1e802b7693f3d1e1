"""`mt train`: from configuration to a trained, scored model in one folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import datasets
import torch
from datasets import Dataset

from mt.checkpoint import load_weights
from mt.cli import fail
from mt.commands.composition import run_composed
from mt.commands.run_folder import check_run_folder, flatten
from mt.config import Config, Precision, source_list
from mt.config_file import save_config
from mt.data.corpus import Corpus, encode_corpus
from mt.data.loader import BatchLoader
from mt.data.sources import load_pairs
from mt.devices import bf16_is_faster, choose_device, keep_freed_memory
from mt.errors import UserError
from mt.logs import log_file, set_up_console
from mt.metrics import Scorer
from mt.model.transformer import Transformer
from mt.optim import build_optimizer, learning_rate_factor, shrink
from mt.progress import on_terminal
from mt.scoring import TestResult, format_results, load_test_sets, score_test_sets, source_context
from mt.signals import Interrupted
from mt.storage import remove_leftovers, replacing
from mt.tokenizer import AUTOMATIC_VOCAB_SIZE, SubwordSettings, Tokenizer, load_tokenizer, model_paths, train_tokenizer
from mt.tracking import Tracker
from mt.trainer import Trainer, TrainingFailed, Update
from mt.translator import Translator, build_model
from mt.validator import Validator

log = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Train as configured, or each job of a sweep; the exit code."""
    set_up_console()
    keep_freed_memory()
    (datasets.enable_progress_bars if on_terminal() else datasets.disable_progress_bars)()
    exit_codes: list[int] = []

    def job(config: Config) -> None:
        try:
            train(config)
            exit_codes.append(0)
        except UserError as error:
            exit_codes.append(fail(str(error), 2))
        except TrainingFailed as error:
            exit_codes.append(fail(str(error), 1))
        except Interrupted as interruption:  # ends a sweep, too
            raise SystemExit(interruption.exit_code) from None

    run_composed(arguments, job)
    return max(exit_codes, default=0)


@dataclass
class Prepared:
    """The data of a run, read, tokenised and checked."""

    tokenizer: Tokenizer
    train: Corpus
    valid: Corpus
    valid_text: Dataset
    tests: dict[str, Dataset]


def train(config: Config) -> None:
    """Prepare, train, and score the best model."""
    run = Path(config.run_dir)
    check_run_folder(run, config)
    device = choose_device(config.training.device)
    scorer = Scorer(config.data.tgt_lang)
    data = prepare(config, run)
    set_up_run_folder(run, config, data.tokenizer)
    with log_file(run / "train.log"):
        torch.manual_seed(config.seed)
        model = build_model(config, data.tokenizer).to(device)
        bf16 = use_bf16(config, device)
        describe(config, data, model, device, bf16)
        translator = Translator(model, data.tokenizer, config.data.max_len, config.data.tgt_lang)
        trainer = build_trainer(config, data, translator, scorer, bf16)
        trainer.fit()
        log.info("Training ends at step %d: %s.", trainer.state.step, trainer.stop_reason)
        load_weights(model, run / "model.safetensors")
        log.info("The best model is that of step %d.", trainer.state.best_step)
        results = score_test_sets(
            translator, data.tests, scorer, config.search, run / "translations", config.data.tgt_lang
        )
        track_results(run, config, trainer, results)
        log.info("%s", format_results(results))
        log.info("The model is in %s. Translate: mt translate %s. Watch: tensorboard --logdir %s", run, run, run.parent)


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


def use_bf16(config: Config, device: torch.device) -> bool:
    """Whether to compute in bfloat16; "auto" is where it is faster."""
    if config.training.precision is Precision.auto:
        return bf16_is_faster(device)
    return config.training.precision is Precision.bf16


def describe(config: Config, data: Prepared, model: Transformer, device: torch.device, bf16: bool) -> None:
    """Say what is trained, on what, and with what that decides the result."""
    training = config.training
    sizes = data.tokenizer.vocab_sizes
    vocabulary = f"{sizes[0]:,} joint" if data.tokenizer.joint else f"{sizes[0]:,} source and {sizes[1]:,} target"
    log.info("Training data: %s.", data.train.describe())
    log.info("Validation data: %s.", data.valid.describe())
    log.info("Model: %s parameters, %s pieces.", f"{model.n_parameters():,}", vocabulary)
    log.info(
        "Training on %s in %s; %s tokens a batch, %d a step; seed %d; %d threads.",
        device,
        "bfloat16" if bf16 else "float32",
        f"{training.max_tokens:,}",
        training.accumulate,
        config.seed,
        torch.get_num_threads(),
    )


def build_trainer(config: Config, data: Prepared, translator: Translator, scorer: Scorer, bf16: bool) -> Trainer:
    """Wire the training loop."""
    model, optim, training = translator.model, config.optim, config.training

    def learning_rate(step: int) -> float:
        return optim.lr * learning_rate_factor(optim.schedule.value, step, optim.warmup_steps, training.max_steps)

    def apply_l1(rate: float) -> None:
        shrink(model.parameters(), rate * optim.l1)

    update = Update(
        build_optimizer(optim.name.value, model, optim.lr, optim.weight_decay),
        learning_rate,
        optim.grad_clip,
        apply_l1 if optim.l1 else None,
    )
    validator = Validator(
        translator,
        data.valid,
        list(zip(data.valid_text["src"], data.valid_text["tgt"], strict=True)),
        scorer,
        config.search,
        training.max_tokens,
        training.n_samples,
    )
    loader = BatchLoader(data.train, training.max_tokens, config.seed)
    return Trainer(model, update, loader, validator, Path(config.run_dir), training, bf16)


def track_results(run: Path, config: Config, trainer: Trainer, results: list[TestResult]) -> None:
    """Put the final scores beside the hyper-parameters in TensorBoard."""
    scores = {
        f"test/{result.name}_{kind}": score.value
        for result in results
        for kind, score in (("bleu", result.bleu), ("chrf", result.chrf))
    }
    best = trainer.state.best_score
    if best is not None:
        metric = config.training.early_stopping.metric.value
        scores[f"valid/best_{metric}"] = -best if metric == "loss" else best
    hyperparameters = {
        key: value
        for key, value in flatten(config).items()
        if key.startswith(("model.", "optim.", "tokenizer.", "training.max_tokens", "training.accumulate", "seed"))
    }
    tracker = Tracker(run, trainer.state.step)
    tracker.hyperparameters(trainer.state.step, hyperparameters, scores)
    tracker.close()
