"""The choice of the size of a model and of its batches, which decide together how much a training sees.

Sizes of models come from Vaswani et al. (2017), small ones for little text from Sennrich and Zhang (2019) and from
Araabi and Monz (2020).
"""

import math
from dataclasses import dataclass, replace

from mt.config.automatic import fill
from mt.config.schema import Config
from mt.errors import UserError
from mt.training.plan import Amount, Measure, Plan, measure_plan


@dataclass(frozen=True)
class Size:
    """The size of a model."""

    d_model: int
    n_heads: int
    d_ff: int
    n_layers: int
    """layers of the encoder, and of the decoder"""
    min_pairs: int
    """pairs of training text from which on the size pays off"""

    @property
    def n_weights(self) -> int:
        """Number of weights in the layers: four matrices of each attention, two of each feed-forward network."""
        return self.n_layers * (3 * 4 * self.d_model**2 + 2 * 2 * self.d_model * self.d_ff)


SIZES = (
    Size(128, 4, 256, 4, 0),
    Size(192, 6, 384, 4, 0),
    Size(256, 4, 1024, 4, 100_000),
    Size(512, 8, 2048, 6, 1_000_000),
)
MOST_TOKENS = 8192
"""the largest automatic batch"""
FEWEST_TOKENS = 1024
"""the smallest one, unless `data.max_len` needs more"""
TOKENS_PER_WEIGHT = 5
"""A model is too large if the time does not suffice to train it on so many tokens, repetitions included."""
FEW_STEPS = 5000
"""A training of fewer steps has smaller batches."""
SLOWER = 0.85
"""Smaller batches have to process at least this share of the tokens in the same time."""


def choose_batches(config: Config, amount: Amount, measure: Measure) -> Plan:
    """Choose the batch size and the sizes of the model: smaller batches if there would be too few steps, as long as the
    training sees about as much text."""
    usual = choose_max_tokens(amount.n_pairs, config.data.max_len)
    plan = first = choose_size(fill(config, {"training.max_tokens": usual}), amount, measure)
    while config.training.max_tokens is None and plan.n_steps < FEW_STEPS:
        now = plan.config.training.max_tokens
        fewer = max(now // 2, FEWEST_TOKENS, least_tokens(config.data.max_len))
        if fewer >= now or plan.n_steps == config.training.max_steps:  # as many steps of less text
            break
        smaller = replace(plan.config, training=replace(plan.config.training, max_tokens=fewer))
        other = measure_plan(smaller, amount, measure)
        if other.n_tokens < SLOWER * first.n_tokens:
            break
        plan = other
    return plan


def choose_size(config: Config, amount: Amount, measure: Measure) -> Plan:
    """Choose the sizes of a model."""
    sizes = fitting_sizes(config.model.d_model, amount.n_pairs)
    if (n_heads := config.model.n_heads) and config.model.d_model is None:
        sizes = [size for size in sizes if size.d_model % n_heads == 0]
        if not sizes:
            raise UserError(f"model.n_heads={n_heads} divides no automatic size of a model: set model.d_model, too.")
    steps_per_pass = amount.steps_per_pass(config.training.max_tokens)
    while True:
        size = sizes.pop()
        names = {"d_model": size.d_model, "n_heads": size.n_heads, "d_ff": size.d_ff}
        names |= {"n_encoder_layers": size.n_layers, "n_decoder_layers": size.n_layers}
        plan = measure_plan(fill(config, {f"model.{name}": value for name, value in names.items()}), amount, measure)
        n_tokens = plan.n_steps / steps_per_pass * amount.n_tokens
        if not sizes or n_tokens >= TOKENS_PER_WEIGHT * size.n_weights:
            return plan


def fitting_sizes(d_model: int | None, n_pairs: int) -> list[Size]:
    """Return the sizes for so many pairs, smallest first; if `d_model` is given, one with as many features."""
    if d_model is None:
        return [size for size in SIZES if size.min_pairs <= n_pairs]
    size = max((size for size in SIZES if size.d_model <= d_model), key=lambda size: size.d_model, default=SIZES[0])
    n_heads = next(n for n in (size.n_heads, 8, 4, 2, 1) if d_model % n == 0)
    return [replace(size, d_model=d_model, n_heads=n_heads)]


def choose_max_tokens(n_pairs: int, max_len: int) -> int:
    """Return a budget that grows with the square root of the corpus: small corpora need many steps."""
    wanted = 2048 * math.sqrt(n_pairs / 30_000)
    return max(256 * round(min(MOST_TOKENS, max(FEWEST_TOKENS, wanted)) / 256), least_tokens(max_len))


def least_tokens(max_len: int) -> int:
    """Return the smallest budget that suffices for a pair of `max_len` tokens."""
    return 256 * (max_len // 256 + 1)
