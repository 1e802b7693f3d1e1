"""The choice of the settings that are null: model size, dropout, optimizer, batches, intervals, length of training.

The rules come from experiments on corpora of 3,000 to 50,000 pairs (docs/experiments.md). For larger corpora they
follow the literature, which `mt/training/sizes.py` names.
"""

import math
from dataclasses import replace

from mt.config.automatic import fill
from mt.config.choices import OptimizerName, Schedule, Strategy
from mt.config.schema import Config
from mt.training.plan import FINE_TUNING, Amount, Measure, Plan, choose_valid_pairs, choose_validations
from mt.training.sizes import choose_batches

LEARNING_RATES = {
    OptimizerName.muon: 5e-3, OptimizerName.adamw: 2.5e-3, OptimizerName.adam: 2.5e-3, OptimizerName.rmsprop: 1e-3,
    OptimizerName.sgd: 0.2,
}  # fmt: skip
"""for 128 features; a larger model takes smaller steps"""
DECOUPLED = (OptimizerName.muon, OptimizerName.adamw)
"""optimizers whose weight decay is not a part of the gradient"""
DROPOUT = ((5, 0.0), (15, 0.1), (60, 0.2), (math.inf, 0.3))
"""up to so many epochs, this dropout: whoever reads a text only a few times cannot learn it by heart"""
SMALL_DROPOUT = 0.1
"""at most, of attention weights and of hidden features: more slows small models down"""
LEXICON_PAIRS = 10_000
"""up to so many pairs, a lexicon helps a new model however long training is"""
LEXICON_EPOCHS, LEXICON_STEPS = 15, 10_000
"""with more pairs, it helps in a training of at most so many epochs and steps"""
GUIDANCE = 0.4
"""weight of guided attention"""
WEIGHT_DECAY = 0.1
TOTAL_DECAY = 3.0
"""at most, weight decay times peak learning rate, summed over all steps"""


def choose_settings(config: Config, amount: Amount, measure: Measure) -> Plan:
    """Choose every automatic setting that is null, and the length of the training."""
    training = config.training
    name = OptimizerName.adamw if training.strategy is Strategy.fsdp else OptimizerName.muon
    plan = choose_batches(fill(config, {"optim.name": name, "optim.schedule": Schedule.cosine}), amount, measure)
    config, seconds, n_steps = plan.config, plan.seconds, plan.n_steps
    max_tokens = config.training.max_tokens
    # How often a pair is read, on average. The last step of `count_steps` is rounded up.
    n_read = min(n_steps, (training.max_epochs or math.inf) * amount.steps_per_epoch(max_tokens))
    n_epochs = n_read / amount.steps_per_pass(max_tokens)
    lr = LEARNING_RATES[config.optim.name] / math.sqrt(config.model.d_model / 128)
    n_all = max(n_steps, 60 * (training.max_minutes or 0.0) / seconds)  # as `count_steps` does
    minutes = n_steps * seconds / 60
    valid_pairs = choose_valid_pairs(config, amount, minutes, n_all)
    n_validations = choose_validations(minutes, amount.steps_per_validation(max_tokens, valid_pairs) / n_all)
    valid_every = math.ceil(n_steps / n_validations)  # the last one is at the end
    config = fill(
        config,
        {
            "model.dropout": choose_dropout(config, n_epochs),
            "optim.lr": round(lr * (FINE_TUNING if training.init_from is not None else 1), 6),
        },
    )
    is_short = n_epochs <= LEXICON_EPOCHS and n_steps <= LEXICON_STEPS
    uses_lexicon = (is_short or amount.n_pairs <= LEXICON_PAIRS) and training.init_from is None
    decay = min(WEIGHT_DECAY, TOTAL_DECAY / (config.optim.lr * n_steps))
    config = fill(
        config,
        {
            "model.attention_dropout": min(config.model.dropout, SMALL_DROPOUT),
            "model.activation_dropout": min(config.model.dropout, SMALL_DROPOUT),
            "optim.weight_decay": round(decay, 3) if config.optim.name in DECOUPLED else 0.0,
            "training.lexicon_embeddings": uses_lexicon,
            "training.guided_attention": GUIDANCE if uses_lexicon and can_be_guided(config) else 0.0,
            "optim.warmup_steps": min(2000, math.ceil(0.04 * n_steps)),
            "training.valid_every_steps": valid_every,
            "training.valid_pairs": valid_pairs,
            "training.checkpoint_every_steps": max(1, min(valid_every, int(120 / seconds))),
        },
    )
    if training.is_unlimited:
        config = fill(config, {"training.max_steps": n_steps})
    return replace(plan, config=config)


def choose_dropout(config: Config, n_epochs: float) -> float:
    """Return the dropout for so many epochs, which R-Drop and the adaptation of a trained model always need."""
    needed = config.training.r_drop > 0 or config.training.init_from is not None
    return next(dropout for most, dropout in DROPOUT if n_epochs <= most and (dropout or not needed))


def can_be_guided(config: Config) -> bool:
    """Return whether attention can be guided: if decoder layers follow the first, and each process has them whole."""
    return config.training.strategy is not Strategy.fsdp and config.model.n_decoder_layers > 1
