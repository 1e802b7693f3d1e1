"""Hydra, in one place: composing the configuration, naming the jobs of a sweep, and shortening error messages."""

import logging
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mt.config.file import check_key
from mt.config.schema import Config, ModelConfig, OptimConfig, TokenizerConfig, TrainingConfig
from mt.config.search import SearchConfig
from mt.errors import UserError, WorkFailed, fail, suggest
from mt.runs.layout import RunLayout
from mt.runtime.distributed import StoppedElsewhere
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
GROUPS = ("data", "experiment", *(group for group, _ in DEFAULTS))
GROUP_CHOICE = re.compile(r"(?!(?:null|true|false)$)[A-Za-z_][\w,./-]*|\[[A-Za-z_][\w,./ -]*\]|\{.*\}|\w+\(.*\)")
"""a name, or several to sweep over; a list of names; a mapping with values; or a function such as `glob(*)`"""
OVERRIDE = re.compile(r"~|[+]{0,2}\w[^=]*=")
"""the beginning of `key=value`, `+key=value` or `~key`"""
UNREADABLE = re.compile(r"""[^A-Za-z0-9_/\-\\+.$%*@?|:,\[\]{}()"'\s]""")
"""what Hydra reads only between quotes"""
ITEM = re.compile(
    r"""\"(?:[^"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|(?P<before>[ \t]*(?:[\w.-]+:[ \t]+)?)"""
    r"""(?P<text>(?:\$\{[^{}]*\}|[^\[\]{}(),"' \t])(?:\$\{[^{}]*\}|[^\[\]{}(),"'])*)"""
)
"""a text between quotes, or a plain one of a list, a dictionary or a sweep, with the key before it"""
WITH_VALUE = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p")
"""Hydra's options whose value is an argument of its own"""
OPTIONS = (
    *WITH_VALUE, "--cfg", "-c", "--experimental-rerun", "--help", "-h", "--hydra-help", "--info", "-i", "--multirun",
    "-m", "--resolve", "--run", "-r", "--shell-completion", "-sc", "--version",
)  # fmt: skip
"""all of Hydra's options"""


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

    sweep = bool({"-m", "--multirun"} & set(arguments))
    arguments = [part for argument in with_demo(arguments) for part in replacing_test_sets(argument, sweep)]
    for argument in arguments:
        check_argument(argument)
    arguments = overrides_last([with_quotes(argument, sweep) for argument in arguments])
    check_syntax(arguments)
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


def overrides_last(arguments: Sequence[str]) -> list[str]:
    """Return arguments with the overrides at the end: Hydra wants them side by side."""
    options: list[str] = []
    overrides: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        is_override = OVERRIDE.match(argument) and before not in WITH_VALUE
        (overrides if is_override else options).append(argument)
    return options + overrides


def with_quotes(argument: str, sweep: bool) -> str:
    """Quote texts that Hydra cannot read, such as a path in Chinese, or the folder of a sweep's job, which has `=`."""
    if not OVERRIDE.match(argument) or why_unreadable(argument) is None:
        return argument

    def quote(item: re.Match[str]) -> str:
        text = item["text"]
        return f'{item["before"]}"{text.rstrip()}"' if text and UNREADABLE.search(text) else item[0]

    key, _, value = argument.partition("=")
    has_parts = re.match(r"[\[{]|\w+\(", value) or (sweep and "," in value)
    quoted = f"{key}={ITEM.sub(quote, value)}" if has_parts else f'{key}="{value}"'
    return quoted if why_unreadable(quoted) is None else argument


def check_syntax(arguments: Sequence[str]) -> None:
    """Raise `UserError` for an override that Hydra cannot read; its own message does not name it."""
    for argument in filter(OVERRIDE.match, arguments):
        if (reason := why_unreadable(argument)) is not None:
            raise UserError(
                f"{argument} cannot be read ({reason}). A text with , ' or brackets needs quotes of its own, as in "
                """'KEY="a, b"' or 'KEY=["a, b", c]'."""
            )


def why_unreadable(argument: str) -> str | None:
    """Return why Hydra cannot read an override; None if it can."""
    try:
        parse_overrides([argument])
    except HydraException as error:
        return next(iter(str(error).splitlines()), "")
    return None


def current_command() -> str:
    """Return the command line of the job that runs, or an empty string if there is none."""
    if not HydraConfig.initialized():
        return ""
    hydra_config = HydraConfig.get()
    folders = [one.path for one in hydra_config.runtime.config_sources if one.provider == "command-line"]
    options = [part for folder in folders for part in ("--config-dir", folder)]
    return shlex.join(["mt", "train", *options, *as_typed(hydra_config.overrides.task)])


def as_typed(overrides: Sequence[str]) -> list[str]:
    """Return overrides as they were before `replacing_test_sets`."""
    followed = zip(overrides, [*overrides[1:], ""], strict=True)
    typed = [one for one, after in followed if not (one == "data.test=null" and after.startswith("data.test="))]
    return [one.removeprefix("++") if one.startswith("++data.test") else one for one in typed]


def check_argument(argument: str) -> None:
    """Raise `UserError` for an override that Hydra would refuse in terms of its own, or fail at."""
    key, equals, value = argument.lstrip("+~").partition("=")
    if argument.startswith("-") and key not in OPTIONS:
        setting = argument.lstrip("-") if equals else "KEY=VALUE"
        raise UserError(f"There is no option '{key}'.{suggest(key, OPTIONS)} Settings have no dashes: {setting}")
    if not key and equals:
        raise UserError(f"'{argument}' has no key: give KEY=VALUE.")
    is_choice = GROUP_CHOICE.fullmatch(value) or (key == "experiment" and value == "null")
    if key in GROUPS and equals and not is_choice:
        raise UserError(f"{argument}: {key} must be the name of a file of that group; `mt train --help` lists them.")
    if argument.startswith(("+", "~")) and equals and not key.startswith("hydra") and "@" not in key:
        check_key(key)


def with_demo(arguments: list[str]) -> list[str]:
    """Add the demo's settings if no data set and no experiment is chosen."""
    if {argument.lstrip("+").partition("=")[0] for argument in arguments} & {"data", "experiment"}:
        return arguments
    if any(argument.lstrip("+").startswith("data.train=") for argument in arguments):
        log.warning(
            "data.train replaces only the training text of the demo: its languages, test sets and settings remain. For "
            "your own text, add data=files."
        )
    overrides = (number for number, argument in enumerate(arguments) if re.match(r"[^-=]+=", argument))
    first = next(overrides, len(arguments))  # Hydra wants overrides side by side
    return [*arguments[:first], "experiment=demo", *arguments[first:]]


def replacing_test_sets(argument: str, sweep: bool) -> list[str]:
    """Make `data.test={…}` replace the test sets of the YAML files; Hydra would merge them, and refuse new names."""
    if argument.startswith("data.test=") and not sweep:
        return ["data.test=null", argument]
    if argument.startswith("data.test="):  # a sweep accepts a key only once: new names are added
        return [f"++{argument}"]
    return [f"++{argument}" if argument.startswith("data.test.") else argument]


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


def parse_overrides(arguments: list[str]) -> list[Override]:
    """Parse those of some arguments that set a value."""
    given = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    return OverridesParser.create().parse_overrides(given)


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
