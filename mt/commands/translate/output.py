"""Output of `mt translate`: standard output, or a resumable file that appears when it is complete."""

import hashlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mt.errors import UserError
from mt.runtime.files import COMPRESSIONS
from mt.runtime.locks import locked

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """An open stream, and the number of lines that it contains already."""

    stream: TextIO
    n_done: int = 0


@contextmanager
def open_output(path: Path | None, task: str, resumable: bool = True) -> Iterator[Output]:
    """Open standard output, or a file that grows as `NAME.partial-…` until it is complete.

    The same `task`, a text with everything that determines the output, resumes an interrupted file if it is
    `resumable`: one line is written for each line read.
    """
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        yield Output(sys.stdout)
        return
    if path.suffix in COMPRESSIONS:
        raise UserError(f"--output {path}: the output is plain text; omit {path.suffix}.")
    if path.is_symlink() or (path.exists() and not path.is_file()):  # keep a link (/dev/stdout), pipe or device
        with open(path, "w", encoding="utf-8") as stream:
            yield Output(stream)
        return
    partial = path.with_name(f"{path.name}.partial-{hashlib.sha256(task.encode()).hexdigest()[:12]}")
    with locked(path.with_name(f".{path.name}.lock"), f"--output {path}"):
        yield from write_partial(path, partial, resumable)


def write_partial(path: Path, partial: Path, resumable: bool) -> Iterator[Output]:
    """Yield a partial file to append to, and rename it to `path` when it is complete."""
    if not resumable:
        partial.unlink(missing_ok=True)
    n_done = count_whole_lines(partial)
    if n_done:
        log.info("Resuming after line %s of %s.", f"{n_done:,}", partial)
    try:
        with open(partial, "a", encoding="utf-8", newline="\n") as stream:
            yield Output(stream, n_done)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        if partial.exists() and partial.stat().st_size == 0:
            partial.unlink()
        elif partial.exists():
            advice = " Rerun the same command to resume." if resumable else ""
            log.info("The finished lines are in %s.%s", partial, advice)
        raise


def count_whole_lines(path: Path) -> int:
    """Return the number of lines of a file, after cutting off a last one without an end."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        os.truncate(path, end)
    return content.count(b"\n")
