"""`mt report`: one page about a run, to read and to send."""

import argparse
import logging
import random
from collections import Counter
from dataclasses import astuple, dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from mt.commands.comparison import Comparison, compare, describe_comparison
from mt.commands.evaluated_runs import load_runs
from mt.commands.options import (
    count,
    device_parser,
    direction_parser,
    output_file,
    reverse_parser,
    run_parser,
    run_path,
    search_parser,
)
from mt.commands.run_facts import best_validation, describe_run, marked_configuration, summarise
from mt.commands.test_options import choose_tests, tests_parser
from mt.commands.training_curves import draw_training
from mt.commands.verdict import describe_quality
from mt.commands.worth_of_text import worth_of_text
from mt.config.schema import Config
from mt.display.pages.page import as_svg, lang_attribute, render
from mt.display.plotting import draw_attention
from mt.errors import UserError
from mt.evaluation.breakdown import Grouping
from mt.evaluation.differences import Span, differences
from mt.evaluation.evaluation import Evaluation, rank, training_words
from mt.evaluation.results import Sentence, TestSetResult
from mt.evaluation.test_sets import TestSet
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile
from mt.runtime.checksums import warn_if_damaged
from mt.runtime.files import write_output, write_text
from mt.text.metrics import METRICS, Scorer
from mt.translation.alignment import middle_layer
from mt.translation.translator import Translator

log = logging.getLogger(__name__)
N_PICTURES = 3
MAX_PIECES = 40
"""pieces of a sentence that fit into a picture"""


@dataclass(frozen=True)
class MarkedSentence:
    """A translation and its reference with the differences marked."""

    sentence: Sentence
    reference: list[Span]
    translation: list[Span]


@dataclass(frozen=True)
class Picture:
    """A sentence, its translation, and the attention to the source."""

    source: str
    translation: str
    svg: Markup


@dataclass(frozen=True)
class TestSetReport:
    """The report on one test set."""

    result: TestSetResult
    groups: dict[str, list[MarkedSentence]]
    """sentences to read, by the heading above them"""
    sentences: list[Sentence]
    """all sentences"""
    pictures: list[Picture]
    comparison: Comparison | None
    """with the second run, if there is one"""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt report`."""
    parser = argparse.ArgumentParser(
        prog="mt report",
        description="Write one self-contained HTML page: training curves, scores on test sets and their breakdowns, "
        "all translations, some of them with differences marked, pictures of attention, the configuration.",
        parents=[run_parser(), tests_parser(), search_parser(), reverse_parser(), direction_parser(), device_parser()],
    )
    other = "a second run to compare with on the same test sets: scores, sentences and n-grams side by side"
    parser.add_argument("other", nargs="?", type=run_path, metavar="OTHER", help=other)
    parser.add_argument(
        "-o", "--output", type=output_file, metavar="FILE", help="default: RUN/report.html, or RUN/report-OTHER.html"
    )
    parser.add_argument("--sentences", type=count, default=10, metavar="N", help="show the N best, worst, …, not 10")
    return parser


def main(arguments: list[str]) -> int:
    """Write the page and return the exit code."""
    options = build_parser().parse_intermixed_args(arguments)
    runs = load_runs([options.run, *([options.other] if options.other else [])], options)
    run, config = runs[0].layout, runs[0].config
    MetricsFile(run.metrics).warn_if_damaged()
    warn_if_damaged(run.log)
    warn_if_damaged(run.quality)
    tests = choose_tests(config, options, options.run)
    translators = [one.load_translator(options) for one in runs]
    evaluation = build_evaluation(config, run, translators[0].langs[1])  # before the work: a metric may lack a package
    outputs = [one.translate(translator, tests, True) for one, translator in zip(runs, translators, strict=True)]
    translator = translators[0]
    reports = []
    for test, *test_outputs in zip(tests, *outputs, strict=True):
        result = evaluation.evaluate(test, test_outputs)
        reports.append(report_test_set(result, test, translator, options.sentences))
    results = [report.result for report in reports]
    best, rows = best_validation(run, config.training.early_stopping.metric)
    curves = draw_training(run, best, rows)
    page = render(
        "report.html",
        name=runs[0].name,
        others=[one.name for one in runs[1:]],
        verdict=describe_quality(results, best, rows, run, worth_of_text(runs)),
        comparison=describe_comparison(results) if len(runs) > 1 else None,
        facts=describe_run(run, summarise(config, translator), best),
        langs=[lang_attribute(lang) for lang in translator.langs],
        rows=[[astuple(sentence) for sentence in report.sentences] for report in reports],
        separator=" " if translator.spaced[1] else "",
        tests=reports,
        curves=curves and as_svg(curves),
        configuration=marked_configuration(config),
    )
    path = options.output or (run.comparison(runs[1].layout.folder.resolve().name) if options.other else run.report)
    (write_output if options.output else write_text)(path, page)
    log.info("The report is in %s.", path)
    return 0


def build_evaluation(config: Config, run: RunLayout, tgt_lang: str) -> Evaluation:
    """Build an evaluation with all metrics but COMET, and with word frequencies if the training data is there."""
    counts: Counter[str] = Counter()
    breakdowns = [Grouping.length]
    try:
        counts = training_words(config, run, tgt_lang)
        breakdowns.append(Grouping.frequency)
    except (UserError, OSError) as error:
        log.warning("The report has no breakdown by word frequency: %s", error)
    scorer = Scorer(tgt_lang, METRICS)
    return Evaluation(scorer, tgt_lang, breakdowns=breakdowns, word_counts=counts)


def report_test_set(result: TestSetResult, test: TestSet, translator: Translator, n_shown: int) -> TestSetReport:
    """Collect what the page shows of a test set, with so many of the best, worst and other sentences."""
    run = result.runs[0]
    ranked = rank(test, run.translations)

    def mark(sentence: Sentence) -> MarkedSentence:
        return MarkedSentence(sentence, *differences(sentence.reference, sentence.translation, translator.spaced[1]))

    middle = max(0, len(ranked) - n_shown) // 2
    groups = {
        "Worst translations by chrF": ranked[:n_shown],
        "Best translations by chrF": ranked[::-1][:n_shown],
        "Middling translations by chrF": ranked[middle : middle + n_shown],
        "Random translations": random.Random(1).sample(ranked, min(n_shown, len(ranked))),
    }
    pictures = [
        Picture(test.src[i], run.translations[i], as_svg(draw_sentence(translator, test.src[i], run.translations[i])))
        for i in choose_sentences(test, run.translations, translator)
    ]
    marked = {title: list(map(mark, sentences)) for title, sentences in groups.items()}
    comparison = None
    if len(result.runs) > 1:
        comparison = compare(result, test, translator.langs[1], translator.spaced[1], n_shown)
    return TestSetReport(result, marked, ranked, pictures, comparison)


def choose_sentences(test: TestSet, translations: list[str], translator: Translator) -> list[int]:
    """Choose sentences from the whole test set that fit into a picture."""
    tokenizer = translator.tokenizer
    lengths = zip(tokenizer.encode_src(test.src), tokenizer.encode_tgt(translations), strict=True)
    fitting = [i for i, (src, tgt) in enumerate(lengths) if src and tgt and max(len(src), len(tgt)) <= MAX_PIECES]
    count = min(N_PICTURES, len(fitting))
    return [fitting[i * len(fitting) // count] for i in range(count)]


def draw_sentence(translator: Translator, source: str, translation: str) -> Figure:
    """Draw the attention of the middle decoder layer."""
    attention = translator.attention(source, translation, middle_layer(translator.model))
    return draw_attention(attention.weights, attention.src_pieces, attention.tgt_pieces)
