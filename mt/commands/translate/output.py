"""Where `mt translate` writes: standard output, or a file that appears when it is complete and can be gone on with."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mt.data.sources import COMPRESSIONS
from mt.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """An open stream, and how many lines of the input it has already."""

    stream: TextIO
    n_done: int = 0


@contextmanager
def opened_output(path: Path | None, task: str, resumable: bool = True) -> Iterator[Output]:
    """Standard output, or a file.

    A file grows as `NAME.partial-…` until it is complete. What was interrupted is gone on with by the same `task`, a
    description of all that decides what is written; where it is `resumable`, as one line is written for each line read.
    """
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        yield Output(sys.stdout)
        return
    if path.suffix in COMPRESSIONS:
        raise UserError(f"--output {path}: what is written is plain text; leave {path.suffix} out.")
    if path.is_symlink() or (path.exists() and not path.is_file()):  # a link (/dev/stdout), pipe or device must stay
        with open(path, "w", encoding="utf-8") as stream:
            yield Output(stream)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial-{hashlib.sha256(task.encode()).hexdigest()[:12]}")
    if not resumable:
        partial.unlink(missing_ok=True)
    done = whole_lines(partial)
    if done:
        log.info("Going on after line %s, which is in %s.", f"{done:,}", partial)
    try:
        with open(partial, "a", encoding="utf-8", newline="\n") as stream:
            yield Output(stream, done)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        if partial.exists() and partial.stat().st_size == 0:
            partial.unlink()
        elif partial.exists():
            log.info("What is done is in %s%s.", partial, "; the same command goes on from there" * resumable)
        raise


def whole_lines(path: Path) -> int:
    """How many lines a file has; a last one without an end, or none, is cut off."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        os.truncate(path, end)
    return content.count(b"\n")
