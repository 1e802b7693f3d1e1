"""The training loop. It is given everything it works with, and builds none of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mt.checkpoint import CheckpointStore, TrainState, save_weights
from mt.config import TrainingConfig
from mt.data.batch import Batch
from mt.data.loader import BatchLoader
from mt.loss import smoothed_cross_entropy
from mt.model.transformer import Transformer
from mt.progress import TrainingProgress, describe_seconds
from mt.signals import Interrupted, StopSignals
from mt.tracking import Tracker
from mt.validator import Validation

log = logging.getLogger(__name__)


class TrainingFailed(Exception):
    """Training cannot go on; the text says what may help."""


class Validates(Protocol):
    """What scores the model."""

    def validate(self, check: Callable[[], None]) -> Validation:
        """Score the model as it is now; `check` may raise, to stop early."""


@dataclass
class Update:
    """How the gradient becomes a change of the weights."""

    optimizer: Optimizer
    learning_rate: Callable[[int], float]
    """step, counted from 1 -> learning rate"""
    grad_clip: float = 0.0
    shrink: Callable[[float], None] | None = None
    """L1 regularisation's step, given the learning rate"""

    def apply(self, model: nn.Module, step: int) -> tuple[float, Tensor]:
        """Clip, step and clear the gradients; gives the learning rate and the gradient's norm before clipping."""
        learning_rate = self.learning_rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        norm = nn.utils.clip_grad_norm_(model.parameters(), self.grad_clip or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.shrink:
            self.shrink(learning_rate)
        return learning_rate, norm


@dataclass
class Window:
    """Sums over the steps since the last log line; tensors, so that a GPU is not waited for at each step."""

    started: float = field(default_factory=time.monotonic)
    loss_sum: Tensor | float = 0.0
    nll_sum: Tensor | float = 0.0
    n_tgt_tokens: int = 0
    n_tokens: int = 0
    n_padded: int = 0
    n_steps: int = 0


class Trainer:
    """Brings a model from its state to the end of training, or to where it is interrupted."""

    def __init__(
        self,
        model: Transformer,
        update: Update,
        loader: BatchLoader,
        validator: Validates,
        run: Path,
        config: TrainingConfig,
        bf16: bool = False,
    ) -> None:
        self.model = model
        self.update = update
        self.loader = loader
        self.validator = validator
        self.run = run
        self.config = config
        self.bf16 = bf16
        self.device = model.projection.weight.device
        self.checkpoints = CheckpointStore(run / "checkpoints", config.keep_checkpoints)
        self.state = TrainState()
        self.stop_reason: str | None = None

    def fit(self) -> None:
        """Train until a limit is reached or nothing gets better.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the state is saved.
            TrainingFailed: the loss is no longer a number.
        """
        self.resume()
        self.tracker = Tracker(self.run, self.state.step)
        self.progress = TrainingProgress(self.state.step, self.config.max_steps)
        self.started = time.monotonic() - 60 * self.state.minutes
        self.window = Window()
        try:
            with StopSignals() as stop:
                self.loop(stop)
        finally:
            self.progress.close()
            self.tracker.close()

    def loop(self, stop: StopSignals) -> None:
        """Step, log, validate and save in turn."""
        try:
            if self.validation_is_due():  # an interruption cut it short
                self.validate(stop)
            while not self.finished():
                self.train_step()
                step = self.state.step
                logs, saves = step % self.config.log_every_steps == 0, step % self.config.checkpoint_every_steps == 0
                validates = self.validation_is_due()
                if logs or saves or validates or stop.received:
                    self.check_finite()
                if logs or (validates and self.window.n_steps):
                    self.log_window()
                if validates:
                    self.validate(stop)
                elif saves:
                    self.save()
                stop.check()
            if self.state.validated_step < self.state.step:
                if self.window.n_steps:
                    self.check_finite()
                    self.log_window()
                self.validate(stop)
        except Interrupted as interruption:
            self.save()
            log.info("%s: saved at step %d; the same command goes on from here.", interruption, self.state.step)
            raise

    def train_step(self) -> None:
        """One update: the mean gradient over all target tokens of `accumulate` batches."""
        self.model.train()
        batches = [self.loader.next_batch() for _ in range(self.config.accumulate)]
        n_tokens = sum(batch.n_tgt_tokens for batch in batches)
        for batch in batches:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
                loss_sum, nll_sum = self.loss_of(batch.to(self.device))
            (loss_sum / n_tokens).backward()  # type: ignore[no-untyped-call]
            self.window.loss_sum += loss_sum.detach()
            self.window.nll_sum += nll_sum
            self.window.n_tokens += batch.n_src_tokens + batch.n_tgt_tokens
            self.window.n_padded += batch.src.numel() + batch.tgt_in.numel()
        self.state.step += 1
        self.state.epoch, self.state.cursor = self.loader.epoch, self.loader.cursor
        self.learning_rate, self.grad_norm = self.update.apply(self.model, self.state.step)
        self.window.n_tgt_tokens += n_tokens
        self.window.n_steps += 1
        self.progress.advance()

    def loss_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Smoothed and unsmoothed loss of a batch, summed over its tokens."""
        logits = self.model(batch.src, batch.src_mask, batch.tgt_in, batch.tgt_mask)
        return smoothed_cross_entropy(logits, batch.tgt_out[batch.tgt_mask], self.config.label_smoothing)

    def log_window(self) -> None:
        """Report the steps since the last report."""
        window, self.window = self.window, Window()
        seconds = time.monotonic() - window.started
        nll = float(window.nll_sum) / window.n_tgt_tokens
        self.tracker.scalars(
            self.state.step,
            {
                "train/loss": float(window.loss_sum) / window.n_tgt_tokens,
                "train/nll": nll,
                "train/perplexity": float(torch.tensor(nll).exp()),
                "train/learning_rate": self.learning_rate,
                "train/gradient_norm": float(self.grad_norm),
                "speed/target_tokens_per_second": window.n_tgt_tokens / seconds,
                "speed/padding_share": 1 - window.n_tokens / window.n_padded,
            },
        )
        left = self.seconds_left(seconds / window.n_steps)
        self.progress.report(self.state.step, nll, window.n_tgt_tokens / seconds, left)

    def validation_is_due(self) -> bool:
        """Whether this step is one to validate at, and that has not been done."""
        return self.state.step % self.config.valid_every_steps == 0 and self.state.validated_step < self.state.step

    def validate(self, stop: StopSignals) -> None:
        """Score, keep the model if it is the best so far, save."""
        result = self.validator.validate(stop.check)
        state = self.state
        state.validated_step = state.step
        self.tracker.scalars(state.step, result.scalars)
        self.tracker.samples(state.step, result.samples)
        if result.attention:
            picture = result.attention
            self.tracker.attention(state.step, picture.weights, picture.src_pieces, picture.tgt_pieces)
        metric = self.config.early_stopping.metric.value
        score = -result.loss if metric == "loss" else getattr(result, metric)
        better = state.best_score is None or score > state.best_score
        log.info(
            "step %d, epoch %.1f, %s: validation loss %.3f, BLEU %.2f, chrF %.2f%s",
            state.step,
            self.loader.epochs,
            describe_seconds(time.monotonic() - self.started),
            result.loss,
            result.bleu,
            result.chrf,
            " (best so far)" if better else "",
        )
        if better:
            state.best_score, state.best_step, state.n_validations_since_best = score, state.step, 0
            save_weights(self.model, self.run / "model.safetensors")
        else:
            state.n_validations_since_best += 1
        self.save()
        self.window = Window()  # the time of validation is not training's

    def check_finite(self) -> None:
        """Raise `TrainingFailed` if the newest gradient, or a loss before it, is no finite number."""
        if not isfinite(float(self.window.loss_sum) + float(self.grad_norm)):
            raise TrainingFailed(
                f"Training has diverged: at step {self.state.step} the loss or its gradient is no finite number. "
                "A lower optim.lr, more optim.warmup_steps or optim.grad_clip=1 may help. Nothing of this was saved."
            )

    def save(self) -> None:
        """Write a checkpoint; the model too, so that it can be tried before its first validation."""
        self.state.minutes = (time.monotonic() - self.started) / 60
        self.checkpoints.save(self.state, self.model, self.update.optimizer)
        if self.state.best_score is None:
            save_weights(self.model, self.run / "model.safetensors")

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        state = self.checkpoints.load_latest(self.model, self.update.optimizer)
        if state is not None:
            self.state = state
            self.loader.epoch, self.loader.cursor = state.epoch, state.cursor
            log.info("Going on from step %d.", state.step)

    def finished(self) -> bool:
        """Whether a limit is reached; `stop_reason` says which."""
        config, state = self.config, self.state
        patience = config.early_stopping.patience
        minutes = (time.monotonic() - self.started) / 60
        epochs = self.loader.epochs
        if config.max_steps and state.step >= config.max_steps:
            self.stop_reason = f"training.max_steps={config.max_steps} is reached"
        elif config.max_epochs and epochs >= config.max_epochs:
            self.stop_reason = f"training.max_epochs={config.max_epochs} is reached"
        elif config.max_minutes and minutes >= config.max_minutes:
            self.stop_reason = f"training.max_minutes={config.max_minutes:g} are over"
        elif patience and state.n_validations_since_best >= patience:
            metric = config.early_stopping.metric.value
            self.stop_reason = f"validation {metric} is no better than at step {state.best_step}, {patience} times over"
        return self.stop_reason is not None

    def seconds_left(self, seconds_per_step: float) -> float | None:
        """Until the first of the limits, at this speed; validations not counted."""
        config, estimates = self.config, []
        if config.max_steps:
            estimates.append((config.max_steps - self.state.step) * seconds_per_step)
        if config.max_epochs:
            steps_per_epoch = len(self.loader.plan()) / config.accumulate
            estimates.append((config.max_epochs - self.loader.epochs) * steps_per_epoch * seconds_per_step)
        if config.max_minutes:
            estimates.append(60 * config.max_minutes - (time.monotonic() - self.started))
        return max(0.0, min(estimates)) if estimates else None
