"""`mt average`: the mean of several saved models of a run, as a run folder of its own."""

import argparse
import shutil
from functools import partial
from pathlib import Path

from mt.commands.options import run_parser
from mt.errors import UserError
from mt.runs.checkpoint import BestModels, CheckpointStore, read_tensors, save_weights
from mt.runs.folder import check_free
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config
from mt.runtime.checksums import check_sum, record_files
from mt.runtime.files import replacing
from mt.training.averaging import average_weights, read_checkpoint


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt average`."""
    parser = argparse.ArgumentParser(
        prog="mt average",
        description="Average the weights of the best or the last models that training has kept "
        "(training.average_best, training.keep_checkpoints). The result is a folder to translate with.",
        parents=[run_parser()],
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--best", type=int, metavar="N", help="average the N best validated models")
    which.add_argument("--last", type=int, metavar="N", help="average the models of the N last checkpoints")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="new folder to write")
    return parser


def main(arguments: list[str]) -> int:
    """Average models and return the exit code."""
    options = build_parser().parse_args(arguments)
    run = RunLayout(options.run)
    count = options.last if options.best is None else options.best
    config = load_run_config(run)
    if options.best is not None:
        kind, found = "best models (training.average_best)", BestModels(run.best, 0).paths()
        paths, read = found[:count], read_tensors
    else:
        kind, found = "checkpoints (training.keep_checkpoints)", CheckpointStore(run.checkpoints).paths()
        paths, read = found[-count:], partial(read_checkpoint, lora_scale=config.training.lora.scale)
    if not 2 <= count <= len(found):
        raise UserError(f"{run.folder} has {len(found)} {kind}; {count} cannot be averaged, at least 2 are needed.")
    check_free(options.output)
    weights = average_weights(paths, read)
    with replacing(options.output) as folder:
        folder.mkdir()
        for source in (run.config, *run.tokenizer(config.tokenizer.joint)):
            if source != run.config:  # which may be edited
                check_sum(source)
            shutil.copyfile(source, folder / source.name)
        if run.held_out.exists():  # its test sets may be there
            shutil.copytree(run.held_out, RunLayout(folder).held_out)
        save_weights(weights, RunLayout(folder).weights)
        record_files(folder)
    print(f"The mean of {', '.join(path.stem for path in paths)} is in {options.output}.")
    return 0
