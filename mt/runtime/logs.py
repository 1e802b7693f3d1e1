"""Log messages: to standard error, without breaking a progress bar, and to a run's `train.log`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm


class ConsoleHandler(logging.Handler):
    """Prints to standard error, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message; a warning says that it is one."""
        prefix = "Warning: " if record.levelno >= logging.WARNING else ""
        tqdm.write(prefix + self.format(record), file=sys.stderr)


def set_up_console() -> None:
    """Send the program's own messages to standard error."""
    logger = logging.getLogger("mt")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [ConsoleHandler()]


def quiet() -> None:
    """Leave saying what goes on to another process; errors are still said."""
    logging.getLogger("mt").setLevel(logging.ERROR)


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Within this context, messages go to the file too, with the time."""
    logger = logging.getLogger("mt")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
