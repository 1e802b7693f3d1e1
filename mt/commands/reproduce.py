"""`mt reproduce`: train a run again from what its folder records, and say whether the result is the same."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import torch

from mt.commands.options import run_parser
from mt.commands.train import train
from mt.commands.training_setup import prepare_data, this_start
from mt.config.schema import Config
from mt.errors import UserError, fail
from mt.runs.checkpoint import CheckpointStore
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile, Row
from mt.runs.record import Start, read_starts
from mt.runs.saved_model import load_run_config
from mt.runtime.checksums import digest
from mt.runtime.devices import choose_device
from mt.runtime.distributed import ALONE
from mt.runtime.signals import Interrupted

log = logging.getLogger(__name__)
MAX_THREADS = 1024
OF_TIME = "speed/"
"""beginning of the names of metrics that measure time"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt reproduce`."""
    parser = argparse.ArgumentParser(
        prog="mt reproduce",
        description="Train a run again from the settings, the text and the number of threads that its config.yaml "
        "records, and compare tokenizer, curves and weights. Versions and machine should be the recorded ones, too: "
        "what differs is listed. Paths in the settings are relative to the current folder. Exit code: 0 if the "
        "result is the same, 1 if not. Rerun the command to resume.",
        parents=[run_parser()],
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder to train in; default: RUN-reproduced")
    return parser


def main(arguments: list[str]) -> int:
    """Reproduce a run and return the exit code."""
    options = build_parser().parse_args(arguments)
    run = RunLayout(options.run)
    again = RunLayout(options.output or run.folder.with_name(f"{run.folder.resolve().name}-reproduced"))
    config = replace(recorded_settings(run), run_dir=str(again.folder))
    starts = read_starts(run.config)
    if not starts or not starts[0].text:
        raise UserError(f"{run.config} does not record how the run was made, so it cannot be reproduced.")
    if len(starts) > 1:
        steps = ", ".join(f"{start.from_step:,}" for start in starts[1:])
        log.warning("The run was resumed in another way at step %s: see `record` in its config.yaml.", steps)
    threads = str(starts[0].machine.get("threads"))
    if threads.isdecimal() and 0 < int(threads) <= MAX_THREADS:
        torch.set_num_threads(int(threads))
    report_circumstances(starts[0], config, again)
    try:
        train(config)
    except Interrupted as interruption:
        return interruption.exit_code
    difference = first_difference(run, again, config.tokenizer.joint)
    if difference:
        return fail(f"{again.folder} is not the same as {run.folder}: {difference}", 1)
    print(f"{again.folder} is the same as {run.folder}: tokenizer, curves, and all weights.")
    return 0


def recorded_settings(run: RunLayout) -> Config:
    """Return the settings of a run, with the number of its steps where the clock or an interruption ended it."""
    config = load_run_config(run)
    state = CheckpointStore(run.checkpoints).latest_state()
    if state is None:
        raise UserError(f"{run.folder} has no checkpoint: there is nothing to compare with.")
    limits = config.training
    if limits.max_minutes is not None:
        log.warning(
            "training.max_minutes=%s ended the run, and its learning rate followed the clock. It is trained again for "
            "%s steps, with a learning rate that follows the steps: the result will be similar, not the same.",
            limits.max_minutes, f"{state.step:,}",
        )  # fmt: skip
    elif state.is_finished:
        return config
    return replace(config, training=replace(limits, max_minutes=None, max_steps=state.step))


def report_circumstances(first: Start, config: Config, again: RunLayout) -> None:
    """Warn of differences in versions and machine.

    Raises:
        UserError: the text has changed.
    """
    data = prepare_data(config, again, ALONE)
    device = choose_device(config.training.device)
    now = this_start(again, data, device, ALONE)
    changed = [key for key in first.text if now.text.get(key) != first.text[key]]
    if changed:
        raise UserError(f"The text of {' and '.join(changed)} is not the one that the run was trained on.")
    for line in first.differences(now):
        log.warning("%s", line)


def first_difference(run: RunLayout, again: RunLayout, joint: bool) -> str | None:
    """Return where the second of two trainings first differs from the first; None if nowhere."""
    for one, other in zip(run.tokenizer(joint), again.tokenizer(joint), strict=True):
        if digest(one) != digest(other):
            return f"{one.name} is another."
    curves = [[plain(row) for row in MetricsFile(one.metrics).rows()] for one in (run, again)]
    for there, here in zip(*curves, strict=False):
        if there != here:
            names = [name for name in sorted(there.keys() | here.keys()) if there.get(name) != here.get(name)]
            values = [f"{name} {there.get(name)} there, {here.get(name)} here" for name in names]
            return f"it first differs at step {there['step']}: {'; '.join(values)}."
    if len(curves[0]) != len(curves[1]):
        return f"it has {len(curves[1]):,} rows of metrics, not {len(curves[0]):,}."
    return None if digest(run.weights) == digest(again.weights) else f"{run.weights.name} has other weights."


def plain(row: Row) -> Row:
    """Return a row of metrics without what measures time."""
    return {name: value for name, value in row.items() if not name.startswith(OF_TIME)}
