"""`mt evaluate`: BLEU and chrF of a trained model on test sets."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import datasets

from mt.commands.search_options import add_direction, aim, search_overrides
from mt.devices import keep_freed_memory
from mt.errors import UserError
from mt.logs import set_up_console
from mt.metrics import Scorer
from mt.progress import on_terminal
from mt.scoring import format_results, load_test_sets, score_test_sets
from mt.translator import load_run


def build_parser() -> argparse.ArgumentParser:
    """The command line of `mt evaluate`."""
    parser = argparse.ArgumentParser(
        prog="mt evaluate",
        description="Translate the run's own test sets, or those given, and score them with sacreBLEU. The "
        "translations are left in RUN/translations.",
    )
    parser.add_argument("run", type=Path, help="the folder of a run, as runs/demo")
    parser.add_argument(
        "--test",
        action="append",
        default=[],
        metavar="NAME=CORPUS",
        help="a test set to score instead: a prefix, .tsv, .jsonl, .parquet or hub:NAME",
    )
    parser.add_argument("--beam-size", metavar="N", help="hypotheses that are followed at once; 1 is greedy search")
    add_direction(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: a GPU if there is one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="search.KEY=VALUE", help="any other key of the search section"
    )
    return parser


def main(arguments: list[str]) -> int:
    """Score test sets; the exit code."""
    options = build_parser().parse_args(arguments)
    set_up_console()
    keep_freed_memory()
    (datasets.enable_progress_bars if on_terminal() else datasets.disable_progress_bars)()
    translator, config = load_run(options.run, options.device, search_overrides(options))
    aim(translator, config, options)
    if options.test:
        config.data.test = {}
        for test in options.test:
            name, source = split_test(test)
            if name in config.data.test:
                raise UserError(f"--test {name}=… is given twice: each test set needs a name of its own.")
            config.data.test[name] = source
        replace(config.data)  # checks the names
    if not config.data.test:
        raise UserError(f"{options.run} has no test sets (data.test): give one with --test NAME=CORPUS.")
    scorer = Scorer(config.data.tgt_lang)
    tests = load_test_sets(config.data)
    folder = options.run / "translations"
    print(format_results(score_test_sets(translator, tests, scorer, config.search, folder, config.data.tgt_lang)))
    return 0


def split_test(test: str) -> tuple[str, str]:
    """`NAME=CORPUS` as its two parts."""
    name, equals, source = test.partition("=")
    if not equals or not name or not source:
        raise UserError(f"--test {test}: give NAME=CORPUS, as --test news=data/news.")
    return name, source
