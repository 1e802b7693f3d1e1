"""Log messages: to standard error, without breaking a progress bar, and to a run's `train.log`."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from pathlib import Path

from tqdm import tqdm

from mt.errors import StoppedElsewhere, UserError, WorkFailed
from mt.runtime.checksums import forget_sum, record_sum, warn_if_damaged
from mt.runtime.signals import Interrupted

PROCESS_ONLY = {"process_only": True}
"""`extra` of a message that concerns one of several processes that train together"""


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
    """Log only errors, and what concerns this process alone; the main process reports the rest."""
    for handler in logging.getLogger("mt").handlers:
        handler.addFilter(is_for_any_process)


def is_for_any_process(record: logging.LogRecord) -> bool:
    """Return whether a process that is not the main one prints this message."""
    return record.levelno >= logging.ERROR or hasattr(record, "process_only")


class LogFile(MemoryHandler):
    """A file of messages with their times: those since it was built, or none if `begin` is never called."""

    def __init__(self) -> None:
        super().__init__(capacity=1, flushOnClose=False)  # without a file, nothing is flushed
        self.path: Path | None = None

    def begin(self, path: Path) -> None:
        """Write what was logged so far, and everything from now on, at the end of a file, unless that has begun."""
        if self.path is not None:
            return
        warn_if_damaged(path)
        forget_sum(path)
        self.path = path
        file = logging.FileHandler(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.setTarget(file)
        self.flush()

    def complete(self) -> None:
        """Record the sum of the file until it grows again."""
        if self.path is not None:
            record_sum(self.path)

    def close(self) -> None:
        """Close the file."""
        if self.target is not None:
            self.target.close()
        super().close()


@contextmanager
def log_file() -> Iterator[LogFile]:
    """Yield a file that gets the messages of this context, and the error that ends it, if any, once it has begun."""
    logger = logging.getLogger("mt")
    handler = LogFile()
    logger.addHandler(handler)
    try:
        yield handler
    except (Interrupted, StoppedElsewhere):  # who raises it has said why
        raise
    except Exception as error:
        trace = None if isinstance(error, (UserError, WorkFailed)) else sys.exc_info()
        handler.handle(logger.makeRecord(logger.name, logging.ERROR, __file__, 0, str(error), (), trace))
        raise
    finally:
        logger.removeHandler(handler)
        handler.close()
