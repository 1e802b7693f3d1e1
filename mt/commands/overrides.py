"""The overrides on the command line: checked, completed, and put as Hydra can read them."""

import logging
import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mt.config.file import check_key
from mt.errors import UserError, suggest

log = logging.getLogger(__name__)
GROUPS = ("data", "experiment", "tokenizer", "model", "optim", "training", "search")
"""groups of YAML files"""
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


def readable(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of `mt train` as Hydra can read them.

    Raises:
        UserError: an option or a setting that there is not, or a value that cannot be read.
    """
    sweep = bool({"-m", "--multirun"} & set(arguments))
    arguments = [part for argument in with_demo(arguments) for part in replacing_test_sets(argument, sweep)]
    for argument in arguments:
        check_argument(argument)
    arguments = overrides_last([with_quotes(argument, sweep) for argument in arguments])
    check_syntax(arguments)
    return arguments


def with_demo(arguments: Sequence[str]) -> Sequence[str]:
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


def as_typed(overrides: Sequence[str]) -> list[str]:
    """Return overrides as they were before `replacing_test_sets`."""
    followed = zip(overrides, [*overrides[1:], ""], strict=True)
    typed = [one for one, after in followed if not (one == "data.test=null" and after.startswith("data.test="))]
    return [one.removeprefix("++") if one.startswith("++data.test") else one for one in typed]


def parse_overrides(arguments: list[str]) -> list[Override]:
    """Parse those of some arguments that set a value."""
    given = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    return OverridesParser.create().parse_overrides(given)
