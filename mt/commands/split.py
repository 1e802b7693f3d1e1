"""`mt split`: divide parallel text into files for training, validation and testing."""

import argparse
import logging
from pathlib import Path

from mt.config.corpora import TrainingSource, check_columns, check_different, check_sources
from mt.config.data import DataConfig
from mt.data.derived import without
from mt.data.held_out import hold_out, save_parts
from mt.data.preparation import open_training_text
from mt.errors import UserError
from mt.runs.folder import check_free

log = logging.getLogger(__name__)


def size(text: str) -> float:
    """Parse a number of pairs, or a fraction."""
    try:
        value = float(text)
        check_sources("it", value)
    except (ValueError, UserError):
        raise argparse.ArgumentTypeError(f"{text} is neither a number of pairs nor a fraction") from None
    return value


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt split`."""
    parser = argparse.ArgumentParser(
        prog="mt split",
        description="Divide parallel text at random into DIR/train, DIR/valid and DIR/test, two text files each. No "
        "source or target sentence is in two of them. `mt train` does the same with data.valid=1000 and "
        "data.test='{held: 1000}'.",
    )
    add = parser.add_argument
    add("corpus", nargs="+", metavar="CORPUS", help="as for data.train: a prefix, or a file such as all.tsv")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="new folder to write")
    add("--src-lang", required=True, metavar="LANG", help="source language")
    add("--tgt-lang", required=True, metavar="LANG", help="target language")
    columns = "the columns of a file with tabs, such as en,zh; default: as its first line says, else source, target"
    add("--columns", type=lambda text: text.split(","), metavar="A,B", help=columns)
    add("--no-language-check", action="store_true", help="accept sides that seem to be exchanged")
    add("--valid", type=size, default=1000, metavar="N", help="pairs for validation, or a fraction; default: 1000")
    add("--test", type=size, default=1000, metavar="N", help="pairs for testing, or a fraction; default: 1000")
    add("--seed", type=int, default=1, help="default: %(default)s")
    return parser


def main(arguments: list[str]) -> int:
    """Split and return the exit code."""
    options = build_parser().parse_args(arguments)
    check_free(options.output)
    langs = (options.src_lang, options.tgt_lang)
    check_different(*langs)
    check_columns("--columns", options.columns, langs)
    data = DataConfig(
        *langs, train=options.corpus, columns=options.columns, check_languages=not options.no_language_check
    )
    text = open_training_text(data, TrainingSource(options.corpus)).text
    parts = hold_out(text, {"valid": options.valid, "test": options.test}, options.seed, text.name)
    rest = list(without(text, parts).read())
    if not rest:
        raise UserError(f"{text.name} has nothing left to train on: lower --valid and --test.")
    save_parts({"train": rest, **parts}, options.output, langs)
    log.info("%s pairs are left for training. The files are in %s.", f"{len(rest):,}", options.output)
    source = f"data.train={options.output}/train data.valid={options.output}/valid"
    log.info(
        "Train: mt train data=files data.src_lang=%s data.tgt_lang=%s %s 'data.test={test: %s/test}'",
        *langs, source, options.output,
    )  # fmt: skip
    return 0
