"""Options and checks about the quality of translations, which several commands share."""

import argparse
import json
from collections.abc import Sequence

from mt.commands.evaluated_runs import EvaluatedRun
from mt.config.choices import Utility
from mt.config.search import SearchConfig
from mt.evaluation.evaluation import save_translations
from mt.evaluation.test_sets import TestSet
from mt.quality.estimator import load_estimator
from mt.quality.judge import DEFAULT_QUALITY, Judge, Trust, with_alternatives
from mt.quality.measures import measure_trust
from mt.runs.layout import RunLayout
from mt.runtime.checksums import digest
from mt.text.metrics import build_similarity
from mt.translation.translator import Translator

TRUST_HELP = (
    "SHARE of the lines that pass should have a sentence chrF of QUALITY or more, such as 0.9:50; QUALITY is "
    f"{DEFAULT_QUALITY:g} if it is omitted"
)


def trust(text: str) -> Trust:
    """Parse `SHARE` or `SHARE:QUALITY`."""
    share, _, quality = text.partition(":")
    try:
        wanted = Trust(float(share), float(quality or DEFAULT_QUALITY))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' must be a share, such as 0.9, or 0.9:50 with a quality") from error
    if not (0 < wanted.share < 1 and 0 <= wanted.quality <= 100):
        raise argparse.ArgumentTypeError(f"{text}: the share must be between 0 and 1, the quality from 0 to 100")
    return wanted


def load_judge(run: RunLayout, translator: Translator, wanted: Trust | None) -> Judge:
    """Load what a run has learned of the quality of its translations."""
    return Judge(load_estimator(run.quality, digest(run.weights)), translator.tokenizer, wanted)


def judged_search(search: SearchConfig, judge: Judge) -> SearchConfig:
    """Return a search that finds as many translations of a line as a judge needs."""
    return with_alternatives(search, judge.estimator.n_best)


def run_trust_tests(runs: Sequence[EvaluatedRun], tests: Sequence[TestSet], options: argparse.Namespace) -> int:
    """Print, for each run and test set, what became of the promise; return the exit code."""
    for run in runs:
        translator = run.load_translator(options)
        for test in tests:
            judge = load_judge(run.layout, translator, options.trust)
            search = judged_search(run.config.search, judge)
            found = judge.judge(test.src, translator.n_best(test.src, search, quiet=True), 1)
            save_translations(run.layout.translation(test.name, translator.langs[1]), [best.text for best, *_ in found])
            judge.warn_if_unlike()
            similarity = build_similarity(Utility.chrf, translator.langs[1])
            reached = [similarity(best.text, tgt) for (best, *_), tgt in zip(found, test.references[0], strict=True)]
            result = measure_trust([best for best, *_ in found], reached, options.trust)
            if options.json:
                print(json.dumps({"run": run.name, "test": test.name, **result.as_data()}))
            else:
                print(f"{run.name}, {test.name}: {result.describe(options.trust)}")
    return 0
