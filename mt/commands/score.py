"""`mt score`: how probable given translations are."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from itertools import islice
from math import exp
from pathlib import Path

from mt.commands.options import add_direction, aim
from mt.config.file import load_config
from mt.data.sources import Pair, read_two_files
from mt.errors import UserError
from mt.runtime.devices import keep_freed_memory
from mt.runtime.logs import set_up_console
from mt.text.tokenizer import Pairs
from mt.translation.likelihood import token_log_probs
from mt.translation.search_setup import build_scoring
from mt.translation.translator import load_run

log = logging.getLogger(__name__)
PAIRS_AT_ONCE = 2000


def build_parser() -> argparse.ArgumentParser:
    """The command line of `mt score`."""
    parser = argparse.ArgumentParser(
        prog="mt score",
        description="Print for each line what the model gives its translation: the log-probability, over the length "
        "penalty as search compares translations by it; a tab; and the log-probability itself. The perplexity of all "
        "goes to standard error.",
    )
    parser.add_argument("run", type=Path, help="the folder of a run, as runs/demo")
    parser.add_argument("src", type=Path, metavar="SRC", help="source sentences, one a line (also .gz, .bz2, .xz)")
    parser.add_argument("tgt", type=Path, metavar="TGT", help="their translations")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, with each piece's probability")
    add_direction(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: a GPU if there is one")
    return parser


def main(arguments: list[str]) -> int:
    """Score; the exit code."""
    options = build_parser().parse_args(arguments)
    set_up_console()
    keep_freed_memory()
    for path in (options.src, options.tgt):
        if path.is_dir() or not path.exists():
            raise UserError(f"There is no file {path}.")
    config = load_config(options.run / "config.yaml")
    translator = load_run(options.run, options.device)[0]
    aim(translator, config, options)
    tokenizer, scoring = translator.tokenizer, build_scoring(config.search)
    total, n_tokens, n_lines = 0.0, 0, 0
    for pairs in in_groups(read_two_files(options.src, options.tgt)):
        sides = (tokenizer.encode_src([src for src, _ in pairs]), tokenizer.encode_tgt([tgt for _, tgt in pairs]))
        ids = [([*translator.tags, *source], target) for source, target in zip(*sides, strict=True)]
        check_positions(ids, 1 + n_lines, translator.model.n_target_positions)
        n_lines += len(ids)
        for (_, target), log_probs in zip(ids, token_log_probs(translator.model, tokenizer, ids, 4096), strict=True):
            log_prob = sum(log_probs)
            score = log_prob / scoring.penalty(len(log_probs))
            total, n_tokens = total + log_prob, n_tokens + len(log_probs)
            if options.json:
                pieces = [tokenizer.tgt.id_to_piece(i) for i in (*target, tokenizer.eos_id)]
                row = {"score": score, "log_prob": log_prob, "pieces": pieces, "log_probs": log_probs}
                print(json.dumps(row, ensure_ascii=False))
            else:
                print(f"{score:.4f}\t{log_prob:.4f}")
    log.info("Perplexity %.3f over %s pieces, end marks among them.", exp(-total / max(1, n_tokens)), f"{n_tokens:,}")
    return 0


def check_positions(pairs: Pairs, first_line: int, n_positions: float) -> None:
    """Raise `UserError` where a line is longer than the positions that the model has learned."""
    for number, pair in enumerate(pairs, start=first_line):
        if max(map(len, pair)) >= n_positions:
            raise UserError(
                f"Line {number} is longer than the {n_positions - 1:.0f} pieces that the model has learned."
            )


def in_groups(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    """Pairs in lists of some thousand."""
    while group := list(islice(pairs, PAIRS_AT_ONCE)):
        yield group
