"""Settings that are null: what an earlier start of the run has chosen, or a choice for the data and this machine."""

import logging
import time
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path

import torch

from mt.config.automatic import EARLIER, fill, unset, value_at
from mt.config.choices import Precision
from mt.config.file import load_config
from mt.config.schema import Config
from mt.data.loader import BatchLoader
from mt.data.preparation import Prepared
from mt.runs.layout import RunLayout
from mt.runs.saved_model import build_model
from mt.runtime.devices import bf16_is_faster, choose_device, chooses_bf16
from mt.runtime.distributed import ALONE, World
from mt.training.automatic import choose_settings
from mt.training.gradients import add_gradients
from mt.training.objective import Objective
from mt.training.optim import LearningRate, Update, build_optimizer
from mt.training.plan import Amount
from mt.training.reasons import describe_choices

log = logging.getLogger(__name__)
MEASURED_STEPS = 8
MEASURED_SECONDS = 5.0
"""at most, to measure the time of a step"""


def adopt_choices(config: Config, world: World) -> Config:
    """Return the configuration with what an earlier start of the same run has chosen where it is null.

    A start that was ended before anything was learnt has chosen nothing: the next one may be of another text.
    """
    adopted = None
    with world.main_first():
        run = RunLayout(Path(config.run_dir))
        if world.is_main and run.config.exists() and not run.is_trained():
            log.info("%s is not trained yet: automatic settings are chosen again.", run.folder)
        elif world.is_main and run.config.exists():
            saved = fill(load_config(run.config), EARLIER)
            keys = unset(config)
            if config.training.is_unlimited:
                keys.append("training.max_steps")
            adopted = fill(config, {key: value_at(saved, key) for key in keys})
            if config.training.precision is Precision.auto:
                adopted = with_precision(adopted, saved.training.precision)
    return world.gather(adopted)[0] or config


def with_precision(config: Config, precision: Precision) -> Config:
    """Return the configuration with this precision."""
    return replace(config, training=replace(config.training, precision=precision))


def choose_precision(config: Config, device: torch.device, world: World) -> Config:
    """Return the configuration with the precision that is faster for the first process, unless one is set."""
    precision = config.training.precision
    if precision is Precision.auto:
        precision = Precision.bf16 if bf16_is_faster(device) else Precision.float32
    return with_precision(config, world.gather(precision)[0])


def choose_automatic(config: Config, data: Prepared, world: World) -> Config:
    """Choose the settings that are null for the data and this machine, and say which."""
    chosen = [*unset(config), *(["training.max_steps"] if config.training.is_unlimited else [])]
    if not chosen:
        return config
    n_tokens, n_valid_tokens = (one.n_tokens([1.0] * len(one.members)) for one in (data.train, data.valid))
    # Epochs of several stages differ; they are taken for passes over the text.
    n_epoch_tokens = data.train.n_tokens(data.train.stages[0].weights) if len(data.train.stages) == 1 else n_tokens
    n_batches = config.training.batches_per_process(world.size) * world.size
    amount = Amount(len(data.train), n_tokens, n_batches, n_valid_tokens, len(data.valid), n_epoch_tokens)
    plan = choose_settings(config, amount, partial(measure_step, data=data, world=world))
    plan = world.gather(plan)[0]  # every process has measured another speed
    values = ", ".join(f"{key}={describe_value(value_at(plan.config, key))}" for key in chosen)
    log.info("Chosen for %s pairs and this machine, because they were not set: %s.", f"{amount.n_pairs:,}", values)
    for line in describe_choices(config, plan, amount):
        log.info("%s", line)
    return plan.config


def describe_value(value: object) -> str:
    """Format a value as on the command line."""
    value = value.value if isinstance(value, Enum) else value
    return str(value).lower() if isinstance(value, bool) else str(value)


def measure_step(config: Config, data: Prepared, world: World) -> float:
    """Return the mean time of an update in seconds, of this process, which does what the others do at the same time."""
    device = choose_device(config.training.device, world.local_rank if world.size > 1 else None)
    model = build_model(config, data.tokenizer).to(device).train()
    bf16 = chooses_bf16(config.training.precision, device)
    training = config.training
    objective = Objective(model, training.label_smoothing, training.r_drop, bf16, training.simcut).train()
    update = Update(build_optimizer(config.optim, model, bf16), config.optim, LearningRate(config.optim))
    loader = BatchLoader(data.train, config.training.max_tokens, config.seed)
    started = time.monotonic()
    times: list[float] = []
    while len(times) < MEASURED_STEPS + 1 and (len(times) < 2 or time.monotonic() - started < MEASURED_SECONDS):
        start = time.monotonic()
        batch = loader.next_batch()
        add_gradients(objective, [batch], config.seed, device, ALONE)  # in parts if there is not enough memory
        update.apply(model, batch.n_tgt_tokens, len(times) + 1)
        times.append(time.monotonic() - start)
    return sum(times[1:]) / len(times[1:]) * config.training.batches_per_process(world.size)
