"""Facts about a run for its page and its model card: the model, its training, and what differs from the defaults."""

import re
from datetime import datetime

from mt.config.checks import check_file
from mt.config.choices import StoppingMetric
from mt.config.corpora import public_name
from mt.config.file import flatten
from mt.config.schema import Config
from mt.quality.judge import find_estimator
from mt.runs.checkpoint import CheckpointStore
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MAX_BYTES, MetricsFile, Row
from mt.runs.ranking import comparison_score
from mt.runtime.progress import describe_seconds
from mt.translation.translator import Translator

ESTIMATES = "Estimates of quality"
LEFT_OUT = "Estimates of quality are omitted."
LOGGED = ("Training data:", "Validation data:", "Model:", "Training on ")
"""beginnings of the lines of train.log that describe a training"""
CORPUS = re.compile(r"  (.+?): ([\d,]+ pairs, .+)")
"""one of several corpora, in a line of its own after such a line"""


def summarise(config: Config, translator: Translator) -> str:
    """Describe the model in one sentence."""
    n = translator.model.n_parameters()
    sizes = " and ".join(f"{size:,}" for size in dict.fromkeys(translator.tokenizer.vocab_sizes))
    reranked = ", reranked by a model of the other direction" if translator.defaults.reverse is not None else ""
    return (
        f"{' to '.join(translator.langs)}; {n:,} parameters, {config.model.n_encoder_layers} + "
        f"{config.model.n_decoder_layers} layers of {config.model.d_model} features and {config.model.n_heads} heads, "
        f"{sizes} pieces; beam {translator.defaults.beam_size}{reranked}."
    )


def describe_run(run: RunLayout, model: str, best: Row | None) -> list[tuple[str, str]]:
    """Return facts about the training with their names."""
    facts = [("Model", model)]
    if run.weights.exists():
        written = datetime.fromtimestamp(run.weights.stat().st_mtime)
        facts.append(("Date", f"{written:%Y-%m-%d %H:%M}"))
    if state := CheckpointStore(run.checkpoints).latest_state():
        facts.append(("Duration", f"{describe_seconds(60 * state.minutes)} for {state.step:,} steps"))
    if best is not None:
        scores = f"BLEU {best['valid/bleu']:.2f}, chrF {best['valid/chrf']:.2f}, loss {best['valid/loss']:.3f}"
        facts.append(("Best validation", f"step {best['step']:,}: {scores} (greedy search)"))
    if estimator := find_estimator(run, LEFT_OUT):
        facts.append((ESTIMATES, estimator.describe()))
    for line in logged_facts(run):
        name, _, value = line.partition(": ")
        facts.append(
            (name, value) if value and len(name) < 20 else ("Setup", line.removeprefix("Training ").removesuffix("."))
        )
    return facts


def logged_facts(run: RunLayout) -> list[str]:
    """Return what train.log says about the last start of the training."""
    if not run.log.exists():
        return []
    check_file(run.log, MAX_BYTES)
    newest: dict[str, str] = {}
    begun = None
    for line in run.log.read_text("utf-8", "replace").splitlines():
        message = line.split(" ", 3)[-1]
        if begun and (corpus := CORPUS.fullmatch(line)):
            newest[begun] += f" {public_name(corpus[1])}: {corpus[2]}"
            continue
        begun = next((start for start in LOGGED if message.startswith(start)), None)
        if begun:
            newest[begun] = message
    return [newest[start] for start in LOGGED[:2] + LOGGED[3:] if start in newest]


def best_validation(run: RunLayout, metric: StoppingMetric) -> tuple[Row | None, list[Row]]:
    """Return the validation of the best model, and all validations."""
    rows = MetricsFile(run.metrics).validations()
    return max(rows, key=lambda row: comparison_score(metric, row), default=None), rows


def marked_configuration(config: Config) -> list[tuple[str, bool]]:
    """Return every key with its value, and whether the value differs from the default."""
    defaults = flatten(Config())
    return [(f"{key}: {value}", value != defaults.get(key)) for key, value in flatten(config).items()]
