"""The training loop. It is given everything it works with, and builds none of it."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from mt.config.schema import TrainingConfig
from mt.data.batch import Batch
from mt.data.loader import BatchLoader
from mt.model.lora import merge_lora
from mt.runs.checkpoint import BestModels, CheckpointStore, TrainState, pack_optimizer, save_weights, weights_of
from mt.runtime.distributed import World, gathered, without_sync
from mt.runtime.progress import TrainingProgress, describe_seconds
from mt.runtime.seeds import derive_seed
from mt.runtime.signals import Interrupted, StopSignals
from mt.training.averaging import MovingAverage
from mt.training.limits import Limits
from mt.training.objective import Objective
from mt.training.profiling import profiled_steps
from mt.training.pruning import is_hopeless
from mt.training.reporting import Window, summarise
from mt.training.tracking import Tracker
from mt.training.update import Update
from mt.training.validator import Validation

log = logging.getLogger(__name__)


class TrainingFailed(Exception):
    """Training cannot go on; the text says what may help."""


class Validates(Protocol):
    """What scores the model."""

    def validate(self, check: Callable[[], None]) -> Validation:
        """Score the model as it is now; `check` may raise, to stop early."""


@dataclass
class Learner:
    """What learns: the objective with its model, and what changes the model."""

    objective: Objective
    shared: nn.Module
    """the objective as the processes share it; itself where there is one"""
    update: Update
    average: MovingAverage | None = None
    """of the weights over the steps; if there is one, it is what is validated and kept as the model"""


class Trainer:
    """Brings a model from its state to the end of training, or to where it is interrupted."""

    def __init__(
        self,
        learner: Learner,
        loader: BatchLoader,
        validator: Validates,
        run: Path,
        config: TrainingConfig,
        world: World,
        seed: int = 1,
    ) -> None:
        self.objective, self.shared = learner.objective, learner.shared
        self.model = learner.objective.model
        self.update, self.average = learner.update, learner.average
        self.loader = loader
        self.validator = validator
        self.run = run
        self.config = config
        self.world = world
        self.seed = seed
        self.device = self.model.projection.weight.device
        self.accumulate = config.batches_per_process(world.size)
        self.checkpoints = CheckpointStore(run / "checkpoints", config.keep_checkpoints)
        self.best = BestModels(run / "best", config.average_best)
        self.limits = Limits(config)
        self.state = TrainState()
        self.stop_reason: str | None = None
        self.hopeless = False

    def fit(self) -> None:
        """Train until a limit is reached or nothing gets better.

        Raises:
            Interrupted: SIGINT or SIGTERM came to any process; the state is saved.
            TrainingFailed: the loss is no longer a number.
        """
        self.resume()
        self.hopeless = self.is_hopeless()
        self.tracker = Tracker(self.run, self.state.step) if self.world.is_main else None
        self.progress = TrainingProgress(self.state.step, self.config.max_steps)
        self.started = time.monotonic() - 60 * self.state.minutes
        self.window = Window()
        gc.freeze()  # what is there now stays: Python need not look through it again and again
        try:
            with StopSignals() as self.signals, self.profiled() as self.note_step:
                self.loop()
        finally:
            gc.unfreeze()  # the next job of a sweep needs nothing of this one
            self.progress.close()
            if self.tracker:
                self.tracker.close()

    def loop(self) -> None:
        """Step, log, validate and save in turn."""
        try:
            if self.validation_is_due():  # an interruption cut it short
                self.validate()
            while not self.finished():
                self.train_step()
                self.note_step()
                step = self.state.step
                logs, saves = step % self.config.log_every_steps == 0, step % self.config.checkpoint_every_steps == 0
                validates = self.validation_is_due()
                if logs or saves or validates or self.signals.agreed:
                    self.check_finite()
                if logs or (validates and self.window.n_steps):
                    self.log_window()
                if validates:
                    self.validate()
                elif saves:
                    self.save()
                self.signals.check_agreed()
            if self.state.validated_step < self.state.step:
                if self.window.n_steps:
                    self.check_finite()
                    self.log_window()
                self.validate()
        except Interrupted as interruption:
            self.save()
            log.info("%s: saved at step %d; the same command goes on from here.", interruption, self.state.step)
            raise

    def profiled(self) -> AbstractContextManager[Callable[[], None]]:
        """What is to be called after each step, so that `profile_steps` of them are recorded."""

        def show(table: str) -> None:
            if self.tracker:
                self.tracker.profile(self.state.step, table)

        n_steps = self.config.profile_steps if self.tracker else 0
        return profiled_steps(n_steps, self.run / "profile", show)

    def train_step(self) -> None:
        """One update: the mean gradient over all target tokens of `accumulate` batches of every process."""
        self.shared.train()
        torch.manual_seed(derive_seed(self.seed, self.state.step, self.world.rank))
        n_tgt_tokens = 0
        self.loader.begin_step(self.state.step)
        for micro_step in range(self.accumulate):
            batch = self.loader.next_batch()
            with without_sync(self.shared, active=micro_step < self.accumulate - 1):
                loss_sum, nll_sum = self.loss_of(batch)
                # Processes share the mean of their gradients; what is wanted is the sum.
                (loss_sum * self.world.size).backward()  # type: ignore[no-untyped-call]
            self.window.add(batch, loss_sum, nll_sum)
            n_tgt_tokens += batch.n_tgt_tokens
        n_all_tokens = self.agree(n_tgt_tokens)
        self.state.step += 1
        self.state.place = self.loader.place
        self.learning_rate, self.grad_norm = self.update.apply(
            self.model, self.state.step, self.state.minutes, n_all_tokens
        )
        if self.average:
            self.average.update(self.state.step)
        self.window.n_steps += 1
        self.progress.advance()

    def loss_of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Smoothed and unsmoothed loss of a batch, summed over its tokens."""
        loss_sum, nll_sum = self.shared(batch.to(self.device))
        return loss_sum, nll_sum

    def agree(self, n_tgt_tokens: int) -> float:
        """Let all processes know the same signals and the same time; gives the tokens of all of them."""
        minutes = (time.monotonic() - self.started) / 60 if self.world.is_main else 0.0
        n_all_tokens, self.state.minutes, *signals = self.world.sum([n_tgt_tokens, minutes, *self.signals.counts()])
        self.signals.share(signals)
        return n_all_tokens

    def log_window(self) -> None:
        """Report the steps since the last report."""
        figures = summarise(self.window, self.learning_rate, self.grad_norm, self.world)
        self.window = Window()
        if self.tracker:
            self.tracker.scalars(self.state.step, figures.scalars)
        epochs_per_step = self.world.size * self.accumulate / self.loader.batches_per_epoch
        left = self.limits.seconds_left(
            self.state.step, self.loader.epochs, self.state.minutes, epochs_per_step, figures.seconds_per_step
        )
        self.progress.report(self.state.step, figures.nll, figures.tgt_tokens_per_second, left)

    def validation_is_due(self) -> bool:
        """Whether this step is one to validate at, and that has not been done."""
        return self.state.step % self.config.valid_every_steps == 0 and self.state.validated_step < self.state.step

    def validate(self) -> None:
        """Score, keep the model if it is the best so far, save."""
        with self.average.applied() if self.average else nullcontext():
            with gathered(self.shared):
                result = self.validator.validate(self.signals.check)
            weights = self.model_weights()
        if self.tracker:
            self.track(self.tracker, result)
        state = self.state
        state.validated_step = state.step
        score = self.score_of(result)
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
        if self.world.is_main:
            self.best.offer(state.step, score, weights)
        if better:
            state.best_score, state.best_step, state.n_validations_since_best = score, state.step, 0
            if self.world.is_main:
                save_weights(weights, self.run / "model.safetensors")
        else:
            state.n_validations_since_best += 1
        self.hopeless = self.is_hopeless()
        self.save()
        self.window = Window()  # the time of validation is not training's

    def model_weights(self) -> dict[str, Tensor]:
        """The weights as those of a model that knows nothing of how it was trained."""
        return merge_lora(weights_of(self.model), self.config.lora.scale)

    def is_hopeless(self) -> bool:
        """Whether this is a job of a sweep that others are well ahead of; all processes must ask."""
        stopping, step = self.config.early_stopping, self.state.step
        if not stopping.prune_after or step < stopping.prune_after * self.config.valid_every_steps:
            return False
        hopeless = self.world.is_main and is_hopeless(self.run, stopping.metric.value, step)
        return self.world.sum([hopeless])[0] > 0

    def score_of(self, result: Validation) -> float:
        """What models are compared by, larger is better."""
        metric = self.config.early_stopping.metric.value
        return -result.loss if metric == "loss" else float(getattr(result, metric))

    def track(self, tracker: Tracker, result: Validation) -> None:
        """Write what a validation has found."""
        step, picture = self.state.step, result.attention
        tracker.scalars(step, result.scalars)
        tracker.samples(step, result.samples)
        if picture:
            tracker.attention(step, picture.heads, picture.src_pieces, picture.tgt_pieces)

    def check_finite(self) -> None:
        """Raise `TrainingFailed` if the newest gradient is no finite number; it is none after a loss that was none."""
        if not isfinite(float(self.grad_norm)):
            raise TrainingFailed(
                f"Training has diverged: at step {self.state.step} the loss or its gradient is no finite number. "
                "A lower optim.lr, more optim.warmup_steps or optim.grad_clip=1 may help. Nothing of this was saved."
            )

    def save(self) -> None:
        """Write a checkpoint; the model too, so that it can be tried before its first validation."""
        weights, others = weights_of(self.model), {"optimizer": pack_optimizer(self.update.optimizer)}
        if self.average:
            others["average"] = self.average.whole_weights()
        if self.world.is_main:
            minutes = (time.monotonic() - self.started) / 60  # the time since the last step, too
            self.checkpoints.save(replace(self.state, minutes=minutes), weights, others)
            if self.state.best_score is None:
                model = merge_lora(weights | others.get("average", {}), self.config.lora.scale)
                save_weights(model, self.run / "model.safetensors")
        self.world.wait()

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        average = self.average.weights if self.average else None
        state = self.checkpoints.load_latest(self.model, self.update.optimizer, average)
        if state is not None:
            self.state = state
            self.loader.place = state.place
            log.info("Going on from step %d.", state.step)

    def finished(self) -> bool:
        """Whether a limit is reached or nothing gets better; `stop_reason` says which."""
        state, patience = self.state, self.config.early_stopping.patience
        self.stop_reason = self.limits.reason_to_stop(state.step, self.loader.epochs, state.minutes)
        if self.stop_reason is None and patience and state.n_validations_since_best >= patience:
            metric = self.config.early_stopping.metric.value
            self.stop_reason = f"validation {metric} is no better than at step {state.best_step}, {patience} times over"
        if self.stop_reason is None and self.hopeless:
            self.stop_reason = "other jobs of the sweep do better (training.early_stopping.prune_after)"
        return self.stop_reason is not None
