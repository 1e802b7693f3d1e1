"""The choice of the settings that are null: model size, dropout, optimizer, batches, intervals, length of training.

The rules come from experiments on corpora of 3,000 to 50,000 pairs (docs/experiments.md). For larger corpora they
follow the literature: sizes of models from Vaswani et al. (2017), small models and small vocabularies for little text
from Sennrich and Zhang (2019) and from Araabi and Monz (2020).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from mt.config.automatic import fill
from mt.config.choices import OptimizerName, Schedule, Strategy
from mt.config.schema import Config
from mt.errors import UserError
from mt.runtime.progress import describe_seconds

Measure = Callable[[Config], float]
"""configuration -> seconds of a step on this machine"""


@dataclass(frozen=True)
class Size:
    """The size of a model."""

    d_model: int
    n_heads: int
    d_ff: int
    n_layers: int
    """of the encoder, and of the decoder"""
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
TOKENS_PER_WEIGHT = 5
"""A model is too large if the time does not suffice to train it on so many tokens, repetitions included."""
LEARNING_RATES = {
    OptimizerName.muon: 5e-3, OptimizerName.adamw: 2.5e-3, OptimizerName.adam: 2.5e-3, OptimizerName.rmsprop: 1e-3,
    OptimizerName.sgd: 0.2,
}  # fmt: skip
"""for 128 features; a larger model takes smaller steps"""
DECOUPLED = (OptimizerName.muon, OptimizerName.adamw)
"""optimizers whose weight decay is not a part of the gradient"""
DROPOUT = ((15, 0.1), (60, 0.2), (math.inf, 0.3))
"""up to so many epochs, this dropout"""
SMALL_DROPOUT = 0.1
"""at most, of attention weights and of hidden features: more slows small models down"""
WEIGHT_DECAY = 0.1
TOTAL_DECAY = 3.0
"""at most, weight decay times peak learning rate, summed over all steps"""
FINE_TUNING = 0.3
"""factor of the learning rate and of the epochs of a model that is trained already"""
VALIDATION = 1.8
"""time of a validation, by that of steps for as many tokens"""
VALIDATING, MOST_VALIDATING = 0.15, 0.5
"""shares of the time for validations at most: of more than seven, and of fewer"""
MOST_TOKENS = 8192
"""the largest automatic batch"""
FEWEST_TOKENS = 1024
"""the smallest one, unless `data.max_len` needs more"""
FEW_STEPS = 5000
"""A training of fewer steps has smaller batches."""
SLOWER = 0.85
"""Smaller batches have to process at least this share of the tokens in the same time."""
ANY = {
    "model.dropout": 0.1, "model.attention_dropout": 0.1, "model.activation_dropout": 0.1, "optim.lr": 1e-3,
    "optim.weight_decay": 0.0, "optim.warmup_steps": 1, "training.valid_every_steps": 1,
    "training.checkpoint_every_steps": 1,
}  # fmt: skip
"""values that do not matter when a step is measured"""


@dataclass(frozen=True)
class Amount:
    """The amount of training text, and the share of it that a step sees."""

    n_pairs: int
    n_tokens: int
    """tokens of the longer side of each pair, EOS included"""
    batches_per_step: int
    """in all processes together"""
    n_valid_tokens: int = 0
    """of the validation text, counted likewise"""

    def steps_per_epoch(self, max_tokens: int) -> float:
        """Return the number of steps of an epoch, nearly: batches are a little smaller than the budget."""
        return max(1.0, self.n_tokens / (max_tokens * self.batches_per_step))

    def steps_per_validation(self, max_tokens: int) -> float:
        """Return the number of steps that take about as long as a validation."""
        return VALIDATION * self.n_valid_tokens / (max_tokens * self.batches_per_step)


@dataclass(frozen=True)
class Plan:
    """A configuration with a batch size and the sizes of a model, and the length of its training."""

    config: Config
    seconds: float
    """of a step"""
    n_steps: int

    @property
    def n_tokens(self) -> int:
        """Tokens that each process sees at most, in one batch of every step."""
        return self.n_steps * self.config.training.max_tokens


def choose_settings(config: Config, amount: Amount, measure: Measure) -> tuple[Config, list[str]]:
    """Choose every automatic setting that is null.

    Returns:
        The configuration, and lines on the reasons and on the length of training.
    """
    asked, training = config, config.training
    name = OptimizerName.adamw if training.strategy is Strategy.fsdp else OptimizerName.muon
    plan = choose_batches(fill(config, {"optim.name": name, "optim.schedule": Schedule.cosine}), amount, measure)
    config, seconds, n_steps = plan.config, plan.seconds, plan.n_steps
    max_tokens = config.training.max_tokens
    steps_per_epoch = amount.steps_per_epoch(max_tokens)
    n_epochs = n_steps / steps_per_epoch
    lr = LEARNING_RATES[config.optim.name] / math.sqrt(config.model.d_model / 128)
    n_all = max(n_steps, 60 * (training.max_minutes or 0.0) / seconds)  # as `count_steps` does
    n_validations = choose_validations(n_steps * seconds / 60, amount.steps_per_validation(max_tokens) / n_all)
    valid_every = math.ceil(n_steps / n_validations)  # the last one is at the end
    config = fill(
        config,
        {
            "model.dropout": next(dropout for most, dropout in DROPOUT if n_epochs <= most),
            "optim.lr": round(lr * (FINE_TUNING if training.init_from is not None else 1), 6),
        },
    )
    decay = min(WEIGHT_DECAY, TOTAL_DECAY / (config.optim.lr * n_steps))
    config = fill(
        config,
        {
            "model.attention_dropout": min(config.model.dropout, SMALL_DROPOUT),
            "model.activation_dropout": min(config.model.dropout, SMALL_DROPOUT),
            "optim.weight_decay": round(decay, 3) if config.optim.name in DECOUPLED else 0.0,
            "optim.warmup_steps": min(2000, math.ceil(0.04 * n_steps)),
            "training.valid_every_steps": valid_every,
            "training.checkpoint_every_steps": max(1, min(valid_every, int(120 / seconds))),
        },
    )
    if training.is_unlimited:
        config = fill(config, {"training.max_steps": n_steps})
    reasons = explain(asked, config, amount.n_pairs)
    why = [f"Why: {'; '.join(reasons)}."] if reasons else []
    return config, [*why, *describe_length(replace(plan, config=config), amount)]


def describe_length(plan: Plan, amount: Amount) -> list[str]:
    """Say how long training takes, and whether validations take too much of that."""
    training, seconds = plan.config.training, plan.seconds
    per_epoch, per_validation = (
        count(training.max_tokens) for count in (amount.steps_per_epoch, amount.steps_per_validation)
    )
    n_all = plan.n_steps * (1 + per_validation / training.valid_every_steps)
    lines = [
        f"A step takes {seconds:.2g} s here: {describe_seconds(seconds * per_epoch)} per epoch, about "
        f"{plan.n_steps / per_epoch:.3g} epochs, {plan.n_steps:,} steps, {describe_seconds(seconds * n_all)} in all."
    ]
    if training.max_minutes is not None and seconds * per_validation > MOST_VALIDATING * 60 * training.max_minutes:
        lines.append(
            f"A validation takes about {describe_seconds(seconds * per_validation)}, which is long for "
            f"training.max_minutes={training.max_minutes:g}: fewer pairs in data.valid leave more time for training."
        )
    return lines


def explain(asked: Config, chosen: Config, n_pairs: int) -> list[str]:
    """Return the reasons for those choices that matter most."""
    model = chosen.model
    reasons: list[str] = []
    if asked.model.d_model is None:
        n_heads = asked.model.n_heads or 1
        fitting = [size for size in fitting_sizes(None, n_pairs) if size.d_model % n_heads == 0]
        is_largest = model.d_model == fitting[-1].d_model
        why = f"because a larger model would not see the {TOKENS_PER_WEIGHT} tokens per weight that it needs"
        largest = f"the largest size for {n_pairs:,} pairs" + (f" and {n_heads} heads" if n_heads > 1 else "")
        reasons.append(f"{model.d_model} features, {largest if is_largest else why}")
    if asked.model.dropout is None:
        most = next(most for most, dropout in DROPOUT if dropout == model.dropout)
        length = f"has at most {most:.0f} epochs" if most < math.inf else f"has more than {DROPOUT[-2][0]} epochs"
        reasons.append(f"dropout {model.dropout}, because training {length}")
    max_tokens, max_len = chosen.training.max_tokens, chosen.data.max_len
    if asked.training.max_tokens is None and max_tokens < MOST_TOKENS:
        if max_tokens < choose_max_tokens(n_pairs, max_len):
            why = "a short training needs many steps"
        elif max_tokens == least_tokens(max_len):
            why = f"a pair may have data.max_len={max_len}"
        else:
            why = "small corpora need many steps"
        reasons.append(f"batches of {max_tokens:,} tokens, because {why}")
    if asked.optim.lr is None and asked.training.init_from is not None:
        reasons.append(f"learning rate {chosen.optim.lr:.2g}, because the model is trained already")
    return reasons


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


def measure_plan(config: Config, amount: Amount, measure: Measure) -> Plan:
    """Return the plan of a configuration that has a batch size and the sizes of a model."""
    seconds = measure(fill(config, ANY))
    return Plan(config, seconds, count_steps(config, amount, seconds))


def choose_size(config: Config, amount: Amount, measure: Measure) -> Plan:
    """Choose the sizes of a model."""
    sizes = fitting_sizes(config.model.d_model, amount.n_pairs)
    if (n_heads := config.model.n_heads) and config.model.d_model is None:
        sizes = [size for size in sizes if size.d_model % n_heads == 0]
        if not sizes:
            raise UserError(f"model.n_heads={n_heads} divides no automatic size of a model: set model.d_model, too.")
    steps_per_epoch = amount.steps_per_epoch(config.training.max_tokens)
    while True:
        size = sizes.pop()
        names = {"d_model": size.d_model, "n_heads": size.n_heads, "d_ff": size.d_ff}
        names |= {"n_encoder_layers": size.n_layers, "n_decoder_layers": size.n_layers}
        plan = measure_plan(fill(config, {f"model.{name}": value for name, value in names.items()}), amount, measure)
        n_tokens = plan.n_steps / steps_per_epoch * amount.n_tokens
        if not sizes or n_tokens >= TOKENS_PER_WEIGHT * size.n_weights:
            return plan


def fitting_sizes(d_model: int | None, n_pairs: int) -> list[Size]:
    """Return the sizes for so many pairs, smallest first; if `d_model` is given, one with as many features."""
    if d_model is None:
        return [size for size in SIZES if size.min_pairs <= n_pairs]
    size = max((size for size in SIZES if size.d_model <= d_model), key=lambda size: size.d_model, default=SIZES[0])
    n_heads = next(n for n in (size.n_heads, 8, 4, 2, 1) if d_model % n == 0)
    return [replace(size, d_model=d_model, n_heads=n_heads)]


def count_steps(config: Config, amount: Amount, seconds: float) -> int:
    """Return the number of steps until the first limit, or without a limit as many as such a corpus usually needs."""
    training, limits = config.training, []
    steps_per_epoch = amount.steps_per_epoch(training.max_tokens)
    if training.max_steps is not None:
        limits.append(float(training.max_steps))
    if training.max_epochs is not None:
        limits.append(training.max_epochs * steps_per_epoch)
    if training.max_minutes is not None:
        n_all = 60 * training.max_minutes / seconds
        n_each = amount.steps_per_validation(training.max_tokens)
        limits.append(max(n_all / 2, n_all - n_each * choose_validations(training.max_minutes, n_each / n_all)))
    if not limits:
        n_epochs = min(150.0, max(8.0, 100 * math.sqrt(30_000 / amount.n_pairs)))
        limits.append(n_epochs * (FINE_TUNING if training.init_from is not None else 1) * steps_per_epoch)
    return max(1, math.ceil(min(limits)))


def choose_max_tokens(n_pairs: int, max_len: int) -> int:
    """Return a budget that grows with the square root of the corpus: small corpora need many steps."""
    wanted = 2048 * math.sqrt(n_pairs / 30_000)
    return max(256 * round(min(MOST_TOKENS, max(FEWEST_TOKENS, wanted)) / 256), least_tokens(max_len))


def least_tokens(max_len: int) -> int:
    """Return the smallest budget that suffices for a pair of `max_len` tokens."""
    return 256 * (max_len // 256 + 1)


def choose_validations(minutes: float, share: float) -> int:
    """Return the number of validations: one in two or three minutes of a short training, at most 20; fewer than eight
    if these would take half the time.

    Args:
        share: of the time that each of them takes.
    """
    wanted = min(20, max(8, round(minutes / 5)))
    return max(1, min(7, int(MOST_VALIDATING / share)), min(wanted, int(VALIDATING / share))) if share else wanted
