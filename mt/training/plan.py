"""The length of a training in steps and tokens, given its text, its batches and the speed of this machine."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from mt.config.automatic import fill
from mt.config.schema import Config

Measure = Callable[[Config], float]
"""configuration -> seconds of a step on this machine"""
FINE_TUNING = 0.3
"""factor of the learning rate and of the epochs of a model that is trained already"""
VALIDATION = 1.8
"""time of a validation, by that of steps for as many tokens"""
VALIDATING, MOST_VALIDATING = 0.15, 0.5
"""largest fraction of the time for validations: if there are more than seven, and if there are fewer"""
FEWEST_VALID_PAIRS = 200
"""pairs of the smallest part of the validation text"""
ANY = {
    "model.dropout": 0.1, "model.attention_dropout": 0.1, "model.activation_dropout": 0.1, "optim.lr": 1e-3,
    "optim.weight_decay": 0.0, "optim.warmup_steps": 1, "training.valid_every_steps": 1,
    "training.checkpoint_every_steps": 1, "training.guided_attention": 0.0, "training.lexicon_embeddings": False,
    "training.valid_pairs": 0,
}  # fmt: skip
"""values that do not matter when a step is measured"""


@dataclass(frozen=True)
class Amount:
    """The amount of training text, and the share of it that a step sees."""

    n_pairs: int
    n_tokens: int
    """tokens of the longer side of each pair, EOS included"""
    batches_per_step: int
    """batches of a step in all processes together"""
    n_valid_tokens: int = 0
    """tokens of the validation text, counted likewise"""
    n_valid_pairs: int = 0
    n_epoch_tokens: int | None = None
    """tokens of an epoch, which differ from those of the text if its corpora have weights"""

    def steps_per_pass(self, max_tokens: int) -> float:
        """Return the number of steps that see the text once, nearly: batches are a little smaller than the budget."""
        return max(1.0, self.n_tokens / (max_tokens * self.batches_per_step))

    def steps_per_epoch(self, max_tokens: int) -> float:
        """Return the number of steps of an epoch, likewise."""
        n_tokens = self.n_tokens if self.n_epoch_tokens is None else self.n_epoch_tokens
        return max(1.0, n_tokens / (max_tokens * self.batches_per_step))

    def steps_per_validation(self, max_tokens: int, n_pairs: int) -> float:
        """Return the number of steps that take about as long as a validation by `n_pairs` pairs; 0: by all."""
        fraction = min(1.0, n_pairs / self.n_valid_pairs) if n_pairs else 1.0
        return fraction * VALIDATION * self.n_valid_tokens / (max_tokens * self.batches_per_step)


@dataclass(frozen=True)
class Plan:
    """A configuration with a batch size and the sizes of a model, and the length of its training."""

    config: Config
    seconds: float
    """duration of a step"""
    n_steps: int

    @property
    def n_tokens(self) -> int:
        """Tokens that each process sees at most, in one batch of every step."""
        return self.n_steps * self.config.training.max_tokens


def measure_plan(config: Config, amount: Amount, measure: Measure) -> Plan:
    """Return the plan of a configuration that has a batch size and the sizes of a model."""
    seconds = measure(fill(config, ANY))
    return Plan(config, seconds, count_steps(config, amount, seconds))


def count_steps(config: Config, amount: Amount, seconds: float) -> int:
    """Return the number of steps until the first limit, or without a limit as many as such a corpus usually needs."""
    training, limits = config.training, []
    if training.max_steps is not None:
        limits.append(float(training.max_steps))
    if training.max_epochs is not None:
        limits.append(training.max_epochs * amount.steps_per_epoch(training.max_tokens))
    if training.max_minutes is not None:
        minutes, n_all = training.max_minutes, 60 * training.max_minutes / seconds
        n_each = amount.steps_per_validation(training.max_tokens, choose_valid_pairs(config, amount, minutes, n_all))
        limits.append(max(n_all / 2, n_all - n_each * choose_validations(minutes, n_each / n_all)))
    if not limits:
        n_passes = min(150.0, max(8.0, 100 * math.sqrt(30_000 / amount.n_pairs)))
        n_passes *= FINE_TUNING if training.init_from is not None else 1
        limits.append(n_passes * amount.steps_per_pass(training.max_tokens))
    return max(1, math.ceil(min(limits)))


def wanted_validations(minutes: float) -> int:
    """Return the number of validations if they take no time: one every five minutes, but 8 to 20."""
    return min(20, max(8, round(minutes / 5)))


def choose_valid_pairs(config: Config, amount: Amount, minutes: float, n_all: float) -> int:
    """Return the pairs of the validation text that each validation uses, unless they are set; 0: all.

    A part suffices if validations by the whole text would take too much time: 200 pairs, 400, 800 and so on, so that
    trainings that differ a little, such as those of a sweep, use the same.

    Args:
        n_all: steps that take as long as training and validations together.
    """
    if config.training.valid_pairs is not None:
        return config.training.valid_pairs
    n_each = amount.steps_per_validation(config.training.max_tokens, 0)
    affordable = VALIDATING * n_all / wanted_validations(minutes)
    if n_each <= affordable or amount.n_valid_pairs <= FEWEST_VALID_PAIRS:
        return 0
    n_doublings = int(math.log2(amount.n_valid_pairs * affordable / n_each / FEWEST_VALID_PAIRS))
    return FEWEST_VALID_PAIRS * 2 ** max(0, n_doublings)


def choose_validations(minutes: float, share: float) -> int:
    """Return the number of validations: those wanted, or fewer if they would take too much time.

    Args:
        share: fraction of the time that each of them takes.
    """
    wanted = wanted_validations(minutes)
    if not share:
        return wanted
    few, many = min(7, int(MOST_VALIDATING / share)), min(wanted, int(VALIDATING / share))
    return max(1, few, many)
