"""The gain to be expected from more text, by a second training on a part of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mt.commands.evaluated_runs import EvaluatedRun
from mt.commands.longer_training import MUCH_BLEU
from mt.commands.run_facts import best_validation
from mt.config.schema import ModelConfig
from mt.runs.checkpoint import CheckpointStore
from mt.runs.ranking import MIN_BLEU

MOST_OF_TEXT = 0.75
"""A larger part of a text differs too little from the whole to say what text is worth."""
SAME_TIME = 0.8
"""share of the time of a training from which another one is as long"""


@dataclass(frozen=True)
class WorthOfText:
    """The gain to be expected from more text, by a second training on a part of it."""

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
