"""`mt push`: publish a model on the Hugging Face Hub."""

import argparse
import logging
import tempfile
from pathlib import Path

from huggingface_hub import ModelCard, constants
from tabulate import tabulate

from mt.commands.export import FOLDERS, PACKAGES, export
from mt.commands.options import run_parser
from mt.commands.run_facts import LEFT_OUT
from mt.config.corpora import HUB
from mt.display.terminal import describe_bytes
from mt.errors import UserError
from mt.quality.judge import find_estimator
from mt.runs.hub import check_target, upload
from mt.runs.layout import RunLayout
from mt.runs.publishing import publish
from mt.runtime.packages import require_package
from mt.translation.translator import Translator

log = logging.getLogger(__name__)

N_POSITIONS = 1024
"""longest text of an exported model, in pieces"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt push`."""
    parser = argparse.ArgumentParser(
        prog="mt push",
        description="Publish a model on the Hugging Face Hub: weights, tokenizer, configuration without the folders "
        "of this machine, estimates of quality, and its card (`mt card`). A new model is private without --public.",
        parents=[run_parser()],
    )
    add = parser.add_argument
    add("target", metavar="hub:OWNER/NAME", help="name of the model on the Hub; it is made if it does not exist")
    add("--public", action="store_true", help="let everybody see a new model")
    add("--dry-run", action="store_true", help="list what would be uploaded")
    formats = "add the model for these toolkits, in folders of their names"
    add("--export", nargs="+", choices=FOLDERS, default=[], help=formats)
    add("--message", metavar="TEXT", default="Upload a model with mt push", help="of the commit; default: %(default)s")
    return parser


def main(arguments: list[str]) -> int:
    """Publish and return the exit code."""
    options = build_parser().parse_intermixed_args(arguments)
    run, name = RunLayout(options.run), check_target(options.target)
    check_card(run)
    for toolkit in options.export:
        require_package(PACKAGES[toolkit], f"--export {toolkit}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        publish(run, folder, with_quality=find_estimator(run, LEFT_OUT) is not None)
        if options.export:
            translator = Translator.load(options.run, "cpu")
            for toolkit in options.export:
                export(translator, toolkit, folder / toolkit, "float32", N_POSITIONS)
        log.info("%s", list_files(folder))
        address, visibility = f"{constants.ENDPOINT}/{name}", "public" if options.public else "private"
        if options.dry_run:
            print(f"This would be uploaded to {address}, {visibility} if it is new.")
            return 0
        commit = upload(folder, options.target, not options.public, options.message)
    print(f"{address}\nmt translate {HUB}{name}@{commit}")
    return 0


def check_card(run: RunLayout) -> None:
    """Raise `UserError` if a model has no card; warn if the card states no licence."""
    if not run.card.exists():
        raise UserError(f"{run.card} is missing: write a card with `mt card {run.folder} --license ID`, and read it.")
    try:
        card = ModelCard.load(run.card)
    except (ValueError, OSError) as error:
        raise UserError(f"{run.card} cannot be read as a card ({error}).") from error
    if not card.data.get("license"):
        log.warning("%s states no licence: without one, nobody may use the model.", run.card)


def list_files(folder: Path) -> str:
    """Return the files in a folder with their sizes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = [[describe_bytes(path.stat().st_size), path.relative_to(folder)] for path in files]
    return tabulate(rows, tablefmt="plain", colalign=("right", "left"))
