"""`mt evaluate`: what one or several runs are worth on test sets."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import datasets

from mt.commands.options import add_direction, search_overrides
from mt.config.file import load_config
from mt.config.schema import Config
from mt.errors import UserError, suggest
from mt.evaluation.comet import Comet
from mt.evaluation.evaluation import Evaluation
from mt.evaluation.testing import add_test_sets, choose_tests, count, existing, training_words, translate
from mt.runtime.devices import keep_freed_memory
from mt.runtime.logs import set_up_console
from mt.runtime.progress import on_terminal
from mt.text.metrics import METRICS, Scorer

CHOICES = (*METRICS, "perplexity", "COMET")
BREAKDOWNS = ("length", "frequency", "domain")


def build_parser() -> argparse.ArgumentParser:
    """The command line of `mt evaluate`."""
    parser = argparse.ArgumentParser(
        prog="mt evaluate",
        description="Translate the run's own test sets, or those given, and score them with sacreBLEU. Several runs "
        "are compared with the first by paired bootstrap resampling. The translations are left in RUN/translations.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the folder of a run, as runs/demo")
    add_test_sets(parser)
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=CHOICES[:-1],
        metavar="NAME",
        help=f"of {', '.join(CHOICES)}; default: all but COMET, which needs its package",
    )
    parser.add_argument("--comet-model", default="Unbabel/wmt22-comet-da", metavar="NAME", help="default: %(default)s")
    parser.add_argument(
        "--by",
        nargs="+",
        default=[],
        choices=BREAKDOWNS,
        help="scores by the length of the reference, by how often words were in data.train, or by domain: the lines of "
        "PREFIX.domain, or the column `domain`",
    )
    parser.add_argument("--worst", type=count, default=0, metavar="N", help="show the N translations of lowest chrF")
    parser.add_argument("--json", action="store_true", help="print one JSON object a test set")
    parser.add_argument(
        "--samples",
        type=count,
        default=1000,
        metavar="N",
        help="of bootstrap resampling; 0: none; default: %(default)s",
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
    metrics = chosen_metrics(options.metrics)
    config = load_config(existing(options.runs[0]) / "config.yaml", search_overrides(options))
    for run in options.runs[1:]:
        check_direction(run, config)
    tests = choose_tests(config, options)
    evaluation = build_evaluation(config, metrics, options)
    outputs = [translate(run, name, tests, metrics, options) for run, name in named_runs(options.runs)]
    width = max(len(test.name) for test in tests)
    for number, test in enumerate(tests):
        result = evaluation.evaluate(test, [output[number] for output in outputs])
        if options.json:
            print(json.dumps(result.as_data(), ensure_ascii=False))
        else:
            separate = len(outputs) > 1 or options.by or options.worst
            print(result.as_text(width), end="\n\n" if separate and test is not tests[-1] else "\n")
    return 0


def check_direction(run: Path, first: Config) -> None:
    """Raise `UserError` where a run is not for the languages of the first."""
    data = load_config(existing(run) / "config.yaml").data
    own, wanted = (f"{one.src_lang} to {one.tgt_lang}" for one in (data, first.data))
    if own != wanted:
        raise UserError(f"{run} translates {own}, the first run {wanted}: they cannot be compared.")


def chosen_metrics(names: Sequence[str]) -> list[str]:
    """Metrics by their names, whatever the case, in the usual order."""
    known = {choice.lower(): choice for choice in CHOICES}
    for name in names:
        if name.lower() not in known:
            raise UserError(f"--metrics {name}: there are {', '.join(CHOICES)}.{suggest(name, CHOICES)}")
    chosen = {known[name.lower()] for name in names}
    return [choice for choice in CHOICES if choice in chosen]


def named_runs(runs: Sequence[Path]) -> list[tuple[Path, str]]:
    """Each run and what to call it: the name of its folder, or its path where names are alike."""
    names = [run.resolve().name for run in runs]
    return [(run, name if names.count(name) == 1 else str(run)) for run, name in zip(runs, names, strict=True)]


def build_evaluation(config: Config, metrics: Sequence[str], options: argparse.Namespace) -> Evaluation:
    """What is to be found out."""
    tgt_lang = options.to or config.data.tgt_lang
    scorer = Scorer(tgt_lang, [name for name in metrics if name in METRICS])
    comet = Comet(options.comet_model) if "COMET" in metrics else None
    counts = training_words(config, tgt_lang) if "frequency" in options.by else Counter[str]()
    return Evaluation(scorer, tgt_lang, options.samples, comet, options.by, counts, options.worst)
