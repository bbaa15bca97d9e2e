"""The agent's clock: wall time that goes on evenly.

Spans need the time of day, expiry needs a clock that is not set back. So the offset between the two clocks of
the system is taken once and corrected now and then, not with every reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final


@final
class Clock:
    """Gives nanoseconds since the Unix epoch, from the monotonic clock."""

    def __init__(self) -> None:
        self._monotonic_ns: Callable[[], int] = time.monotonic_ns
        """At hand, since it is read twice for each frame that comes alone."""
        self._offset = 0
        self.synchronise()

    def now(self) -> int:
        """Return the time in nanoseconds since the epoch."""
        return self._monotonic_ns() + self._offset

    def synchronise(self) -> None:
        """Follow the system's wall clock again; to be called every few seconds."""
        self._offset = time.time_ns() - self._monotonic_ns()
