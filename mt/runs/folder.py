"""Run folders: checks that they fit the configuration, and the initial files of a new one."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from mt.config.automatic import EARLIER, fill, unset
from mt.config.choices import Precision
from mt.config.facts import keys_where
from mt.config.file import flatten, load_config, save_config
from mt.config.schema import Config
from mt.data.held_out import save_parts
from mt.data.preparation import Prepared
from mt.errors import UserError
from mt.runs.checkpoint import CheckpointStore
from mt.runs.layout import RunLayout
from mt.runs.record import Start, format_starts, read_starts, with_start
from mt.runtime.checksums import SUMS, read_sums, replacing_recorded, warn_if_changed
from mt.runtime.distributed import World
from mt.runtime.files import clear_leftovers, remove
from mt.runtime.locks import locked
from mt.text.tokenizer import Tokenizer, load_tokenizer

log = logging.getLogger(__name__)


def may_change(key: str) -> bool:
    """Return whether a key, or one inside its mapping, may differ when training resumes."""
    return any(key == known or key.startswith(f"{known}.") for known in keys_where("may_change", Config))


def check_free(folder: Path) -> None:
    """Raise `UserError` if a folder that is to be written has content, or is a file."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} already exists: give another name.")


def check_run_folder(run: RunLayout, config: Config) -> None:
    """Check that the folder is free, or that its run was started with this configuration.

    If it was only prepared, with another configuration, its tokenizer and held-out data are deleted, to be made again.
    """
    folder = run.folder
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"run_dir={folder} is a file: give another name=… or run_dir=….")
    if not run.config.exists():
        others = set(folder.iterdir()) - {run.lock, folder / SUMS}  # the sum of the configuration is written before it
        if others or not read_sums(folder).keys() <= {run.config.name}:
            raise UserError(f"run_dir={folder} is neither empty nor a run folder: give another name=… or run_dir=….")
        return
    saved = fill(load_config(run.config), EARLIER if run.is_trained() else {})
    old, new = flatten(saved), flatten(config)
    held_out = {f"data.{part}" for part in saved.data.held_out.keys() | config.data.held_out.keys()}
    fixed = {key for key in old.keys() | new.keys() if not may_change(key)} | held_out  # held out of the training text
    unchosen = {*unset(config), *(["training.precision"] if config.training.precision is Precision.auto else [])}
    differing = [key for key in sorted(fixed - unchosen) if old.get(key) != new.get(key)]
    if differing and not run.is_trained():
        log.info("%s was only prepared: it is prepared again with the new configuration.", folder)
        for path in (*run.tokenizer(joint=True), *run.tokenizer(joint=False), run.held_out):
            remove(path)
    elif differing:
        table = "\n".join(f"  {key}: {old.get(key)} there, {new.get(key)} now" for key in differing)
        raise UserError(
            f"{folder} holds a run with a different configuration:\n{table}\n"
            f"To resume it, use its values. To train again, give another name=… or delete {folder}."
        )


def existing_tokenizer(run: RunLayout, config: Config) -> Tokenizer | None:
    """Return the run's own tokenizer, or that of the run to take it from with new tags; None if one is to be trained.

    Raises:
        UserError: its file is damaged, or missing although there is a checkpoint, which needs it.
    """
    joint, start = config.tokenizer.joint, config.tokenizer.from_run
    if run.has_checkpoint() or all(path.exists() for path in run.tokenizer(joint)):
        return load_tokenizer(run.tokenizer(joint))
    if not config.training.new_vocab:
        start = start or config.training.init_from
    if start is not None:
        tokenizer = load_tokenizer(RunLayout(Path(start)).tokenizer(joint))
        tagged = tokenizer.with_tags(config.data.tags)
        if tagged is not tokenizer and start == config.tokenizer.from_run:
            log.warning("%s lacks tags of data.train, so it cannot translate together with this model.", start)
        return tagged
    return None


def asks_for_other_scores(saved: Config, config: Config) -> bool:
    """Return whether a finished run has to score its test sets again, because a rerun names others."""
    asked = [(one.data.test, one.search, one.training.average_best) for one in (saved, config)]
    return asked[0] != asked[1]


def start_run_folder(run: RunLayout, config: Config, data: Prepared, start: Start) -> None:
    """Write the configuration, including changed limits, the tokenizer, and what is held out of the training text."""
    checkpoints = CheckpointStore(run.checkpoints)
    state = checkpoints.latest_state()
    if state and state.is_finished and asks_for_other_scores(load_config(run.config), config):
        checkpoints.replace_state(replace(state, is_finished=False))
    record = format_starts(with_start(read_starts(run.config), start))
    with replacing_recorded(run.config) as temporary:  # first, as it marks the folder as this run's
        save_config(config, temporary, record)
    data.tokenizer.save(run.tokenizer(data.tokenizer.joint))
    save_parts(data.texts.held_out, run.held_out, (config.data.src_lang, config.data.tgt_lang))


@contextmanager
def used_for_training(run: RunLayout, world: World) -> Iterator[bool]:
    """Keep other trainings out of a run folder; every process must call this. Yields what `lock_folder` yields.

    Raises:
        UserError: another process trains in the folder; the message names it.
    """
    with ExitStack() as held:
        has_mended = False
        with world.main_first():
            if world.is_main:
                has_mended = held.enter_context(lock_folder(run))
        yield has_mended


@contextmanager
def lock_folder(run: RunLayout) -> Iterator[bool]:
    """Hold the lock of a run folder, and clean up what a killed training or a damaged disk has left in it.

    A folder that is made for the lock, and that nothing is written to, is removed again. Yields whether damaged
    checkpoints were set aside.

    Raises:
        UserError: the folder cannot be made or written to, or another process has its lock.
    """
    folder = run.folder
    if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK)):
        yield False  # what is wrong is said elsewhere
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"run_dir={folder} cannot be made: {error.strerror}.") from error
    try:
        with locked(run.lock, f"run_dir={folder}"):
            clear_leftovers(folder)
            warn_if_changed(run.config)
            yield CheckpointStore(run.checkpoints).set_aside_damaged()
    finally:
        with suppress(OSError):
            folder.rmdir()
