"""`mt card`: a model card, as the Hugging Face Hub shows it."""

import argparse
import logging
import re
from collections.abc import Sequence
from importlib.resources import files

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from tabulate import tabulate

from mt.commands.evaluated_runs import EvaluatedRun, load_runs
from mt.commands.export import fits_transformers
from mt.commands.options import device_parser, direction_parser, output_file, reverse_parser, run_parser, search_parser
from mt.commands.run_facts import ESTIMATES, LEFT_OUT, best_validation, describe_run, summarise
from mt.commands.stress_tests import stress_results
from mt.commands.test_options import choose_tests, tests_parser
from mt.commands.verdict import describe_quality
from mt.config.corpora import HUB, public_name, training_sources
from mt.errors import UserError
from mt.evaluation.evaluation import Evaluation
from mt.evaluation.results import TestSetResult, describe
from mt.evaluation.stress import as_table
from mt.evaluation.test_sets import TestSet
from mt.quality.judge import find_estimator
from mt.runs.layout import RunLayout
from mt.runs.record import read_starts
from mt.runtime.files import write_output, write_text
from mt.text.language_names import two_letters
from mt.text.metrics import Score, Scorer
from mt.translation.translator import Translator

log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `mt card`."""
    parser = argparse.ArgumentParser(
        prog="mt card",
        description="Write a model card, README.md in the run folder: languages, scores with signatures, training text "
        "with fingerprints, limits, and how to load the model, with the metadata that the Hugging Face Hub reads.",
        parents=[run_parser(), tests_parser(), search_parser(), reverse_parser(), direction_parser(), device_parser()],
    )
    add = parser.add_argument
    add("--license", metavar="ID", help="licence of the model, as the Hub names it, such as cc-by-4.0")
    add("--data-license", metavar="ID", help="licence of the training text")
    add("--stress", action="store_true", help="add a table of how well the model translates what people type")
    add("-o", "--output", type=output_file, metavar="FILE", help="default: RUN/README.md")
    return parser


def main(arguments: list[str]) -> int:
    """Write the card and return the exit code."""
    options = build_parser().parse_args(arguments)
    (run,) = load_runs([options.run], options)
    translator = run.load_translator(options)
    tests = find_tests(run, options)
    evaluation = Evaluation(Scorer(translator.langs[1]), translator.langs[1])
    outputs = run.translate(translator, tests, with_perplexity=False)
    results = [evaluation.evaluate(test, [output]) for test, output in zip(tests, outputs, strict=True)]
    stress = [
        (test.name, as_table(stress_results(run, translator, test), "github")) for test in tests if options.stress
    ]
    path = options.output or run.layout.own(run.layout.card)
    (write_output if options.output else write_text)(path, build_card(run, translator, results, stress, options))
    log.info("The model card is in %s. Read it, and say what it cannot know: whom the model is for.", path)
    return 0


def find_tests(run: EvaluatedRun, options: argparse.Namespace) -> list[TestSet]:
    """Load the test sets; without them, the card has no scores."""
    try:
        return choose_tests(run.config, options, options.run)
    except UserError as error:
        if options.test or options.test_set:
            raise
        log.warning("The card has no scores. %s", error)
        return []


def build_card(
    run: EvaluatedRun,
    translator: Translator,
    results: Sequence[TestSetResult],
    stress: Sequence[tuple[str, str]],
    options: argparse.Namespace,
) -> str:
    """Return the card."""
    config, layout = run.config, run.layout
    best, rows = best_validation(layout, config.training.early_stopping.metric)
    all_scores = [(result.name, result.runs[0].scores) for result in results]
    eval_results = [to_eval_result(name, score) for name, scores in all_scores for score in scores]
    corpora = [source for entry in training_sources(config.data.train) for source in entry.path]
    metadata = ModelCardData(
        language=list(dict.fromkeys(map(two_letters, translator.langs))),  # the Hub knows no scripts and regions
        license=options.license,
        library_name="mt",
        pipeline_tag="translation",
        tags=["translation", "mt"],
        metrics=["bleu", "chrf"] if results else None,
        datasets=data_sets(corpora) or None,
        model_name=run.name if results else None,
        eval_results=eval_results or None,
    )
    template = str(files("mt.display.pages") / "templates" / "card.md")
    card = ModelCard.from_template(
        metadata,
        template_path=template,
        name=run.name,
        direction=f"--from {translator.langs[0]} --to {translator.langs[1]} " if config.data.language_tags else "",
        tags=", ".join(f"`{tag}`" for tag in translator.tokenizer.tags),
        for_transformers=fits_transformers(config, list(translator.tokenizer.tags)),
        summary=summarise(config, translator),
        verdict=describe_quality(results, None, rows, layout),
        quality=estimator.describe() if (estimator := find_estimator(layout, LEFT_OUT)) else None,
        scores=score_table(results),
        signatures=[f"{score.metric}: {score.signature}" for score in all_scores[0][1]] if results else [],
        stress=stress,
        corpora=describe_corpora(corpora, layout),
        data_license=options.data_license,
        facts=[fact for fact in describe_run(layout, "", best) if fact[0] not in ("Model", "Date", ESTIMATES)],
    )
    return str(card)


def data_sets(corpora: Sequence[str]) -> list[str]:
    """Return the names of the data sets of the Hub, without revision, configuration and split."""
    names = [path.removeprefix(HUB) for path in map(public_name, corpora) if path.startswith(HUB)]
    return list(dict.fromkeys(re.split("[@:]", name)[0] for name in names))


def to_eval_result(test: str, score: Score) -> EvalResult:
    """Return a score as the Hub's metadata holds it."""
    return EvalResult(
        task_type="translation",
        dataset_type="text",
        dataset_name=test,
        metric_type=score.metric.lower(),
        metric_value=round(score.value, 2),
        metric_name=f"{score.metric}, {score.signature}",
    )


def score_table(results: Sequence[TestSetResult]) -> str | None:
    """Return the scores as a table; None without any."""
    if not results:
        return None
    rows = [
        [result.name, f"{result.n_sentences:,}", *map(describe, scores)]
        for result in results
        for scores in [result.runs[0].scores]
    ]
    headers = ["test set", "sentences", *(score.metric for score in results[0].runs[0].scores)]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def describe_corpora(corpora: Sequence[str], run: RunLayout) -> str:
    """Return the names of the corpora, without the folders of this machine, and the fingerprint of the text."""
    starts = read_starts(run.config)
    fingerprint = starts[0].inputs.get("data.train") if starts else None
    names = ", ".join(map(public_name, corpora))
    return f"{names}." + (f" Fingerprint of the text: `{fingerprint}`." if fingerprint else "")
