"""Log messages: to standard error, without breaking a progress bar, and to a run's `train.log`."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from mt.errors import UserError, WorkFailed


class ConsoleHandler(logging.Handler):
    """A handler that prints to standard error, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message; a warning starts with "Warning:"."""
        prefix = "Warning: " if record.levelno >= logging.WARNING else ""
        tqdm.write(prefix + self.format(record), file=sys.stderr)


def set_up_console() -> None:
    """Send the program's own messages to standard error."""
    logger = logging.getLogger("mt")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [ConsoleHandler()]


def silence_messages() -> None:
    """Log only errors; the main process reports the rest."""
    logging.getLogger("mt").setLevel(logging.ERROR)


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Also write messages to a file, with the time, while the context lasts, and the error that ends it, if any."""
    logger = logging.getLogger("mt")
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    except Exception as error:
        trace = None if isinstance(error, (UserError, WorkFailed)) else sys.exc_info()
        handler.handle(logger.makeRecord(logger.name, logging.ERROR, __file__, 0, str(error), (), trace))
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
