"""Explanations of the automatic settings: the reasons, and the length of training."""

import math

from mt.config.schema import Config
from mt.runtime.progress import describe_seconds
from mt.training.automatic import DROPOUT, LEXICON_PAIRS
from mt.training.plan import MOST_VALIDATING, Amount, Plan
from mt.training.sizes import MOST_TOKENS, TOKENS_PER_WEIGHT, choose_max_tokens, fitting_sizes, least_tokens


def describe_choices(asked: Config, plan: Plan, amount: Amount) -> list[str]:
    """Return lines on the reasons for what was not asked for, and on the length of training."""
    reasons = explain(asked, plan.config, amount.n_pairs)
    why = [f"Why: {'; '.join(reasons)}."] if reasons else []
    return [*why, *describe_length(plan, amount)]


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
        dropout = f"dropout {model.dropout}" if model.dropout else "no dropout"
        reasons.append(f"{dropout}, because training {length}")
    uses = {"lexicon_embeddings": "initialises the embeddings", "guided_attention": "guides attention"}
    if used := [
        use for key, use in uses.items() if getattr(asked.training, key) is None and getattr(chosen.training, key)
    ]:
        why = "the corpus is small" if n_pairs <= LEXICON_PAIRS else "training is short"
        reasons.append(f"a lexicon {' and '.join(used)}, because {why}")
    max_tokens, max_len = chosen.training.max_tokens, chosen.data.max_len
    if asked.training.max_tokens is None and max_tokens < MOST_TOKENS:
        if max_tokens < choose_max_tokens(n_pairs, max_len):
            why = "a short training needs many steps"
        elif max_tokens == least_tokens(max_len):
            why = f"a pair may have data.max_len={max_len}"
        else:
            why = "small corpora need many steps"
        reasons.append(f"batches of {max_tokens:,} tokens, because {why}")
    if asked.training.valid_pairs is None and chosen.training.valid_pairs:
        pairs = f"{chosen.training.valid_pairs:,} pairs of data.valid"
        reasons.append(f"validation by {pairs}, because all of them would take too much of the time")
    if asked.optim.lr is None and asked.training.init_from is not None:
        reasons.append(f"learning rate {chosen.optim.lr:.2g}, because the model is trained already")
    return reasons


def describe_length(plan: Plan, amount: Amount) -> list[str]:
    """Say how long training takes, and whether validations take too much of that."""
    training, seconds = plan.config.training, plan.seconds
    per_epoch = amount.steps_per_epoch(training.max_tokens)
    per_validation = amount.steps_per_validation(training.max_tokens, training.valid_pairs)
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
