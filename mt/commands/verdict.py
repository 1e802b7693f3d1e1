"""What the page about a run says first: how good the model is, how it was made, and what differs from the defaults."""

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mt.commands.evaluated_runs import EvaluatedRun
from mt.config.checks import check_file
from mt.config.choices import StoppingMetric
from mt.config.corpora import public_name
from mt.config.file import flatten
from mt.config.schema import Config, ModelConfig
from mt.errors import UserError
from mt.evaluation.results import TestSetResult
from mt.quality.estimator import QualityEstimator, load_estimator
from mt.runs.checkpoint import CheckpointStore
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MAX_BYTES, MetricsFile, Row
from mt.runtime.checksums import digest
from mt.runtime.progress import describe_seconds
from mt.training.forecast import forecast
from mt.training.pruning import validations
from mt.training.ranking import MIN_BLEU, comparison_score
from mt.translation.translator import Translator

BANDS = (
    (10, "hardly usable"),
    (20, "only the topic can be guessed"),
    (30, "the gist is clear, with many errors"),
    (40, "understandable to good"),
    (50, "good"),
    (60, "very good"),
)
"""What a BLEU below each bound usually means (Google Cloud, "Evaluate models", AutoML Translation)."""
BEST_BAND = "excellent, or the test set resembles the training data"
MUCH = 0.1
"""rise of the validation loss that shows overfitting"""
MOST_OF_TEXT = 0.75
"""A larger part of a text differs too little from the whole to say what text is worth."""
LARGE_GAP = 0.4
"""difference of the losses, in nats per token, that shows too little text"""
FEW_EPOCHS = 30
"""A model that has read its text less often than that, and still improves, has not learnt what there is in it."""
MUCH_BLEU = 0.5
MOST_SHARE = 3
"""length, by that of a training, of another one whose score is forecast; further ahead, a curve says too little"""
SAME_TIME = 0.8
"""share of the time of a training from which another one is as long"""
ESTIMATES = "Estimates of quality"
LOGGED = ("Training data:", "Validation data:", "Model:", "Training on ")
"""beginnings of the lines of train.log that describe a training"""
CORPUS = re.compile(r"  (.+?): ([\d,]+ pairs, .+)")
"""one of several corpora, in a line of its own after such a line"""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorthOfText:
    """What more text is worth, by a second training on a part of it."""

    name: str
    fraction: float
    """the part"""
    lost: float
    """validation BLEU of the whole minus that of the part"""
    share_of_time: float
    """minutes of training on the part for each minute on the whole"""

    @property
    def of_twice_as_much(self) -> float:
        """BLEU that twice as much text would bring if every doubling brought as much.

        It brings a little less (Koehn and Knowles, 2017, "Six Challenges for Neural Machine Translation", section 3.2).
        """
        return self.lost / -math.log2(self.fraction)

    def __str__(self) -> str:
        start = f"With {self.fraction:.0%} of the text ({self.name}), the validation BLEU was "
        start += f"{self.lost:.1f} lower" if self.lost >= 0.05 else "no lower"
        if self.share_of_time < SAME_TIME:
            return f"{start}, but after less training: train it as long as this run to see what text is worth."
        if self.of_twice_as_much < MUCH_BLEU:
            return f"{start}: more text of this kind would hardly help."
        most = self.of_twice_as_much
        return f"{start}: twice as much text would bring about {most / 2:.1f} to {most:.1f} BLEU."


def worth_of_text(runs: Sequence[EvaluatedRun]) -> WorthOfText | None:
    """Return what the second run says about the text of the first.

    None if it was not trained on a part of it, if their models differ in size, or if one of them has learnt nothing.
    """
    if len(runs) < 2:
        return None
    whole, part = runs[0], runs[1]
    texts = [(one.config.data.train, one.config.data.valid) for one in (whole, part)]
    sizes = [sizes_of(one.config.model) for one in (whole, part)]
    states = [CheckpointStore(one.layout.checkpoints).latest_state() for one in (whole, part)]
    bests = [best_validation(one.layout, one.config.training.early_stopping.metric)[0] for one in (whole, part)]
    fraction = part.config.data.fraction / whole.config.data.fraction
    if texts[0] != texts[1] or sizes[0] != sizes[1] or fraction > MOST_OF_TEXT or not all(bests) or not all(states):
        return None
    scores = [best["valid/bleu"] for best in bests if best]
    if min(scores) < MIN_BLEU:
        return None
    minutes = [state.minutes for state in states if state]
    return WorthOfText(part.name, fraction, scores[0] - scores[1], minutes[1] / max(minutes[0], 1e-9))


def sizes_of(model: ModelConfig) -> tuple[int | None, ...]:
    """Return the sizes of a model."""
    return model.d_model, model.d_ff, model.n_encoder_layers, model.n_decoder_layers


def describe_quality(
    tests: Sequence[TestSetResult],
    best: Row | None,
    rows: Sequence[Row],
    run: RunLayout,
    worth: WorthOfText | None = None,
) -> str:
    """Return sentences about the scores, about when training found the model, and about what to do next.

    Args:
        best: the validation of the best model.
        rows: all validations.
        worth: of more text, if it is known.
    """
    parts = []
    state = CheckpointStore(run.checkpoints).latest_state()
    if state is not None and not state.is_finished:
        parts.append(f"Training is not finished; its last checkpoint is that of step {state.step:,}.")
    for test in tests:
        bleu = next((score for score in test.runs[0].scores if score.metric == "BLEU"), None)
        if bleu is not None:
            band = next((band for bound, band in BANDS if bleu.value < bound), BEST_BAND)
            interval = f" ± {bleu.half_interval:.1f}" if bleu.half_interval is not None else ""
            meaning = "" if "tok:char" in bleu.signature else f": {band}"  # of characters, it is higher than of words
            parts.append(f"BLEU {bleu.value:.1f}{interval} on {test.name}{meaning}.")
    if best is not None:
        parts.append(describe_end(best, rows))
        if worth is not None:
            parts.append(str(worth))
        parts.append(describe_next_step(best, rows, run, worth))
    return " ".join(filter(None, parts))


def describe_end(best: Row, rows: Sequence[Row]) -> str:
    """Say whether longer training might have helped."""
    last = rows[-1]
    if best["step"] == last["step"]:
        return f"The last model, of step {best['step']:,}, is the best: longer training may improve it."
    rise = last["valid/loss"] - min(row["valid/loss"] for row in rows)
    by_heart = ", and the validation loss has risen since, so the model has begun to learn its text by heart"
    return f"The best model is that of step {best['step']:,} of {last['step']:,}{by_heart if rise > MUCH else ''}."


def describe_next_step(best: Row, rows: Sequence[Row], run: RunLayout, worth: WorthOfText | None) -> str:
    """Say what would improve the model most: longer training, more text, or a larger model.

    A loss on the training text that is far below that on other text means that the text is too small, or of another
    kind, for the model to learn more from it.
    """
    losses = [row["train/nll"] for row in MetricsFile(run.metrics).rows() if "train/nll" in row]
    state = CheckpointStore(run.checkpoints).latest_state()
    begun = [row for row in rows if row["step"]]
    if not losses or not begun or state is None or not state.is_finished:
        return ""
    gap = begun[-1]["valid/loss"] - losses[-1]
    improves = state.epochs < FEW_EPOCHS and begun[-1]["valid/loss"] == min(row["valid/loss"] for row in begun)
    if gap > LARGE_GAP and not improves:
        hint = "" if worth else " To see what more would bring, train on half of it, too: data.fraction=0.5."
        return (
            "Next step: more text of the kind that is to be translated, or cleaner text. The loss on the training text "
            f"is {gap:.1f} below that on the validation text: the model has learnt what there is in its text.{hint}"
        )
    shares = [row["step"] / begun[-1]["step"] for row in begun]
    minutes = min(60.0, (MOST_SHARE - 1) * state.minutes)
    after = forecast(shares, [row["valid/bleu"] for row in begun], 1 + minutes / state.minutes) if minutes else None
    more = after.score - best["valid/bleu"] if after is not None and best["step"] == begun[-1]["step"] else 0.0
    if worth is not None and worth.share_of_time >= SAME_TIME and worth.of_twice_as_much > max(more, MUCH_BLEU):
        longer = "hour" if minutes == 60 else describe_seconds(60 * minutes)
        than = f" It would bring more than another {longer} of training would." if more else ""
        return f"Next step: more text.{than}"
    if after is not None and more >= MUCH_BLEU:
        more_time = "an hour" if minutes == 60 else describe_seconds(60 * minutes)
        length = describe_seconds(60 * (state.minutes + minutes))
        return (
            f"Next step: longer training. A new one with {more_time} more, {length} in all, would reach a validation "
            f"BLEU of about {after.score:.1f} ({after.low:.1f} to {after.high:.1f}), if the curve goes on as it did."
        )
    if improves:
        return (
            f"Next step: longer training. The model has read its text {state.epochs:.1f} times, and the validation "
            "loss was still falling."
        )
    return "Next step: a larger model, or more text. The model fits its text no better than other text."


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
    if estimator := find_estimator(run):
        facts.append((ESTIMATES, estimator.describe()))
    for line in logged_facts(run):
        name, _, value = line.partition(": ")
        facts.append(
            (name, value) if value and len(name) < 20 else ("Setup", line.removeprefix("Training ").removesuffix("."))
        )
    return facts


def find_estimator(run: RunLayout) -> QualityEstimator | None:
    """Return the estimator of the quality of the run's translations; None, with a warning, if it cannot be used."""
    if not run.quality.exists():
        return None
    try:
        return load_estimator(run.quality, digest(run.weights))
    except UserError as error:
        log.warning("Estimates of quality are left out. %s", error)
        return None


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
    rows = validations(run)
    return max(rows, key=lambda row: comparison_score(metric, row), default=None), rows


def marked_configuration(config: Config) -> list[tuple[str, bool]]:
    """Return every key with its value, and whether the value differs from the default."""
    defaults = flatten(Config())
    return [(f"{key}: {value}", value != defaults.get(key)) for key, value in flatten(config).items()]
