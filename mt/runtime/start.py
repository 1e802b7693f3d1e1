"""The start of every command: messages, progress bars of libraries, and memory."""

import ctypes
import os
import platform

from mt.runtime.logs import set_up_console
from mt.runtime.progress import on_terminal

KERNELS = 128
"""compiled matrix products that oneDNN keeps, one for each shape. Batches have thousands of shapes: with oneDNN's own
limit of 1,024, the training of a small model took 4.5 GB after two hours (docs/experiments.md)"""


def start() -> None:
    """Send messages to standard error, without progress bars if it is no terminal, and tune memory allocation.

    Called before the libraries are imported, which read these environment variables.
    """
    set_up_console()
    if not on_terminal():
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(KERNELS))
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Make the C library keep large freed blocks instead of returning them to the system (glibc only).

    A training step frees and allocates tensors of the same sizes again and again. If they come from the system each
    time, every page has to be cleared and mapped first, which costs more than the arithmetic on it.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    trim_threshold, mmap_max = -1, -4  # parameters of mallopt, from malloc.h
    libc = ctypes.CDLL(None)
    libc.mallopt(mmap_max, 0)
    libc.mallopt(trim_threshold, 2**31 - 1)
