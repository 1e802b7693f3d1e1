"""The exceptions that end a command without a traceback, and how they are reported."""

import difflib
import sys
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can correct. The message names the key, file or line and says what would be right."""

    exit_code = 2


class WorkFailed(Exception):
    """A failure that no input explains, such as training that diverges."""

    exit_code = 1


class StoppedElsewhere(Exception):
    """The error of a process that stops because another one has failed and reported why."""


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return `" Did you mean 'lr'?"` for the known name closest to `word`, or an empty string if none is close."""
    close = difflib.get_close_matches(word, list(choices), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the error's type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def fail(message: str, code: int) -> int:
    """Print an error message to standard error and return the exit code."""
    print(f"mt: {message}", file=sys.stderr)
    return code
