"""`mt average`: the mean of several saved models of a run as a run folder of its own."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from mt.averaging import average_files
from mt.checkpoint import BestModels, CheckpointStore, save_weights
from mt.commands.run_folder import check_free
from mt.config_file import load_config
from mt.errors import UserError
from mt.logs import set_up_console
from mt.tokenizer import model_paths


def build_parser() -> argparse.ArgumentParser:
    """The command line of `mt average`."""
    parser = argparse.ArgumentParser(
        prog="mt average",
        description="Average the weights of the best or the last models that training has kept "
        "(training.average_best, training.keep_checkpoints). The result is a folder to translate with.",
    )
    parser.add_argument("run", type=Path, help="the folder of a run, as runs/demo")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--best", type=int, metavar="N", help="the N best validated models")
    which.add_argument("--last", type=int, metavar="N", help="the models of the N last checkpoints")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="the folder to write; it must not be there yet"
    )
    return parser


def main(arguments: list[str]) -> int:
    """Average; the exit code."""
    options = build_parser().parse_args(arguments)
    set_up_console()
    run, output, count = options.run, options.output, options.best or options.last or 0
    config = load_config(run / "config.yaml")
    if options.best is not None:
        kind, paths = "best models (training.average_best)", BestModels(run / "best", 0).paths()[:count]
    else:
        folders = CheckpointStore(run / "checkpoints").paths()[-count:] if count > 0 else []
        kind, paths = "checkpoints (training.keep_checkpoints)", [folder / "model.safetensors" for folder in folders]
    if count < 2 or len(paths) < count:
        raise UserError(
            f"To average, at least 2 {kind} are needed and {count} were asked for; {run} has {len(paths)} of them."
        )
    check_free(output)
    weights = average_files(paths)
    for path in (run / "config.yaml", *model_paths(run, config.tokenizer.joint)):
        output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, output / path.name)
    save_weights(weights, output / "model.safetensors")
    print(f"The mean of {', '.join(path.stem if options.best else path.parent.name for path in paths)} is in {output}.")
    return 0
