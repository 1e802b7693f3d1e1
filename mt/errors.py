"""The exceptions that are reported in one message, without a traceback, and how."""

import difflib
import sys
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can correct. The message names the key, file or line and says what would be right."""

    exit_code = 2


class WorkFailed(Exception):
    """A failure that no input explains, such as training that diverges."""

    exit_code = 1


def suggest(word: str, choices: Iterable[str]) -> str:
    """Return `" Did you mean 'lr'?"` for the known name closest to `word`, or an empty string if none is close."""
    close = difflib.get_close_matches(word, list(choices), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def fail(message: str, code: int) -> int:
    """Print an error message to standard error and return the exit code."""
    print(f"mt: {message}", file=sys.stderr)
    return code
