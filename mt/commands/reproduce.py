"""`mt reproduce`: train a run again from what its folder records, and say whether the result is the same."""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import torch

from mt.commands.options import run_parser
from mt.commands.train import train
from mt.commands.training_setup import prepare_data, this_start
from mt.config.automatic import EARLIER, fill
from mt.config.checks import check_file
from mt.config.schema import Config
from mt.errors import UserError, fail
from mt.runs.checkpoint import CheckpointStore, read_state
from mt.runs.layout import CheckpointLayout, RunLayout
from mt.runs.metrics_file import MetricsFile, Row
from mt.runs.record import Start, read_starts
from mt.runs.run_files import load_run_config
from mt.runtime.checksums import check_sum, digest, warn_if_damaged
from mt.runtime.devices import choose_device
from mt.runtime.distributed import World, start_world
from mt.runtime.signals import Interrupted

log = logging.getLogger(__name__)
MAX_THREADS = 1024
OF_TIME, OF_TESTS = "speed/", "test/"
"""beginnings of the names of metrics"""


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
    run = RunLayout(options.run if options.run.name else options.run.resolve())
    again = RunLayout(options.output or run.folder.with_name(f"{run.folder.name}-reproduced"))
    if again.folder.resolve() == run.folder.resolve():
        raise UserError(f"--output {again.folder} is the run itself: give another folder.")
    config = replace(fill(load_run_config(run), EARLIER), run_dir=str(again.folder))
    n_steps = check_finished(run, config)
    starts = read_starts(run.config)
    if not starts or not starts[0].inputs:
        raise UserError(f"{run.config} does not record how the run was made, so it cannot be reproduced.")
    world = start_world(use_gpu=config.training.device != "cpu" and torch.cuda.is_available())
    check_circumstances(starts, config, again, world)
    if config.training.max_minutes is not None:
        config = replace(config, training=replace(config.training, max_minutes=None, max_steps=n_steps))
        log.warning(
            "The learning rate of the run followed the clock (training.max_minutes). It is trained again for %s steps, "
            "with a learning rate that follows the steps: the result may be similar only.", f"{n_steps:,}",
        )  # fmt: skip
    try:
        train(config)
    except Interrupted as interruption:
        return interruption.exit_code
    if not world.is_main:
        return 0
    difference = first_difference(run, again, config.tokenizer.joint)
    if difference:
        return fail(f"{again.folder} is not the same as {run.folder}: {difference}", 1)
    print(f"{again.folder} is the same as {run.folder}: tokenizer, curves, and all weights.")
    return 0


def check_finished(run: RunLayout, config: Config) -> int:
    """Return the number of steps of a run; raise `UserError` unless it is finished and its files are sound."""
    checkpoints = CheckpointStore(run.checkpoints).paths()
    if not checkpoints:
        raise UserError(f"{run.folder} has no checkpoint: there is no training to compare with.")
    state = read_state(CheckpointLayout(checkpoints[-1]).state)
    if not state.is_finished:
        raise UserError(f"{run.folder} is not finished: resume it first, so that there is a result to compare with.")
    for path in (run.weights, *run.tokenizer(config.tokenizer.joint)):
        check_file(path)
        check_sum(path)
    MetricsFile(run.metrics).warn_if_damaged()
    warn_if_damaged(run.log)
    return state.step


def check_circumstances(starts: list[Start], config: Config, again: RunLayout, world: World) -> None:
    """Use the recorded number of threads, and warn of what else is different now.

    Raises:
        UserError: the text, the model to start from, or the number of processes is another.
    """
    first, changes = starts[0], starts[1:]
    n_processes = str(first.machine.get("processes", "1"))
    if n_processes != str(world.size):
        command = f"torchrun --nproc-per-node={n_processes} -m mt" if n_processes != "1" else "mt"
        raise UserError(f"The run was trained by {n_processes} processes: start `{command} reproduce …`.")
    threads = str(first.machine.get("threads"))
    if threads.isdecimal() and 0 < int(threads) <= MAX_THREADS:
        torch.set_num_threads(int(threads))
    data = prepare_data(config, again, world)
    now = this_start(config, again, data, choose_device(config.training.device), world)
    changed = [key for key in first.inputs if now.inputs.get(key) != first.inputs[key]]
    if changed:
        raise UserError(
            f"{' and '.join(changed)} changed: the run was trained with other text, from "
            "another model or with another vocabulary."
        )
    if not world.is_main:
        return
    if changes:
        steps = ", ".join(f"{start.from_step:,}" for start in changes)
        log.warning(
            "Circumstances changed when the run was resumed at step %s: see `record` in its config.yaml.", steps
        )
    for line in first.differences(now):
        log.warning("%s", line)


def first_difference(run: RunLayout, again: RunLayout, joint: bool) -> str | None:
    """Return where the second of two trainings first differs from the first; None if nowhere."""
    for one, other in zip(run.tokenizer(joint), again.tokenizer(joint), strict=True):
        if digest(one) != digest(other):
            return f"{one.name} differs."
    curves = [comparable_rows(one) for one in (run, again)]
    for there, here in zip(*curves, strict=False):
        if there != here:
            names = [name for name in sorted(there.keys() | here.keys()) if there.get(name) != here.get(name)]
            values = [f"{name} {there.get(name)} there, {here.get(name)} here" for name in names]
            return f"it first differs at step {there['step']}: {'; '.join(values)}."
    if len(curves[0]) != len(curves[1]):
        return f"it has {len(curves[1]):,} rows of metrics, not {len(curves[0]):,}."
    return None if digest(run.weights) == digest(again.weights) else f"{run.weights.name} has other weights."


def comparable_rows(run: RunLayout) -> list[Row]:
    """Return the rows of a run's curves, without times, and without the scores from before it was trained on."""
    rows = MetricsFile(run.metrics).rows()
    last = max((row["step"] for row in rows), default=0)
    kept = (row for row in rows if row["step"] == last or not any(name.startswith(OF_TESTS) for name in row))
    return [{name: value for name, value in row.items() if not name.startswith(OF_TIME)} for row in kept]
