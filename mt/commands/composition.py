"""Composing the configuration with Hydra, naming the jobs of a sweep, and shortening error messages."""

import logging
import os
import re
import shlex
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mt.commands.overrides import as_typed, parse_overrides, readable
from mt.config.file import check_key
from mt.config.schema import Config, ModelConfig, OptimConfig, TokenizerConfig
from mt.config.search import SearchConfig
from mt.config.training import TrainingConfig
from mt.errors import StoppedElsewhere, UserError, WorkFailed, fail
from mt.runs.layout import RunLayout
from mt.runtime.packages import packaged
from mt.runtime.signals import Interrupted

log = logging.getLogger(__name__)
DEFAULTS = {
    ("tokenizer", "default"): TokenizerConfig,
    ("model", "auto"): ModelConfig,
    ("optim", "auto"): OptimConfig,
    ("training", "default"): TrainingConfig,
    ("search", "default"): SearchConfig,
}
"""group and name of the choices that are the defaults of the schema itself, without a YAML file"""


def run_jobs(arguments: list[str], job: Callable[[Config], float | None]) -> int:
    """Run a job with the composed configuration, or with each of a sweep, and return the exit code."""
    exit_codes = [0]
    launcher = os.getpid()

    def guarded(config: Config) -> float | None:
        try:
            return job(config)
        except (UserError, WorkFailed) as error:
            if os.getpid() != launcher:  # a job on a cluster, whose error Hydra raises again where it was launched
                raise
            exit_codes.append(fail(str(error), error.exit_code))
        except StoppedElsewhere:
            exit_codes.append(2)
        except Interrupted as interruption:  # ends a sweep, too: Hydra catches every Exception
            raise SystemExit(interruption.exit_code) from None
        return None

    try:
        run_composed(arguments, guarded)
    except SystemExit as end:  # after an interruption, or of Hydra's own options
        exit_codes.append(int(end.code or 0))
    return max(exit_codes)


def run_composed(arguments: list[str], job: Callable[[Config], float | None]) -> None:
    """Compose the configuration from the packaged YAML files and `arguments`, and call `job` with it."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for (group, name), schema in DEFAULTS.items():
        store.store(group=group, name=name, node=schema)
    failures: list[UserError] = []
    launcher = os.getpid()

    @hydra.main(config_path=str(packaged("mt.conf", "conf")), config_name="config", version_base="1.3")
    def run(composed: DictConfig) -> float | None:
        try:
            config = to_config(composed, arguments)
        except UserError as error:  # kept from Hydra, which would print a line of its own
            if os.getpid() != launcher:
                raise
            failures.append(error)
            return None
        return job(config)

    arguments = readable(arguments)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that errors are raised here instead of being printed
    sys.argv = ["mt train", *arguments]
    try:
        run()
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error)) from error
    except ValueError as error:  # of Hydra's own options, and of Optuna
        if "No trials are completed" in str(error):
            raise UserError("No job of the sweep was validated, so Optuna found no best job.") from error
        if "can be specified" in str(error):
            raise UserError(f"{error}.") from error
        raise
    if failures:
        raise failures[0]


def current_command() -> str:
    """Return the command line of the job that runs, or an empty string if there is none."""
    if not HydraConfig.initialized():
        return ""
    hydra_config = HydraConfig.get()
    folders = [one.path for one in hydra_config.runtime.config_sources if one.provider == "command-line"]
    options = [part for folder in folders for part in ("--config-dir", folder)]
    return shlex.join(["mt", "train", *options, *as_typed(hydra_config.overrides.task)])


def to_config(composed: DictConfig, arguments: list[str]) -> Config:
    """Convert the composed configuration to checked dataclasses; each job of a sweep gets a run folder of its own."""
    try:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            if RunLayout(Path(composed.run_dir)).config.exists():
                raise UserError(f"{composed.run_dir} is a run: give the sweep a folder of its own with name=….")
            job = HydraConfig.get().job.num
            name = job_name(arguments)
            composed.run_dir = f"{composed.run_dir}/{name}"
            log.info("Job %d%s: %s", job + 1, count_jobs(arguments), name)
        elif HydraConfig.get().sweeper.get("params"):
            raise UserError("This experiment describes a sweep: add --multirun.")
        else:
            composed.training.early_stopping.prune_after = 0  # the folders beside this run are not jobs of a sweep
        config = OmegaConf.to_object(composed)
    except OmegaConfBaseException as error:
        raise UserError(explain(error)) from error
    assert isinstance(config, Config)
    return config


def job_name(arguments: list[str]) -> str:
    """Return a folder name with the overrides of this job of a sweep, such as `optim.lr=0.001,model=tiny`."""
    last = {one.get_key_element(): one for one in parse_overrides(arguments)}  # which Hydra takes
    common = {key for key, one in last.items() if not one.is_sweep_override()}
    own = [shorten_number(task) for task in HydraConfig.get().overrides.task if task.partition("=")[0] not in common]
    if names := {"name", "run_dir"} & {task.partition("=")[0] for task in own}:
        raise UserError(f"{min(names)} is the folder of the sweep, which takes one: each job gets a folder in it.")
    return re.sub(r"[^\w.,=+-]", "_", ",".join(own)) or f"job-{HydraConfig.get().job.num}"


def count_jobs(arguments: list[str]) -> str:
    """Return ` of N` for the number of jobs of this sweep; nothing if it cannot be told, as with `glob(*)`."""
    sweeper = HydraConfig.get().sweeper
    if "n_trials" in sweeper:  # Optuna
        return f" of {sweeper.n_trials}"
    params = [f"{key}={values}" for key, values in (sweeper.get("params") or {}).items()]
    swept = {one.get_key_element(): one for one in parse_overrides([*params, *arguments])}
    try:
        n_values = [sum(1 for _ in one.sweep_string_iterator()) for one in swept.values() if one.is_sweep_override()]
    except HydraException:
        return ""
    return f" of {prod(n_values)}"


def shorten_number(override: str) -> str:
    """Shorten a number that a sweeper has drawn: `KEY=0.00559957` for `KEY=0.0055995735148`."""
    key, _, value = override.partition("=")
    return f"{key}={float(value):.6g}" if re.fullmatch(r"-?\d*\.\d{7,}(e-?\d+)?", value) else override


def explain(error: Exception) -> str:
    """Shorten a composition error to a line or two that name the key or group and the choices."""
    text = f"{error}\n{error.__cause__ or ''}".partition("Config search path")[0]
    full_key = re.search(r"full_key: (\S+)", text)
    if missing := re.search(r"[Mm]issing mandatory value: (\S+)", text):
        key = full_key[1] if full_key and "." not in missing[1] else missing[1]
        return f"{key} is not set: give {key}=VALUE on the command line or in an experiment."
    for pattern in (r"Could not override '([^']+)'", r"full_key: (\S+)", r"Key '([^']+)'"):
        if named := re.search(pattern, text):
            check_key(named[1])
    lines = [line.strip() for line in text.splitlines()]
    noise = ("object_type=", "reference_type=", "full_key:", "See https://hydra.cc")
    kept = [line for line in lines if line and not line.startswith(noise)]
    prefix = f"{full_key[1]}: " if full_key and full_key[1] not in kept[0] else ""
    return prefix + "\n  ".join(dict.fromkeys(kept))
