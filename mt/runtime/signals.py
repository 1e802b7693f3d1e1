"""Ctrl-C and SIGTERM, noticed where stopping is safe."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """Training was asked to stop. `exit_code` is the shell's: 130 or 143."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple[type[Interrupted], tuple[int]]:
        return Interrupted, (self.signal_number,)  # so that another process can be told


class StopSignals:
    """Within this context SIGINT and SIGTERM are only noted, however often they come: no save is cut short.

    What has come to this process is one thing; what all processes know has come to any of them is another.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.agreed: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in STOPPING:
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number

    def counts(self) -> list[float]:
        """For each signal 1 if it has come, to be summed over processes."""
        return [float(self.received == number) for number in STOPPING]

    def share(self, counts: Sequence[float]) -> None:
        """Know of a signal that has come to any process, as `counts` summed tell."""
        self.agreed = next((number for number, count in zip(STOPPING, counts, strict=True) if count), None)

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come to this process."""
        if self.received is not None:
            raise Interrupted(self.received)

    def check_agreed(self) -> None:
        """Raise `Interrupted` if all know of a signal: all of them raise it after the same step."""
        if self.agreed is not None:
            raise Interrupted(self.agreed)
