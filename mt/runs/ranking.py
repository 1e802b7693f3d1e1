"""The order of models by their validations."""

import math
from collections.abc import Mapping

from mt.config.choices import StoppingMetric

MIN_BLEU = 1.0
"""BLEU below this is chance"""


def comparison_score(metric: StoppingMetric, scalars: Mapping[str, float]) -> float:
    """Return a number by which models are compared; larger is better.

    Models whose BLEU is below 1 rank below all others, by their loss: at that stage BLEU says nothing.

    Args:
        scalars: the metrics of a validation, named as in metrics.jsonl.
    """
    value = scalars[f"valid/{metric.value}"]
    if math.isnan(scalars["valid/loss"]) or math.isnan(value):  # of a model that has diverged
        return -math.inf
    if metric is StoppingMetric.bleu and value < MIN_BLEU:
        return -scalars["valid/loss"]
    return metric.sign * value
