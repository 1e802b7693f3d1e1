"""`mt evaluate`: the scores of one or several runs on test sets."""

import argparse
import json
import logging
from collections import Counter
from collections.abc import Sequence

from mt.commands.evaluated_runs import EvaluatedRun, load_runs
from mt.commands.options import (
    RUN_HELP,
    TRUST_HELP,
    count,
    device_parser,
    direction_parser,
    reverse_parser,
    run_path,
    search_parser,
    trust,
)
from mt.commands.stress_tests import run_stress_tests
from mt.commands.test_options import choose_tests, tests_parser
from mt.commands.trust_tests import run_trust_tests
from mt.errors import UserError, suggest
from mt.evaluation.breakdown import Grouping
from mt.evaluation.comet import Comet
from mt.evaluation.evaluation import Evaluation, training_words
from mt.text.metrics import METRICS, Scorer

log = logging.getLogger(__name__)
CHOICES = (*METRICS, "perplexity", "COMET")


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt evaluate`."""
    parser = argparse.ArgumentParser(
        prog="mt evaluate",
        description="Translate the run's own test sets, or others, and score them with sacreBLEU. Several runs are "
        "compared with the first by paired bootstrap resampling. The translations are written to RUN/translations.",
        parents=[tests_parser(), search_parser(), reverse_parser(), direction_parser(), device_parser()],
    )
    add = parser.add_argument
    add("runs", type=run_path, nargs="+", metavar="RUN", help=RUN_HELP)
    metrics = f"any of {', '.join(CHOICES)}; default: all but COMET, which needs its package"
    add("--metrics", nargs="+", default=CHOICES[:-1], metavar="NAME", help=metrics)
    add("--comet-model", default="Unbabel/wmt22-comet-da", metavar="NAME", help="default: %(default)s")
    by = "break scores down by length of the reference, frequency of words in data.train, or domain (PREFIX.domain)"
    add("--by", nargs="+", default=[], choices=[group.value for group in Grouping], help=by)
    add("--worst", type=count, default=0, metavar="N", help="show the N translations of lowest chrF")
    stress = "instead: translate the test sets as people type, in capitals, with typos, emoji and so on, and compare"
    add("--stress", action="store_true", help=stress)
    promise = "instead: say how many lines pass, and how good they are; " + TRUST_HELP
    add("--trust", type=trust, metavar="SHARE[:QUALITY]", help=promise)
    add("--json", action="store_true", help="print one JSON object for each test set")
    samples = "bootstrap samples; 0: no intervals and no test; default: %(default)s"
    add("--samples", type=count, default=1000, metavar="N", help=samples)
    return parser


def main(arguments: list[str]) -> int:
    """Score test sets and return the exit code."""
    options = build_parser().parse_args(arguments)
    metrics = chosen_metrics(options.metrics)
    runs = load_runs(options.runs, options)
    tests = choose_tests(runs[0].config, options, options.runs[0], "domain" in options.by)
    for option, is_given in (("--stress", options.stress), ("--trust", options.trust)):
        if is_given and (options.by or options.worst or (options.stress and options.trust)):
            raise UserError(f"{option} has a table of its own: omit --by and --worst, and give --stress or --trust.")
        if is_given and tuple(options.metrics) != CHOICES[:-1]:
            raise UserError(f"{option} has figures of its own: omit --metrics.")
    if options.stress:
        return run_stress_tests(runs, tests, options)
    if options.trust:
        return run_trust_tests(runs, tests, options)
    evaluation = build_evaluation(runs[0], metrics, options)
    outputs = [run.translate(run.load_translator(options), tests, "perplexity" in metrics) for run in runs]
    width = max(len(test.name) for test in tests)
    for number, test in enumerate(tests):
        result = evaluation.evaluate(test, [output[number] for output in outputs])
        if options.json:
            print(json.dumps(result.as_data(), ensure_ascii=False))
        else:
            separate = len(outputs) > 1 or options.by or options.worst
            print(result.as_text(width), end="\n\n" if separate and test is not tests[-1] else "\n")
    return 0


def chosen_metrics(names: Sequence[str]) -> list[str]:
    """Return metrics in the usual order, given their names in any case."""
    known = {choice.lower(): choice for choice in CHOICES}
    for name in names:
        if name.lower() not in known:
            raise UserError(
                f"--metrics {name}: unknown metric; choose from {', '.join(CHOICES)}.{suggest(name, CHOICES)}"
            )
    chosen = {known[name.lower()] for name in names}
    return [choice for choice in CHOICES if choice in chosen]


def build_evaluation(run: EvaluatedRun, metrics: Sequence[str], options: argparse.Namespace) -> Evaluation:
    """Build the evaluation that the options describe."""
    tgt_lang = options.to or run.config.data.tgt_lang
    scorer = Scorer(tgt_lang, [name for name in metrics if name in METRICS])
    comet = Comet(options.comet_model) if "COMET" in metrics else None
    counts = training_words(run.config, run.layout, tgt_lang) if "frequency" in options.by else Counter[str]()
    return Evaluation(
        scorer, tgt_lang, options.samples, comet, [Grouping(by) for by in options.by], counts, options.worst
    )
