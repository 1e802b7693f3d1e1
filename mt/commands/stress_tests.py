"""`mt evaluate --stress`: test sets as people type."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from mt.commands.evaluated_runs import EvaluatedRun
from mt.evaluation.evaluation import save_translations
from mt.evaluation.stress import StressResult, as_table, build_stress_tests, judge
from mt.evaluation.test_sets import TestSet
from mt.translation.translator import Translator


def run_stress_tests(runs: Sequence[EvaluatedRun], tests: Sequence[TestSet], options: argparse.Namespace) -> int:
    """Print a table, or JSON, for each run and test set; return the exit code."""
    for run in runs:
        translator = run.load_translator(options)
        for test in tests:
            results = stress_results(run, translator, test)
            if options.json:
                rows = [asdict(result) for result in results]
                print(json.dumps({"run": run.name, "test": test.name, "results": rows}, ensure_ascii=False))
            else:
                print(f"{run.name}, {test.name}, {len(test):,} sentences\n{as_table(results)}\n")
    return 0


def stress_results(run: EvaluatedRun, translator: Translator, test: TestSet) -> list[StressResult]:
    """Translate a test set as people type it, write the translations to the run folder, and score them."""
    stress_tests = build_stress_tests(test, translator.langs)
    translations = []
    for one in stress_tests:
        texts = translator.translate(one.src, run.config.search)
        name = f"stress/{test.name}.{one.name.replace(' ', '-').lower()}"
        save_translations(run.layout.translation(name, translator.langs[1]), texts)
        translations.append(texts)
    return judge(stress_tests, translations, test.references[0], translator.langs[1])
