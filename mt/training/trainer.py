"""The training loop. All objects that it uses are passed in; it builds none."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import isfinite

from torch import Tensor, nn

from mt.config.training import TrainingConfig
from mt.data.batch import Batch
from mt.data.loader import BatchLoader
from mt.errors import WorkFailed
from mt.model.lora import merge_lora
from mt.runs.checkpoint import (
    BestModels,
    CheckpointStore,
    TrainState,
    copy_weights,
    pack_optimizer,
    read_tensors,
    save_weights,
)
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile
from mt.runtime.distributed import World, gathered
from mt.runtime.progress import describe_seconds
from mt.runtime.seeds import derive_seed
from mt.runtime.signals import Interrupted
from mt.training.averaging import MovingAverage, average_weights
from mt.training.forecast import forecast_run
from mt.training.gradients import add_gradients
from mt.training.limits import Limits
from mt.training.objective import Objective
from mt.training.optim import Update
from mt.training.pruning import is_hopeless
from mt.training.reporting import Window, summarise
from mt.training.session import Session, open_session
from mt.training.validator import Validation, Validator

log = logging.getLogger(__name__)
MAX_SKIPPED = 10
"""steps in a row without a finite gradient after which training ends"""
SHOWN_LINES = 5


@dataclass
class Learner:
    """The objective with its model, and the objects that update the model."""

    objective: Objective
    shared: nn.Module
    """the objective as several processes share it; the objective itself if there is one process"""
    update: Update
    average: MovingAverage | None = None
    """moving average of the weights; if there is one, it is validated and kept as the model"""


class Trainer:
    """Trains a model from its state to the end, or until it is interrupted."""

    def __init__(
        self,
        learner: Learner,
        loader: BatchLoader,
        validator: Validator,
        run: RunLayout,
        config: TrainingConfig,
        world: World,
        seed: int = 1,
    ) -> None:
        self.learner = learner
        self.model = learner.objective.model
        self.loader = loader
        self.validator = validator
        self.run = run
        self.config = config
        self.world = world
        self.seed = seed
        self.device = self.model.projection.weight.device
        self.accumulate = config.batches_per_process(world.size)
        self.checkpoints = CheckpointStore(run.checkpoints, config.keep_checkpoints)
        self.best = BestModels(run.best, config.average_best)
        self.limits = Limits(config)
        self.state = TrainState()

    def fit(self) -> None:
        """Train until a limit is reached or nothing improves.

        Raises:
            Interrupted: a process received SIGINT or SIGTERM; the state is saved.
            WorkFailed: the loss is not finite, or there is not enough memory.
        """
        self.resume()
        self.state.is_finished = False
        with open_session(self.run, self.config, self.state, self.world.is_main) as session:
            session.window = Window.resume(self.state.window, self.world.is_main)
            self.state.window = {}
            try:
                self.loop(session)
            except Interrupted as interruption:
                self.save(session)
                log.info("%s: saved at step %d; rerun the same command to resume.", interruption, self.state.step)
                raise
        log.info("Training ends at step %d: %s.", self.state.step, self.limits.reason_to_stop(self.state))
        log.info("The best model is that of step %d.", self.state.best_step)
        warmup_steps = self.learner.update.config.warmup_steps
        if 0 < self.state.step < warmup_steps:
            log.warning("Training ended during warm-up: lower optim.warmup_steps=%d, or train longer.", warmup_steps)

    def loop(self, session: Session) -> None:
        """Step, log, validate and save in turn."""
        untried = self.config.init_from is not None and self.state.step == 0 and self.state.best_score is None
        if untried or self.validation_is_due():  # the model to start from; a validation that was interrupted
            self.validate(session)
        while self.limits.reason_to_stop(self.state) is None:
            self.train_step(session)
            session.record_step()
            step = self.state.step
            logs, saves = step % self.config.log_every_steps == 0, step % self.config.checkpoint_every_steps == 0
            healthy = not self.state.n_skipped_in_a_row  # otherwise the weights may have gone bad
            validates = healthy and self.validation_is_due()
            if (logs or validates) and session.window.n_steps:
                self.log_window(session)
            if validates:
                self.validate(session)
                self.agree(session)  # the time may be up now
            elif healthy and saves:
                self.save(session)
            session.signals.check_agreed()
        if self.state.validated_step < self.state.step:
            if session.window.n_steps:
                self.log_window(session)
            self.validate(session)

    def train_step(self, session: Session) -> None:
        """Make one update with the mean gradient over all target tokens of `accumulate` batches of every process."""
        shared = self.learner.shared.train()
        self.loader.begin_step(self.state.step)
        batches = [self.loader.next_batch() for _ in range(self.accumulate)]
        seed = derive_seed(self.seed, self.state.step, self.world.rank)
        loss_sum, nll_sum = add_gradients(shared, batches, seed, self.device, self.world)
        n_all_tokens = self.agree(session, sum(batch.n_tgt_tokens for batch in batches))
        self.state.step += 1
        # a schedule that ends with the epochs sees those before the step: otherwise a single batch would learn nothing
        learning_rate, grad_norm = self.learner.update.apply(
            self.model, n_all_tokens, self.state.step, self.state.minutes, self.state.epochs
        )
        self.state.data_position, self.state.epochs = self.loader.position, self.loader.epochs
        session.progress.advance()
        if not isfinite(grad_norm):
            self.skip(batches)
            return
        self.state.n_skipped_in_a_row = 0
        if self.learner.average:
            self.learner.average.update(self.state.step)
        session.window.add(batches, loss_sum, nll_sum, learning_rate, grad_norm)

    def skip(self, batches: Sequence[Batch]) -> None:
        """Count a step that has changed nothing, as its loss or gradient is not finite.

        Raises:
            WorkFailed: there were too many in a row; training would not recover.
        """
        state, tokenizer = self.state, self.validator.translator.tokenizer
        state.n_skipped += 1
        state.n_skipped_in_a_row += 1
        if state.n_skipped_in_a_row < MAX_SKIPPED:
            log.warning("Step %d is skipped: its loss or gradient is not finite.", state.step)
            return
        batch = batches[0]
        rows = zip(batch.src[:SHOWN_LINES], batch.src_mask, strict=False)
        shown = "".join(f"\n  {tokenizer.decode_src(row[mask].tolist())}" for row, mask in rows)
        raise WorkFailed(
            f"Training has diverged: at {MAX_SKIPPED} steps in a row, the last of them step {state.step}, the loss or "
            "its gradient was not finite. Try a lower optim.lr, more optim.warmup_steps or a lower optim.grad_clip. "
            f"These steps changed nothing. The last batch had {len(batch.src):,} pairs; the first sources are:{shown}"
        )

    def agree(self, session: Session, n_tgt_tokens: int = 0) -> float:
        """Agree with all processes on signals and time; return the sum of their tokens."""
        minutes = session.minutes if self.world.is_main else 0.0
        n_all_tokens, self.state.minutes, *signals = self.world.sum([n_tgt_tokens, minutes, *session.signals.counts()])
        session.signals.agree(signals)
        return n_all_tokens

    def log_window(self, session: Session) -> None:
        """Report the steps since the last report."""
        figures = summarise(session.window, self.world)
        session.window = Window()
        if session.tracker:
            skipped = {"train/skipped_steps": float(self.state.n_skipped)} if self.state.n_skipped else {}
            session.tracker.scalars(self.state.step, figures.scalars | skipped)
        epochs_per_step = self.world.size * self.accumulate / self.loader.batches_per_epoch
        left = self.limits.seconds_left(self.state, epochs_per_step, figures.seconds_per_step)
        session.progress.report(self.state.step, figures.nll, figures.tgt_tokens_per_second, left, session.outlook)

    def validation_is_due(self) -> bool:
        """Return whether this step has to be validated and has not been yet."""
        return self.state.step % self.config.valid_every_steps == 0 and self.state.validated_step < self.state.step

    def validate(self, session: Session) -> None:
        """Score the model, keep it if it is the best so far, and write a checkpoint."""
        average = self.learner.average
        with average.applied() if average else nullcontext():
            with gathered(self.learner.shared):
                result = self.validator.validate(session.signals.check)
            weights = self.plain_weights()
        state = self.state
        state.validated_step = state.step
        session.track(state.step, result)
        score = result.score(self.config.early_stopping.metric)
        better = state.best_score is None or score > state.best_score
        elapsed = describe_seconds(60 * session.minutes)
        mark = " (best so far)" if better else ""
        session.outlook = self.outlook()
        log.info("step %d, epoch %.1f, %s: %s%s%s", state.step, state.epochs, elapsed, result, mark, session.outlook)
        if self.world.is_main:
            self.best.offer(state.step, score, weights)
        if better:
            state.best_score, state.best_step, state.n_validations_since_best = score, state.step, 0
            if self.world.is_main:
                save_weights(weights, self.run.weights)
        else:
            state.n_validations_since_best += 1
        state.is_hopeless = self.is_hopeless()
        self.save(session)
        session.window = Window()  # the speed of training does not include validation

    def outlook(self) -> str:
        """Return what score the training is heading for, to be added to a message; nothing if that is not known."""
        share = self.limits.share_done(self.state)
        expected = forecast_run(MetricsFile(self.run.metrics).validations(), share) if share else None
        return f"; {expected}" if expected else ""

    def plain_weights(self) -> dict[str, Tensor]:
        """Return the weights as those of a model without LoRA."""
        return merge_lora(copy_weights(self.model), self.config.lora.scale)

    def is_hopeless(self) -> bool:
        """Return whether this sweep job is to be pruned; all processes must call this."""
        hopeless = self.world.is_main and is_hopeless(self.run.folder, self.config, self.state.step)
        return self.world.sum([float(hopeless)])[0] > 0

    def save(self, session: Session) -> None:
        """Write a checkpoint and, until the first validation, the model, so that it can be tried."""
        average = self.learner.average
        weights, optimizer = copy_weights(self.model), pack_optimizer(self.learner.update.optimizer)
        averages = average.whole_weights() if average else {}
        window = session.window.saved(self.world)
        if session.tracker:
            session.tracker.flush()
        if self.world.is_main:
            state = replace(self.state, minutes=session.minutes, window=window)
            self.checkpoints.save(state, weights, optimizer, averages)
            if self.state.best_score is None:
                save_weights(merge_lora(weights | averages, self.config.lora.scale), self.run.weights)
        self.world.wait()

    def resume(self) -> None:
        """Continue from the newest checkpoint, if there is one."""
        average = self.learner.average.weights if self.learner.average else None
        state = self.checkpoints.load_latest(self.model, self.learner.update.optimizer, average)
        if state is not None:
            self.state = state
            if self.world.is_main:
                self.checkpoints.delete_old()
            self.loader.position = state.data_position
            self.state.epochs = self.loader.epochs
            log.info("Resuming from step %d.", state.step)

    def finish(self) -> None:
        """Record that training has ended and all its work is done."""
        self.state.is_finished = True
        self.checkpoints.replace_state(self.state)

    def keep_average(self, validate: Callable[[dict[str, Tensor]], Validation]) -> None:
        """Make the mean of the best models the final model if it validates better than each of them."""
        paths = self.best.paths()[: self.config.average_best]
        if len(paths) < 2:
            return
        weights = average_weights(paths, read_tensors)
        result = validate(weights)
        score = result.score(self.config.early_stopping.metric)
        better = self.state.best_score is None or score > self.state.best_score
        log.info("The mean of the %d best models is %skept: %s.", len(paths), "" if better else "not ", result)
        if better:
            save_weights(weights, self.run.weights)
            self.state.best_score = score
            self.checkpoints.replace_state(self.state)
