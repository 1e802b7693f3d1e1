"""`mt prepare`: everything that `mt train` does before the first step."""

import logging
from pathlib import Path

import torch

from mt.commands.automatic_settings import adopt_choices
from mt.commands.composition import run_jobs
from mt.commands.resuming import check_unchanged
from mt.commands.training_setup import adopt_start, prepare_data, this_start
from mt.config.schema import Config
from mt.runs.folder import start_run_folder, used_for_training
from mt.runs.layout import RunLayout
from mt.runtime.distributed import start_world
from mt.runtime.files import write_text
from mt.runtime.logs import silence_messages

log = logging.getLogger(__name__)
REPORT = "--report"
HELP = """usage: mt prepare [KEY=VALUE ...] [--report]

Train the tokenizer and encode the text as `mt train` with the same KEY=VALUE would, and stop. A training then starts at
once. Rerun the command to resume an interrupted preparation. Under torchrun the processes share the work.
--report also writes RUN/data.html: what was dropped, with examples, sentence lengths, and which pieces the text uses.
`mt train --help` lists the keys."""


def main(arguments: list[str]) -> int:
    """Prepare and return the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(HELP)
        return 0

    def job(config: Config) -> None:
        prepare_run(config, with_report=REPORT in arguments)

    return run_jobs([argument for argument in arguments if argument != REPORT], job)


def prepare_run(config: Config, with_report: bool) -> None:
    """Prepare the data of a run, start its folder, and write the report if requested."""
    run = RunLayout(Path(config.run_dir))
    world = start_world(use_gpu=False)
    if not world.is_main:
        silence_messages()
    with used_for_training(run, world):
        config = adopt_choices(adopt_start(config, world), world)
        data = prepare_data(config, run, world)
        if not world.is_main:
            return
        check_unchanged(config, data)
        start_run_folder(run, config, data, this_start(config, run, data, torch.device("cpu"), world))
    log.info("Training data: %s.", data.train.describe())
    log.info("Validation data: %s.", data.valid.describe())
    if with_report:
        from mt.commands.data_report import data_report  # matplotlib is slow to import

        write_text(run.data_report, data_report(config, data))
        log.info("The report about the data is in %s.", run.data_report)
