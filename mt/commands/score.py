"""`mt score`: log-probabilities of given translations."""

import argparse
import json
import logging
from pathlib import Path

from mt.commands.options import device_parser, direction_parser, run_parser
from mt.data.readers import read_two_files
from mt.data.store import divide
from mt.errors import UserError
from mt.runs.layout import RunLayout
from mt.runs.run_files import load_run_config
from mt.text.tokenizer import Pairs
from mt.translation.engine import build_scoring
from mt.translation.likelihood import perplexity_of_mean, token_log_probs
from mt.translation.translator import Translator

log = logging.getLogger(__name__)
PAIRS_AT_ONCE = 2000


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt score`."""
    parser = argparse.ArgumentParser(
        prog="mt score",
        description="Print two numbers for each line, separated by a tab: the length-normalised log-probability of its "
        "translation, by which search compares translations, and the log-probability itself. The perplexity of the "
        "whole text is printed to standard error.",
        parents=[run_parser(), direction_parser(), device_parser()],
    )
    parser.add_argument("src", type=Path, metavar="SRC", help="source sentences, one per line (also .gz, .bz2, .xz)")
    parser.add_argument("tgt", type=Path, metavar="TGT", help="their translations")
    parser.add_argument("--json", action="store_true", help="print JSON objects with each piece's log-probability")
    return parser


def main(arguments: list[str]) -> int:
    """Score translations and return the exit code."""
    options = build_parser().parse_args(arguments)
    for path in (options.src, options.tgt):
        if path.is_dir() or not path.exists():
            raise UserError(f"There is no file {path}.")
    config = load_run_config(RunLayout(options.run))
    translator = Translator.load(options.run, options.device, config=config)
    translator.set_direction(options.src_lang, options.to, options.tag)
    tokenizer, scoring = translator.tokenizer, build_scoring(config.search)
    total, n_tokens, n_lines = 0.0, 0, 0
    for pairs in divide(read_two_files(options.src, options.tgt), PAIRS_AT_ONCE):
        sides = tokenizer.encode_pairs(pairs)
        ids = list(zip(*sides, strict=True))
        n_positions = translator.model.n_target_positions - translator.tags.n_most
        check_positions(ids, 1 + n_lines, n_positions)
        n_lines += len(ids)
        found = token_log_probs(translator.model, tokenizer, ids, translator.tags)
        for (_, target), log_probs in zip(ids, found, strict=True):
            log_prob = sum(log_probs)
            score = log_prob / scoring.penalty(len(log_probs))
            total, n_tokens = total + log_prob, n_tokens + len(log_probs)
            if options.json:
                pieces = [tokenizer.tgt.id_to_piece(i) for i in (*target, tokenizer.eos_id)]
                row = {"score": score, "log_prob": log_prob, "pieces": pieces, "log_probs": log_probs}
                print(json.dumps(row, ensure_ascii=False))
            else:
                print(f"{score:.4f}\t{log_prob:.4f}")
    if not n_lines:
        raise UserError(f"{options.src} and {options.tgt} are empty.")
    log.info("Perplexity %.3f over %s pieces, EOS included.", perplexity_of_mean(total / n_tokens), f"{n_tokens:,}")
    return 0


def check_positions(pairs: Pairs, first_line: int, n_positions: float) -> None:
    """Raise `UserError` if a line is longer than the positions that the model has learned."""
    for number, pair in enumerate(pairs, start=first_line):
        if max(map(len, pair)) >= n_positions:
            raise UserError(f"Line {number} is longer than the {n_positions - 1:.0f} pieces that the model can take.")
