"""Train a model for each seed, score it as papers do, and print a table of docs/results.md.

    results.py --folder runs/results --seeds 1 2 3 -- data=files data.src_lang=en data.tgt_lang=de \
        data.train=multi30k/train data.valid=multi30k/val \
        data.test.test2016=multi30k/test_2016_flickr training.max_steps=11000

Everything after `--` is given to `mt train`. An interrupted training is resumed, a finished one is not repeated.

Besides sacreBLEU's own score, each test set has the one of the papers on Multi30k: BLEU of lower-cased, normalised text
in Moses's tokens (sacremoses), on both sides.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from flops import training_flops
from sacrebleu.metrics import BLEU
from sacremoses import MosesPunctNormalizer, MosesTokenizer
from tabulate import tabulate

from mt.config.file import load_config
from mt.config.schema import ModelConfig
from mt.evaluation.test_sets import configured_test_sets
from mt.runs.checkpoint import CheckpointStore
from mt.runs.layout import RunLayout
from mt.runs.record import read_starts
from mt.text.metrics import Scorer

SIZES = re.compile(r"Training data: .* pairs, ([\d,]+) source and ([\d,]+) target pieces")
VOCABULARY = re.compile(r"Model: .* parameters, ([\d,]+) ")


@dataclass(frozen=True)
class Result:
    """The cost of one training, and the scores of its model."""

    row: list[float]
    """seed, steps, epochs, minutes, FLOPs; then BLEU, papers' BLEU and chrF of each test set"""
    tests: list[str]
    notes: list[str]
    """signatures of the metrics; machines and versions"""


def train(run: RunLayout, overrides: list[str], seed: int) -> None:
    """Train a model with a seed, or go on, and score it."""
    command = [sys.executable, "-m", "mt", "train", *overrides, f"run_dir={run.folder}", f"seed={seed}"]
    subprocess.run(command, check=True)


def read_result(run: RunLayout, seed: int) -> Result:
    """Score the translations that a training has written."""
    config, state = load_config(run.config), CheckpointStore(run.checkpoints).latest_state()
    assert state is not None
    row = [seed, state.step, state.epochs, state.minutes, state.epochs * flops_of_epoch(run, config.model)]
    lang = config.data.tgt_lang
    tests = configured_test_sets(config.data, with_domains=False, held_out=run.held_out)
    signatures: list[str] = []
    for test in tests:
        translations = run.translation(test.name, lang).read_text(encoding="utf-8").splitlines()
        bleu, chrf = Scorer(lang).score(translations, test.references)
        references = [in_moses_tokens(reference, lang) for reference in test.references]
        papers = BLEU(tokenize="none", force=True).corpus_score(in_moses_tokens(translations, lang), references)
        row += [bleu.value, papers.score, chrf.value]
        signatures = [bleu.signature, chrf.signature]
    starts = [{**start.machine, "mt": start.versions.get("mt")} for start in read_starts(run.config)]
    circumstances = [", ".join(f"{name} {value}" for name, value in start.items()) for start in starts]
    return Result(row, [test.name for test in tests], [*signatures, *circumstances])


def flops_of_epoch(run: RunLayout, model: ModelConfig) -> float:
    """Return the arithmetic of an epoch, by what the log says of the sizes of text and vocabulary."""
    log = run.log.read_text(encoding="utf-8")
    (n_src, n_tgt), n_pieces = SIZES.findall(log)[-1], VOCABULARY.findall(log)[-1]
    numbers = (int(number.replace(",", "")) for number in (n_pieces, n_src, n_tgt))
    return training_flops(model.d_model, model.d_ff, model.n_encoder_layers, model.n_decoder_layers, *numbers)


def in_moses_tokens(lines: list[str], lang: str) -> list[str]:
    """Return text in lower case, with normalised punctuation, in Moses's tokens."""
    normalizer, tokenizer = MosesPunctNormalizer(lang=lang), MosesTokenizer(lang=lang)
    return [tokenizer.tokenize(normalizer.normalize(line.lower()), return_str=True) for line in lines]


def describe(results: list[Result]) -> str:
    """Return the table of the results with their mean, and what they depend on."""
    names = ("seed", "steps", "epochs", "minutes", "FLOPs")
    scores = [f"{test}: {score}" for test in results[0].tests for score in ("BLEU", "papers", "chrF")]
    rows = [result.row for result in results]
    mean = ["mean", *(statistics.mean(column) for column in list(zip(*rows, strict=True))[1:])]
    formats = ("", ".0f", ".1f", ".0f", ".2g", *(".2f" for _ in scores))
    table = tabulate([*rows, mean], [*names, *scores], tablefmt="github", floatfmt=formats)
    notes = dict.fromkeys(note for result in results for note in result.notes)
    return "\n".join([table, "", *notes])


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/results"), help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("overrides", nargs="+", help="the arguments of mt train, after --")
    options = parser.parse_args()
    results = []
    for seed in options.seeds:
        run = RunLayout(options.folder / f"seed-{seed}")
        train(run, options.overrides, seed)
        results.append(read_result(run, seed))
    print(describe(results))


if __name__ == "__main__":
    main()
