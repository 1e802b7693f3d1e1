"""Locks that one process holds on a file; one that has died holds nothing.

filelock was rejected: it empties the file whenever a process tries, so the file cannot name the one that holds it.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mt.errors import UserError


@contextmanager
def locked(path: Path, used: str) -> Iterator[None]:
    """Hold a lock file, which exists only while it is locked.

    Args:
        used: what the lock protects, for messages.

    Raises:
        UserError: the file cannot be made, or another process holds the lock; the message names it and its machine.
    """
    if sys.platform == "win32":  # which has no flock
        yield
        return
    descriptor = acquire(path, used)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def acquire(path: Path, used: str) -> int:
    """Return the descriptor of a locked file."""
    import fcntl

    while True:
        if path.is_symlink():
            raise UserError(f"{path} is a link: delete it.")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise UserError(f"{used} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 300).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise UserError(f"{used} is in use by {owner}. Wait until it ends, or stop it.") from None
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
        os.close(descriptor)  # the one that held it has deleted the file


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock on a file."""
    if sys.platform == "win32" or path.is_symlink() or not path.is_file():
        return False
    import fcntl

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
