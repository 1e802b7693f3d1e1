"""The one exception a user can cause, and how close names are suggested for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right. Its text names the key, file or line and says what would be right.

    The command line prints the text without a traceback and ends with exit code 2.
    """


def suggest(word: str, choices: Iterable[str]) -> str:
    """`" Did you mean 'lr'?"` for the known name nearest to `word`, or an empty string."""
    close = difflib.get_close_matches(word, list(choices), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
