"""Ctrl-C and SIGTERM, handled at points where stopping is safe."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """A request to stop. `exit_code` is the shell's: 130 or 143."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int]]:
        return Interrupted, (self.signal_number,)  # so that it can be sent to another process


class StopSignals:
    """A context in which SIGINT and SIGTERM are only recorded, however many arrive, so that no save is cut short.

    `received` is the signal of this process. `agreed` is one that every process knows about.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.agreed: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in STOPPING:
            self._previous[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.received = number

    def counts(self) -> list[float]:
        """Return 1 for the received signal and 0 for the other, to be summed over the processes."""
        return [float(self.received == number) for number in STOPPING]

    def agree(self, counts: Sequence[float]) -> None:
        """Take the sum of `counts` over all processes as the agreed signal."""
        self.agreed = next((number for number, count in zip(STOPPING, counts, strict=True) if count), None)

    def check(self) -> None:
        """Raise `Interrupted` if this process has received a signal."""
        if self.received is not None:
            raise Interrupted(self.received)

    def check_agreed(self) -> None:
        """Raise `Interrupted` if the processes have agreed on a signal; all of them raise it after the same step."""
        if self.agreed is not None:
            raise Interrupted(self.agreed)
