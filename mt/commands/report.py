"""`mt report`: one page about a run, to read and to send."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import datasets
from markupsafe import Markup
from matplotlib.figure import Figure

from mt.commands.options import add_direction, search_overrides
from mt.config.file import load_config
from mt.config.schema import Config
from mt.display.pages.page import as_svg, render
from mt.display.plotting import Panel, draw_attention, draw_curves
from mt.errors import UserError
from mt.evaluation.differences import Span, differences
from mt.evaluation.evaluation import Evaluation
from mt.evaluation.results import Sentence, TestSetResult
from mt.evaluation.test_sets import TestSet
from mt.evaluation.testing import add_test_sets, choose_tests, count, existing, training_words, translate
from mt.runtime.devices import keep_freed_memory
from mt.runtime.files import write_text
from mt.runtime.logs import set_up_console
from mt.runtime.progress import on_terminal
from mt.text.metrics import METRICS, Scorer
from mt.text.sentences import has_spaces
from mt.training.pruning import read_metrics
from mt.translation.alignment import source_attention
from mt.translation.translator import Translator, load_run

log = logging.getLogger(__name__)
CURVES = {
    "Loss a target token, in nats": {"training, unsmoothed": "train/nll", "validation": "valid/loss"},
    "Validation scores": {"BLEU": "valid/bleu", "chrF": "valid/chrf"},
    "Learning rate": {"learning rate": "train/learning_rate"},
    "Gradient norm": {"gradient norm": "train/gradient_norm"},
}
N_PICTURES = 3
MAX_PIECES = 40
"""of a sentence in a picture"""


@dataclass(frozen=True)
class MarkedSentence:
    """A translation and its reference, with what differs."""

    sentence: Sentence
    reference: list[Span]
    translation: list[Span]


@dataclass(frozen=True)
class TestSetReport:
    """What the page shows of a test set."""

    result: TestSetResult
    worst: list[MarkedSentence]
    best: list[MarkedSentence]
    pictures: list[Markup]


def build_parser() -> argparse.ArgumentParser:
    """The command line of `mt report`."""
    parser = argparse.ArgumentParser(
        prog="mt report",
        description="Write one self-contained HTML page: curves of the training, scores on test sets and where they "
        "come from, the best and worst translations with differences marked, pictures of attention, the configuration.",
    )
    parser.add_argument("run", type=Path, help="the folder of a run, as runs/demo")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: RUN/report.html")
    add_test_sets(parser)
    parser.add_argument("--sentences", type=count, default=10, metavar="N", help="best and worst; default: %(default)s")
    parser.add_argument("--beam-size", metavar="N", help="hypotheses that are followed at once; 1 is greedy search")
    add_direction(parser)
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: a GPU if there is one")
    parser.add_argument(
        "--set", action="append", default=[], metavar="search.KEY=VALUE", help="any other key of the search section"
    )
    return parser


def main(arguments: list[str]) -> int:
    """Write the page; the exit code."""
    options = build_parser().parse_args(arguments)
    options.runs, options.by = [options.run], []
    set_up_console()
    keep_freed_memory()
    (datasets.enable_progress_bars if on_terminal() else datasets.disable_progress_bars)()
    run: Path = existing(options.run)
    config = load_config(run / "config.yaml", search_overrides(options))
    tests = choose_tests(config, options)
    name = run.resolve().name
    outputs = translate(run, name, tests, [*METRICS, "perplexity"], options)
    evaluation = build_evaluation(config, options)
    translator = load_run(run, options.device)[0]
    reports = [
        report_of(evaluation.evaluate(test, [output]), test, translator)
        for test, output in zip(tests, outputs, strict=True)
    ]
    figure = training_curves(run)
    text = render(
        "report.html",
        name=name,
        summary=summary(config, translator),
        separator=" " if translator.spaced[1] else "",
        tests=reports,
        curves=figure and as_svg(figure),
        configuration=(run / "config.yaml").read_text(encoding="utf-8"),
    )
    output = options.output or run / "report.html"
    write_text(output, text)
    log.info("The report is in %s.", output)
    return 0


def build_evaluation(config: Config, options: argparse.Namespace) -> Evaluation:
    """All that is found out without more packages; by the frequency of words where the training data is at hand."""
    tgt_lang = options.to or config.data.tgt_lang
    counts: Counter[str] = Counter()
    breakdowns = ["length"]
    try:
        counts = training_words(config, tgt_lang)
        breakdowns.append("frequency")
    except (UserError, OSError) as error:
        log.warning("No breakdown by the frequency of words: %s", error)
    n = options.sentences
    return Evaluation(
        Scorer(tgt_lang, METRICS), tgt_lang, breakdowns=breakdowns, word_counts=counts, n_worst=n, n_best=n
    )


def report_of(result: TestSetResult, test: TestSet, translator: Translator) -> TestSetReport:
    """What the page shows of a test set."""
    (run,) = result.runs
    spaced = has_spaces(translator.langs[1])

    def marked(sentence: Sentence) -> MarkedSentence:
        return MarkedSentence(sentence, *differences(sentence.reference, sentence.translation, spaced))

    pictures = [
        as_svg(picture_of(translator, test.src[i], run.translations[i]))
        for i in spread(test, run.translations, translator)
    ]
    return TestSetReport(result, list(map(marked, run.worst)), list(map(marked, run.best)), pictures)


def spread(test: TestSet, translations: list[str], translator: Translator) -> list[int]:
    """Some sentences over the whole test set, of those that fit into a picture."""
    tokenizer = translator.tokenizer
    lengths = zip(tokenizer.encode_src(test.src), tokenizer.encode_tgt(translations), strict=True)
    fitting = [i for i, (src, tgt) in enumerate(lengths) if src and tgt and max(len(src), len(tgt)) <= MAX_PIECES]
    count = min(N_PICTURES, len(fitting))
    return [fitting[i * len(fitting) // count] for i in range(count)]


def picture_of(translator: Translator, source: str, translation: str) -> Figure:
    """The attention of the middle decoder layer."""
    model, tokenizer = translator.model, translator.tokenizer
    src_ids, tgt_ids = tokenizer.encode_src([source])[0], tokenizer.encode_tgt([translation])[0]
    seen = source_attention(model, tokenizer, [*translator.tags, *src_ids], tgt_ids, len(model.decoder) // 2)
    return draw_attention(seen.weights, seen.src_pieces, seen.tgt_pieces)


def training_curves(run: Path) -> Figure | None:
    """What metrics.jsonl tells."""
    rows = read_metrics(run)
    panels = []
    for title, names in CURVES.items():
        curves = {label: [(row["step"], row[key]) for row in rows if key in row] for label, key in names.items()}
        curves = {label: points for label, points in curves.items() if points}
        if curves:
            panels.append(Panel(title, curves))
    return draw_curves(panels) if panels else None


def summary(config: Config, translator: Translator) -> str:
    """The model in a sentence."""
    n = translator.model.n_parameters()
    sizes = " and ".join(f"{size:,}" for size in dict.fromkeys(translator.tokenizer.vocab_sizes))
    return (
        f"{config.data.src_lang} to {config.data.tgt_lang}; {n:,} parameters, {config.model.n_encoder_layers} + "
        f"{config.model.n_decoder_layers} layers of {config.model.d_model} features and {config.model.n_heads} heads, "
        f"{sizes} pieces; beam {translator.defaults.beam_size}."
    )
