"""The summary at the top of the page about a run: how good the model is, and what would make it better."""

from collections.abc import Sequence

from mt.commands.longer_training import MUCH_BLEU, MUCH_LOSS, LongerTraining, begun, longer_training, loss_rise
from mt.commands.worth_of_text import SAME_TIME, WorthOfText
from mt.evaluation.results import TestSetResult
from mt.runs.checkpoint import CheckpointStore
from mt.runs.layout import RunLayout
from mt.runs.metrics_file import MetricsFile, Row

BANDS = (
    (10, "hardly usable"),
    (20, "only the topic can be guessed"),
    (30, "the gist is clear, with many errors"),
    (40, "understandable to good"),
    (50, "good"),
    (60, "very good"),
)
"""The usual meaning of a BLEU below each bound (Google Cloud, "Evaluate models", AutoML Translation)."""
BEST_BAND = "excellent, or the test set resembles the training data"
LARGE_GAP = 0.4
"""difference of the losses, in nats per token, that shows too little text"""
FEW_EPOCHS = 30
"""A model that has read its text less often than that, and still improves, has not learnt what there is in it."""


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
        longer = longer_training(rows, state)
        parts.append(describe_end(best, rows))
        parts += [str(known) for known in (longer, worth) if known is not None]
        parts.append(describe_next_step(rows, run, longer, worth))
    return " ".join(filter(None, parts))


def describe_end(best: Row, rows: Sequence[Row]) -> str:
    """Say when training found the best model."""
    last = rows[-1]
    if best["step"] == last["step"]:
        return f"The best model is the last one, that of step {best['step']:,}."
    by_heart = ""
    if loss_rise(rows) > MUCH_LOSS:
        by_heart = ", and the validation loss has risen since, so the model has begun to learn its text by heart"
    return f"The best model is that of step {best['step']:,} of {last['step']:,}{by_heart}."


def describe_next_step(
    rows: Sequence[Row], run: RunLayout, longer: LongerTraining | None, worth: WorthOfText | None
) -> str:
    """Say what would improve the model most: longer training, more text, or a larger model.

    A loss on the training text that is far below that on other text means that the text is too small, or of another
    kind, for the model to learn more from it.
    """
    losses = [row["train/nll"] for row in MetricsFile(run.metrics).rows() if "train/nll" in row]
    state = CheckpointStore(run.checkpoints).latest_state()
    own = begun(rows)
    if not losses or not own or state is None or not state.is_finished:
        return ""
    gap = own[-1]["valid/loss"] - losses[-1]
    improves = state.epochs < FEW_EPOCHS and own[-1]["valid/loss"] == min(row["valid/loss"] for row in own)
    if gap > LARGE_GAP and not improves:
        hint = "" if worth else " To see what more would bring, train on half of it, too: data.fraction=0.5."
        return (
            "Next step: more text of the kind that is to be translated, or cleaner text. The loss on the training text "
            f"is {gap:.1f} below that on the validation text: the model has learnt what there is in its text.{hint}"
        )
    more = longer.gain if longer else 0.0
    if worth is not None and worth.share_of_time >= SAME_TIME and worth.of_twice_as_much > max(more, MUCH_BLEU):
        than = f" It would bring more than another {longer.more_time} of training would." if longer and more else ""
        return f"Next step: more text.{than}"
    if more >= MUCH_BLEU:
        return "Next step: longer training."
    if improves and longer is None:
        return (
            f"Next step: longer training. The model has read its text {state.epochs:.1f} times, and the validation "
            "loss was still falling."
        )
    return "Next step: a larger model, or more text. The model fits its text no better than other text."
