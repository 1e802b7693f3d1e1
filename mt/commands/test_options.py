"""Options for test sets, which several commands share."""

import argparse
from dataclasses import replace
from pathlib import Path

from mt.config.schema import Config
from mt.errors import UserError
from mt.evaluation.test_sets import TestSet, configured_test_sets, named_test_sets
from mt.runs.layout import RunLayout


def tests_parser() -> argparse.ArgumentParser:
    """Return a parent parser for test sets."""
    parser = argparse.ArgumentParser(add_help=False)
    tests = "use this test set instead: a prefix, .tsv, .jsonl, .parquet or hub:NAME"
    parser.add_argument("--test", action="append", default=[], metavar="NAME=CORPUS", help=tests)
    parser.add_argument("-t", "--test-set", metavar="NAME", help="a test set that sacreBLEU downloads, such as wmt14")
    parser.add_argument("-l", "--language-pair", metavar="PAIR", help="languages of -t; default: those of the run")
    return parser


def choose_tests(config: Config, options: argparse.Namespace, run: Path, with_domains: bool = False) -> list[TestSet]:
    """Load the test sets that the options name, or else those in `config`, that of `run`."""
    langs = (options.src_lang or config.data.src_lang, options.to or config.data.tgt_lang)
    if options.test_set:
        if options.test:
            raise UserError("Give -t or --test, not both.")
        pair = options.language_pair or "-".join(langs)
        tests = named_test_sets(options.test_set, pair)
        if with_domains and any(test.domains is None for test in tests):
            raise UserError(f"--by domain: sacreBLEU provides no domains for {options.test_set}.")
        return tests
    if options.language_pair:
        raise UserError("-l needs -t, the name of a test set.")
    data = replace(config.data, src_lang=langs[0], tgt_lang=langs[1])
    if options.test:
        data = replace(data, test=named_sources(options.test))
    if not data.test:
        raise UserError(f"{run} has no test sets (data.test): give one with --test NAME=CORPUS.")
    return configured_test_sets(data, with_domains, RunLayout(run).held_out)


def named_sources(tests: list[str]) -> dict[str, str]:
    """Parse the values of --test."""
    sources: dict[str, str] = {}
    for test in tests:
        name, equals, source = test.partition("=")
        if not equals or not name or not source:
            raise UserError(f"--test {test}: give NAME=CORPUS, such as --test news=data/news.")
        if name in sources:
            raise UserError(f"--test {name}=… is given twice: each test set needs a name of its own.")
        sources[name] = source
    return sources
