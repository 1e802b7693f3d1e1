"""`mt prepare`: what `mt train` does before the first step."""

from __future__ import annotations

import logging
from pathlib import Path

import datasets

from mt.cli import fail
from mt.commands.composition import run_composed
from mt.config.schema import Config
from mt.data.preparation import Prepared, prepare, set_up_run_folder
from mt.errors import UserError
from mt.runs.folder import check_run_folder
from mt.runtime.distributed import StoppedElsewhere, start_world
from mt.runtime.files import write_text
from mt.runtime.logs import quiet, set_up_console
from mt.runtime.progress import on_terminal

log = logging.getLogger(__name__)
REPORT = "--report"
HELP = """usage: mt prepare [KEY=VALUE ...] [--report]

Train the tokeniser and encode the text as `mt train` with the same KEY=VALUE would, and stop there: the training then
begins at once. An interrupted preparation goes on where it was. Under torchrun the processes share the work.
--report also writes RUN/data.html: what was left out, with examples, lengths, and which pieces the text is made of.
`mt train --help` lists the keys."""


def main(arguments: list[str]) -> int:
    """Prepare; the exit code."""
    if {"-h", "--help"} & set(arguments):
        print(HELP)
        return 0
    set_up_console()
    (datasets.enable_progress_bars if on_terminal() else datasets.disable_progress_bars)()
    exit_codes = [0]

    def job(config: Config) -> None:
        try:
            run = Path(config.run_dir)
            world = start_world(use_gpu=False)
            if not world.is_main:
                quiet()
            with world.main_first():
                check_run_folder(run, config)
            data = prepare(config, run, world)
            if not world.is_main:
                return
            set_up_run_folder(run, config, data.tokenizer)
            log.info("Training data: %s.", data.train.describe())
            log.info("Validation data: %s.", data.valid.describe())
            if REPORT in arguments:
                write_report(run, config, data)
        except UserError as error:
            exit_codes.append(fail(str(error), 2))
        except StoppedElsewhere:
            exit_codes.append(2)

    run_composed([argument for argument in arguments if argument != REPORT], job)
    return max(exit_codes)


def write_report(run: Path, config: Config, data: Prepared) -> None:
    """Write the page about the training data."""
    from mt.commands.data_report import data_report  # with matplotlib, which takes a while to import

    write_text(run / "data.html", data_report(config, data))
    log.info("What it is like is in %s.", run / "data.html")
