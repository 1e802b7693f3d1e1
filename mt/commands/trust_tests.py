"""`mt evaluate --trust`: whether what was promised holds on test sets."""

import argparse
import json
from collections.abc import Sequence

from mt.commands.evaluated_runs import EvaluatedRun
from mt.config.checks import check_file
from mt.config.choices import Utility
from mt.evaluation.evaluation import save_translations
from mt.evaluation.test_sets import TestSet
from mt.quality.estimator import load_estimator
from mt.quality.judge import load_judge, warn_about_direction, with_alternatives
from mt.quality.measures import measure_trust
from mt.runtime.checksums import digest
from mt.text.metrics import build_similarity


def run_trust_tests(runs: Sequence[EvaluatedRun], tests: Sequence[TestSet], options: argparse.Namespace) -> int:
    """Print, for each run and test set, what became of the promise; return the exit code."""
    for run in runs:  # a run that is not calibrated is reported before the others are translated
        check_file(run.layout.weights)
        load_estimator(run.layout.quality, digest(run.layout.weights))
    for run in runs:
        translator = run.load_translator(options)
        warn_about_direction(translator.langs, (run.config.data.src_lang, run.config.data.tgt_lang))
        for test in tests:
            judge = load_judge(run.layout, translator.tokenizer, options.trust)
            search = with_alternatives(run.config.search, judge.estimator)
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
