"""Commands in processes that can be killed, or whose disk fails: each is forked from one that has imported mt."""

from __future__ import annotations

import builtins
import errno
import io
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["pytest", "mt.commands.train", "mt.commands.translate.command", "mt.training.tracking"])


@dataclass(frozen=True)
class Fault:
    """A fault of the disk, for files in one folder."""

    folder: str
    at_call: int = 0
    """the call that fails, of those that make, open, rename or sync a file; 0: none"""
    code: int = errno.ENOSPC
    lasts: bool = True
    """later calls fail, too, as on a full disk"""
    of_reading: bool = False
    """calls that open a file to read it are counted as well"""
    max_bytes: int | None = None
    """no file may become larger"""


@dataclass
class Ended:
    """A process that has ended."""

    code: int
    """exit code, or minus the signal that killed it"""
    err: str
    seconds: float
    n_calls: int = 0
    """that its fault has counted"""


class FailingDisk:
    """Calls of the operating system that fail as a `Fault` says."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.n_calls = 0

    def connect(self) -> None:
        """Replace the calls of this process."""
        opened, os_opened = io.open, os.open

        def open_file(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            self.count(file, writes=any(letter in mode for letter in "wax+"))
            return opened(file, mode, *args, **kwargs)

        def os_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            self.count(path, writes=bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))
            return os_opened(path, flags, *args, **kwargs)

        builtins.open = io.open = open_file  # type: ignore[assignment]
        os.open = os_open
        for name in ("rename", "replace", "mkdir", "truncate"):
            setattr(os, name, self.counted(getattr(os, name)))
        if self.fault.max_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.fault.max_bytes, self.fault.max_bytes))

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(path: Any, *args: Any, **kwargs: Any) -> Any:
            self.count(path, writes=True)
            return call(path, *args, **kwargs)

        return wrapper

    def count(self, path: Any, writes: bool) -> None:
        """Count a call, and raise the error if its turn has come."""
        fault = self.fault
        if isinstance(path, int) or not os.fsdecode(path).startswith(fault.folder) or not (writes or fault.of_reading):
            return
        self.n_calls += 1
        if fault.at_call and (self.n_calls >= fault.at_call if fault.lasts else self.n_calls == fault.at_call):
            raise OSError(fault.code, os.strerror(fault.code), os.fspath(path))


def work(arguments: list[str], log: str, fault: Fault | None) -> None:
    """Run a command with its messages in a file: what a forked process does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    from mt import cli

    counts = os.open(f"{log}.calls", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    disk = FailingDisk(fault) if fault else None
    if disk:
        disk.connect()
    try:
        code = cli.run(arguments)
    finally:
        os.write(counts, str(disk.n_calls if disk else 0).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of libraries must not keep the process


def run(arguments: list[str], log: Path, fault: Fault | None = None, kill_after: float | None = None) -> Ended:
    """Run a command, and kill it with SIGKILL after so many seconds."""
    process = SERVER.Process(target=work, args=(arguments, str(log), fault))
    started = time.monotonic()
    process.start()
    process.join(120 if kill_after is None else kill_after)
    if process.is_alive():
        process.kill()
        process.join()
    seconds = time.monotonic() - started
    calls = Path(f"{log}.calls")
    n_calls = int(calls.read_text() or 0) if fault and calls.exists() else 0
    return Ended(process.exitcode or 0, log.read_text(errors="replace") if log.exists() else "", seconds, n_calls)
