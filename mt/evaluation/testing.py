"""What `mt evaluate` and `mt report` share: the test sets of the command line, and what runs make of them."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from mt.commands.options import aim, search_overrides
from mt.config.data import training_sources
from mt.config.schema import Config
from mt.data.sources import open_text
from mt.errors import UserError
from mt.evaluation.breakdown import count_words
from mt.evaluation.evaluation import Output, perplexity_of
from mt.evaluation.scoring import training_context
from mt.evaluation.test_sets import TestSet, configured_test_sets, named_test_sets
from mt.runtime.files import write_text
from mt.translation.translator import load_run

log = logging.getLogger(__name__)
PAIRS_COUNTED = 1_000_000


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


def existing(run: Path) -> Path:
    """A folder that is there."""
    if not run.is_dir():
        raise UserError(f"There is no folder {run}.")
    return run


def choose_tests(config: Config, options: argparse.Namespace) -> list[TestSet]:
    """The test sets of the command line, else those of the (first) run."""
    if options.test_set:
        if options.test:
            raise UserError("-t and --test: give one of them.")
        tests = named(config, options)
        if "domain" in options.by and any(test.domains is None for test in tests):
            raise UserError(f"--by domain: sacreBLEU has no domains of {options.test_set}.")
        return tests
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


def training_words(config: Config, tgt_lang: str) -> Counter[str]:
    """How often each word is in the target side of the training data, or of its first million pairs."""
    log.info("Counting the words of data.train.")
    counts: Counter[str] = Counter()
    for source in training_sources(config.data.train):
        if (source.tgt_lang or config.data.tgt_lang) == tgt_lang:
            text = open_text(source.path, training_context(config.data, source))
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


def count(text: str) -> int:
    """A number of the command line, 0 or more."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} must be 0 or more")
    return number


def split_test(test: str) -> tuple[str, str]:
    """`NAME=CORPUS` as its two parts."""
    name, equals, source = test.partition("=")
    if not equals or not name or not source:
        raise UserError(f"--test {test}: give NAME=CORPUS, as --test news=data/news.")
    return name, source
