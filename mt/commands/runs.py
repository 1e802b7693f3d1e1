"""`mt runs`: a table of the runs in a folder, two of them side by side, and what they no longer need."""

import argparse
import json
import sys
from pathlib import Path

from tabulate import tabulate

from mt.commands.options import run_path
from mt.config.file import flatten, load_config
from mt.display.terminal import describe_bytes
from mt.errors import UserError
from mt.runs.layout import RunLayout
from mt.runs.overview import BROKEN, RunOverview, describe_run, dispensable, find_runs, size_and_time
from mt.runtime.files import remove
from mt.runtime.progress import describe_seconds

SORT_KEYS = {
    "time": lambda run: run.modified, "name": lambda run: run.name, "score": lambda run: run.best or 0.0,
    "size": lambda run: run.n_bytes, "parameters": lambda run: run.n_parameters, "minutes": lambda run: run.minutes,
}  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt runs`."""
    parser = argparse.ArgumentParser(
        prog="mt runs",
        description="List the runs in a folder: languages, state, steps, time, best validation score, test scores, "
        "parameters, size on disk. States: running; resumable, by the same command; done; prepared, but not trained; "
        "model, without checkpoints; broken.",
    )
    add = parser.add_argument
    add("folder", nargs="?", type=Path, default=Path("runs"), metavar="DIR", help="default: runs")
    add("--sort", choices=SORT_KEYS, default="time", help="largest last; default: %(default)s, the newest last")
    add("--json", action="store_true", help="print a JSON object for each run")
    add("--diff", nargs=2, type=run_path, metavar=("A", "B"), help="compare settings and scores of two runs instead")
    clean = "delete what runs no longer need, after asking: damaged checkpoints, and of runs that are done all but the "
    add("--clean", action="store_true", help=clean + "newest checkpoint and the models that were averaged")
    add("--yes", action="store_true", help="with --clean: do not ask")
    return parser


def main(arguments: list[str]) -> int:
    """Print, or clean up, and return the exit code."""
    options = build_parser().parse_args(arguments)
    if options.diff:
        print(compare(*options.diff))
        return 0
    if not options.folder.is_dir():
        raise UserError(f"There is no folder {options.folder}.")
    runs = sorted(find_runs(options.folder), key=SORT_KEYS[options.sort])
    if options.clean:
        return clean_up(runs, options.yes)
    if options.json:
        for run in runs:
            print(json.dumps(run.as_row(), ensure_ascii=False))
    else:
        print(table(runs) if runs else f"There is no run in {options.folder}.")
    return 0


def table(runs: list[RunOverview]) -> str:
    """Return the runs as a table, and below it what is broken."""
    headers = ["run", "languages", "state", "steps", "time", "validation", "test", "parameters", "size"]
    rows = [
        [
            run.name, run.langs, run.state, f"{run.step:,}" if run.step else "",
            describe_seconds(60 * run.minutes) if run.minutes else "", validation(run), describe_tests(run),
            f"{run.n_parameters:,}" if run.n_parameters else "", describe_bytes(run.n_bytes),
        ]
        for run in runs
    ]  # fmt: skip
    right = ("steps", "time", "parameters", "size")
    alignment = ["right" if header in right else "left" for header in headers]
    text = tabulate(rows, headers, tablefmt="plain", disable_numparse=True, colalign=alignment)
    problems = [f"{run.name}: {run.problem}" for run in runs if run.state == BROKEN]
    return "\n".join([text, *([""] if problems else []), *problems])


def validation(run: RunOverview) -> str:
    """Return the best validation score in words."""
    return f"{run.metric.value} {run.best:.2f}" if run.best is not None else ""


def describe_tests(run: RunOverview) -> str:
    """Return the BLEU of the test sets in words."""
    scores = {name.removesuffix("_bleu"): value for name, value in (run.tests or {}).items() if name.endswith("_bleu")}
    return ", ".join(f"{name} {value:.2f}" for name, value in scores.items())


def compare(*folders: Path) -> str:
    """Return the settings in which two runs differ, and their scores, side by side."""
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}.")
    settings = [flatten(load_config(RunLayout(folder).config)) for folder in folders]
    keys = sorted({key for one in settings for key in one} - {"name", "run_dir"})
    rows = [[key, *(one.get(key) for one in settings)] for key in keys if settings[0].get(key) != settings[1].get(key)]
    runs = [describe_run(folder, folder.name) for folder in folders]
    facts = {
        "state": [run.state for run in runs],
        "steps": [f"{run.step:,}" for run in runs],
        "time": [describe_seconds(60 * run.minutes) for run in runs],
        "parameters": [f"{run.n_parameters:,}" for run in runs],
        "validation": [validation(run) for run in runs],
    }
    tests = dict.fromkeys(name for run in runs for name in run.tests or {})
    for name in tests:
        scores = [(run.tests or {}).get(name) for run in runs]
        facts[name] = ["" if score is None else f"{score:.2f}" for score in scores]
    rows += [[name, *values] for name, values in facts.items()]
    headers = ["", *(str(folder) for folder in folders)]
    return tabulate(rows, headers, tablefmt="plain", disable_numparse=True, missingval="null")


def agrees(question: str) -> bool:
    """Ask a question, and return whether the answer is yes; the end of the input is a no."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        print()
        return False


def clean_up(runs: list[RunOverview], sure: bool) -> int:
    """Delete what runs no longer need, after asking."""
    paths = [path for run in runs for path in dispensable(run)]
    if not paths:
        print("There is nothing to delete.")
        return 0
    sizes = [size_and_time(path)[0] for path in paths]
    for path, size in zip(paths, sizes, strict=True):
        print(f"{describe_bytes(size):>8}  {path}")
    question = f"Delete these {len(paths)} folders, {describe_bytes(sum(sizes))} in all?"
    if not sure and not sys.stdin.isatty():
        raise UserError(f"{question} There is nobody to ask: add --yes.")
    if not sure and not agrees(f"{question} [y/N] "):
        print("Nothing was deleted.")
        return 1
    for path in paths:
        remove(path)
    print(f"Deleted {describe_bytes(sum(sizes))}.")
    return 0
