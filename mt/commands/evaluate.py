"""`mt evaluate`: what one or several runs are worth on test sets."""

from __future__ import annotations

import argparse
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import datasets

from mt.commands.search_options import add_direction, aim, search_overrides
from mt.config import Config
from mt.config_file import load_config
from mt.data.sources import open_text
from mt.data_config import training_sources
from mt.devices import keep_freed_memory
from mt.errors import UserError, suggest
from mt.evaluation.breakdown import count_words
from mt.evaluation.comet import Comet
from mt.evaluation.evaluation import Evaluation, Output, perplexity_of
from mt.evaluation.test_sets import TestSet, configured_test_sets, named_test_sets
from mt.logs import set_up_console
from mt.metrics import METRICS, Scorer
from mt.progress import on_terminal
from mt.scoring import source_context
from mt.storage import write_text
from mt.translator import load_run

log = logging.getLogger(__name__)
CHOICES = (*METRICS, "perplexity", "COMET")
BREAKDOWNS = ("length", "frequency", "domain")
PAIRS_COUNTED = 1_000_000


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
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="show the N translations of lowest chrF")
    parser.add_argument("--json", action="store_true", help="print one JSON object a test set")
    parser.add_argument(
        "--samples", type=int, default=1000, metavar="N", help="of bootstrap resampling; 0: none; default: %(default)s"
    )
    parser.add_argument("--beam-size", metavar="N", help="hypotheses that are followed at once; 1 is greedy search")
    add_direction(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: a GPU if there is one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="search.KEY=VALUE", help="any other key of the search section"
    )
    return parser


def add_test_sets(parser: argparse.ArgumentParser) -> None:
    """Options that say what is translated."""
    parser.add_argument(
        "--test",
        action="append",
        default=[],
        metavar="NAME=CORPUS",
        help="a test set to score instead: a prefix, .tsv, .jsonl, .parquet or hub:NAME",
    )
    parser.add_argument(
        "-t", "--test-set", metavar="NAME", help="a test set that sacreBLEU knows and fetches, as wmt14"
    )
    parser.add_argument("-l", "--language-pair", metavar="PAIR", help="of -t; default: the run's languages, as en-de")


def main(arguments: list[str]) -> int:
    """Score test sets; the exit code."""
    options = build_parser().parse_args(arguments)
    set_up_console()
    keep_freed_memory()
    (datasets.enable_progress_bars if on_terminal() else datasets.disable_progress_bars)()
    metrics = chosen_metrics(options.metrics)
    config = load_config(existing(options.runs[0]) / "config.yaml", search_overrides(options))
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


def existing(run: Path) -> Path:
    """A folder that is there."""
    if not run.is_dir():
        raise UserError(f"There is no folder {run}.")
    return run


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


def choose_tests(config: Config, options: argparse.Namespace) -> list[TestSet]:
    """The test sets of the command line, else those of the (first) run."""
    if options.test_set:
        if options.test:
            raise UserError("-t and --test: give one of them.")
        if "domain" in options.by and any(test.domains is None for test in named(config, options)):
            raise UserError(f"--by domain: sacreBLEU has no domains of {options.test_set}.")
        return named(config, options)
    if options.language_pair:
        raise UserError("-l belongs to -t, the name of a test set.")
    if options.test:
        config.data.test = {}
        for test in options.test:
            name, source = split_test(test)
            if name in config.data.test:
                raise UserError(f"--test {name}=… is given twice: each test set needs a name of its own.")
            config.data.test[name] = source
        replace(config.data)  # checks the names
    if options.to:
        config.data.tgt_lang = options.to
    if not config.data.test:
        raise UserError(f"{options.runs[0]} has no test sets (data.test): give one with --test NAME=CORPUS.")
    return configured_test_sets(config.data, "domain" in options.by)


def named(config: Config, options: argparse.Namespace) -> list[TestSet]:
    """The test sets that sacreBLEU knows."""
    pair = options.language_pair or f"{config.data.src_lang}-{options.to or config.data.tgt_lang}"
    return named_test_sets(options.test_set, pair)


def build_evaluation(config: Config, metrics: Sequence[str], options: argparse.Namespace) -> Evaluation:
    """What is to be found out."""
    tgt_lang = options.to or config.data.tgt_lang
    scorer = Scorer(tgt_lang, [name for name in metrics if name in METRICS])
    comet = Comet(options.comet_model) if "COMET" in metrics else None
    counts = training_words(config, tgt_lang) if "frequency" in options.by else Counter[str]()
    return Evaluation(scorer, tgt_lang, options.samples, comet, options.by, counts, options.worst)


def training_words(config: Config, tgt_lang: str) -> Counter[str]:
    """How often each word is in the target side of the training data, or of its first million pairs."""
    log.info("Counting the words of data.train.")
    counts: Counter[str] = Counter()
    for source in training_sources(config.data.train):
        if (source.tgt_lang or config.data.tgt_lang) == tgt_lang:
            text = open_text(source.path, source_context(config.data, "train", "train"))
            counts += count_words((tgt for _, tgt in islice(text.read(), PAIRS_COUNTED)), tgt_lang)
    return counts


def translate(
    run: Path, name: str, tests: Sequence[TestSet], metrics: Sequence[str], options: argparse.Namespace
) -> list[Output]:
    """What a run makes of each test set."""
    translator, config = load_run(run, options.device, search_overrides(options))
    aim(translator, config, options)
    outputs = []
    for test in tests:
        log.info(
            "%s: translating %s (%s sentences, beam %d).", name, test.name, f"{len(test):,}", config.search.beam_size
        )
        translations = [best[0].text for best in translator.n_best(test.src, config.search)]
        path = run / "translations" / f"{test.name}.{translator.langs[1]}"
        write_text(path, "".join(f"{line}\n" for line in translations))
        outputs.append(Output(name, translations, perplexity_of(translator, test) if "perplexity" in metrics else None))
    return outputs


def split_test(test: str) -> tuple[str, str]:
    """`NAME=CORPUS` as its two parts."""
    name, equals, source = test.partition("=")
    if not equals or not name or not source:
        raise UserError(f"--test {test}: give NAME=CORPUS, as --test news=data/news.")
    return name, source
