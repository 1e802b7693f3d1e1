"""`mt average`: the mean of several saved models of a run as a run folder of its own."""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from pathlib import Path

from mt.config.file import load_config
from mt.errors import UserError
from mt.runs.checkpoint import BestModels, CheckpointStore, read_tensors, save_weights
from mt.runs.folder import check_free
from mt.runtime.logs import set_up_console
from mt.text.tokenizer import model_paths
from mt.training.averaging import average_weights, read_checkpoint


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
    run, output = options.run, options.output
    count = options.last if options.best is None else options.best
    config = load_config(run / "config.yaml")
    if options.best is not None:
        kind, found = "best models (training.average_best)", BestModels(run / "best", 0).paths()
        paths, read = found[:count], read_tensors
    else:
        kind, found = "checkpoints (training.keep_checkpoints)", CheckpointStore(run / "checkpoints").paths()
        paths, read = found[-count:], partial(read_checkpoint, lora_scale=config.training.lora.scale)
    if not 2 <= count <= len(found):
        raise UserError(f"{run} has {len(found)} {kind}; of these, 2 or more can be averaged, not {count}.")
    check_free(output)
    weights = average_weights(paths, read)
    for path in (run / "config.yaml", *model_paths(run, config.tokenizer.joint)):
        output.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, output / path.name)
    save_weights(weights, output / "model.safetensors")
    print(f"The mean of {', '.join(path.stem for path in paths)} is in {output}.")
    return 0
