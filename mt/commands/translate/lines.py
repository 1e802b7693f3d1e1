"""Sources of the lines of `mt translate`: arguments, a file, or standard input as it arrives."""

import io
import queue
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

from tqdm import tqdm

from mt.errors import UserError
from mt.runtime.files import decode_lines, read_lines
from mt.runtime.progress import on_terminal

LINES_AT_ONCE = 2000


class LineProgress:
    """A progress bar for the lines of a file, which also moves while a group of lines is being translated."""

    def __init__(self) -> None:
        self.bar: tqdm[NoReturn] | None = None
        self.n_before = self.n_group = 0

    @contextmanager
    def bar_for(self, n_lines: int) -> Iterator[None]:
        """Show the bar on a terminal until the block ends."""
        with tqdm(total=n_lines, unit="line", disable=not on_terminal()) as self.bar:
            yield

    def begin_group(self, n_before: int, n_group: int) -> None:
        """Announce a group of lines, after `n_before` others."""
        self.n_before, self.n_group = n_before, n_group
        self.show(0)

    def show(self, fraction: float) -> None:
        """Show that a fraction of the group is done."""
        if self.bar is not None:
            self.bar.update(self.n_before + int(fraction * self.n_group) - self.bar.n)


def read_groups(
    sentences: Sequence[str], source: Path | None, n_done: int, progress: LineProgress
) -> Iterator[list[str]]:
    """Yield groups of lines from `sentences`, a file or standard input, without the first `n_done`."""
    if sentences:
        for sentence in sentences:
            check_utf8(sentence)
        yield [line for sentence in sentences for line in (sentence.splitlines() or [""])][n_done:]
    elif source:
        lines = list(read_lines(source))
        with progress.bar_for(len(lines)):
            for start in range(n_done, len(lines), LINES_AT_ONCE):
                group = lines[start : start + LINES_AT_ONCE]
                progress.begin_group(start, len(group))
                yield group
                progress.show(1)
    else:
        yield from group_as_they_arrive(decode_lines(standard_input(), "standard input"))


def check_utf8(sentence: str) -> None:
    """Raise `UserError` if an argument was not UTF-8: Python keeps its bytes as lone surrogates."""
    try:
        sentence.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"The text {sentence!a} is not UTF-8, at character {error.start + 1}.") from error


def standard_input() -> BinaryIO:
    """Return standard input as a stream that Python does not close at its end.

    To close `sys.stdin`, Python would wait for a thread that reads from it, and abort.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:  # not a file
        return sys.stdin.buffer


def group_as_they_arrive(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the lines that have arrived so far, so that a person or program that waits is answered at once."""
    arrived: queue.Queue[str | Exception | None] = queue.Queue(maxsize=4 * LINES_AT_ONCE)

    def read() -> None:
        try:
            for line in lines:
                arrived.put(line)
            arrived.put(None)
        except Exception as error:
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        group: list[str] = []
        end: str | Exception | None = ""
        while not group or (not arrived.empty() and len(group) < LINES_AT_ONCE):
            item = arrived.get()
            if not isinstance(item, str):
                end = item
                break
            group.append(item)
        if group:
            yield group
        if end is None:
            return
        if isinstance(end, Exception):
            raise end
