"""Checks before `mt train` resumes a run: nothing is left to do if it is finished, and nothing may damage its model."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from mt.config.checks import check_file
from mt.config.choices import Schedule
from mt.config.file import load_config
from mt.config.schema import Config
from mt.data.preparation import Prepared
from mt.data.sampler import DataPosition
from mt.errors import UserError
from mt.runs.checkpoint import CheckpointStore, TrainState, read_tensors
from mt.runs.folder import asks_for_other_scores, check_run_folder
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile
from mt.runs.record import read_starts
from mt.runtime.checksums import check_files, check_sum, warn_if_damaged
from mt.runtime.files import remove
from mt.training.limits import Limits
from mt.training.optim import LearningRate
from mt.training.validator import Validation

log = logging.getLogger(__name__)


def finished_state(config: Config) -> TrainState | None:
    """Return the state of a run that is finished, and say so; None if there is something to train or to score.

    Raises:
        UserError: the run has another configuration, or resuming it would damage its model.
    """
    run = RunLayout(Path(config.run_dir))
    state = CheckpointStore(run.checkpoints).latest_state()
    if state is None or not run.config.exists():
        return None
    check_run_folder(run, config)
    if state.best_score is not None:
        check_model(run)
    check_files(run.folder, exempt=[run.config, run.metrics, run.log, run.weights, run.quality])
    check_files(run.held_out)
    MetricsFile(run.metrics).warn_if_damaged()
    warn_if_damaged(run.log)
    warn_if_damaged(run.quality)
    saved = load_config(run.config)
    reason = Limits(config.training).reason_to_stop(state)
    if reason is None:
        check_schedule(saved, config, state)
        return None
    if not state.is_finished or asks_for_other_scores(saved, config):
        return None
    log.info(
        "%s is finished at step %d: %s. There is nothing to do. Translate: mt translate %s. Score: mt evaluate %s.",
        run.folder, state.step, reason, run.folder, run.folder,
    )  # fmt: skip
    return state


def check_model(run: RunLayout) -> None:
    """Raise `UserError` if the best model so far, which training may not improve any more, is missing or damaged."""
    try:
        check_file(run.weights)
        check_sum(run.weights)
    except UserError as error:
        remedy = "It is the best model so far: restore it from a copy, or train again in another folder."
        raise UserError(f"{error} {remedy}") from error


def check_schedule(saved: Config, config: Config, state: TrainState) -> None:
    """Warn if the end of the learning-rate schedule moves.

    Raises:
        UserError: training has reached that end. A learning rate that rises again from zero damages the model.
    """
    if config.optim.schedule not in (Schedule.cosine, Schedule.linear):
        return
    before, after = (
        LearningRate(one.optim, one.training).at(state.step + 1, state.minutes, state.epochs) for one in (saved, config)
    )
    if before == after:
        return
    ends = f"optim.schedule={config.optim.schedule.value} ends at training.max_steps, max_minutes or max_epochs"
    if before == 0:
        raise UserError(
            f"{config.run_dir} has reached the end of its schedule, where the learning rate is 0. With a higher limit "
            f"it would jump to {after:.2g} and damage the model, because {ends}. To train longer, start a new run "
            f"from this model: name=NEW training.init_from={config.run_dir}."
        )
    log.warning(
        "The learning rate changes from %.2g to %.2g at step %d, because %s. The result will differ from that of an "
        "uninterrupted training.",
        before, after, state.step + 1, ends,
    )  # fmt: skip


def check_unchanged(config: Config, data: Prepared) -> None:
    """Check that a run that resumes still finds the text that it was trained on.

    If it does not, and `data.accept_changes` is set, the state is changed so that training can go on: a position in
    other text, or a score of other text, would mean nothing.

    Raises:
        UserError: a text has changed, and `data.accept_changes` is not set.
    """
    run = RunLayout(Path(config.run_dir))
    store = CheckpointStore(run.checkpoints)
    state = store.latest_state()
    starts = read_starts(run.config)
    if state is None or not starts:
        return
    before = starts[-1].inputs
    changed = [key for key, fingerprint in data.fingerprints.items() if before.get(key) != fingerprint]
    if not changed:
        return
    if not config.data.accept_changes:
        raise UserError(
            f"The text of {' and '.join(changed)} has changed since {run.folder} was trained on it. Restore it, or "
            "resume with the new text by data.accept_changes=true."
        )
    position = state.data_position
    if "data.train" in changed and (position.pool or position.cursor):  # else a killed start has done it already
        state.data_position = DataPosition(position.epoch + 1, stage=position.stage)
    if "data.valid" in changed:
        state.best_score, state.n_validations_since_best = None, 0
        remove(run.best)
    store.replace_state(state)
    log.warning("The text of %s has changed; training resumes with the new text.", " and ".join(changed))


def score_on_new_text(config: Config, validate: Callable[[dict[str, Tensor]], Validation]) -> None:
    """Score the best model so far if it has lost its score, because the validation text has changed."""
    run = RunLayout(Path(config.run_dir))
    store = CheckpointStore(run.checkpoints)
    state = store.latest_state()
    has_best = state is not None and (state.validated_step or config.training.init_from is not None)
    if state is None or state.best_score is not None or not has_best:
        return
    result = validate(read_tensors(run.weights))
    store.replace_state(replace(state, best_score=result.score(config.training.early_stopping.metric)))
    log.info("The best model so far, that of step %d, on the new validation text: %s.", state.best_step, result)
