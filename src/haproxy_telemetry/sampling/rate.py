"""At most so many in any second: exact, with the time as an argument.

A window that slides: the moments of the last N are remembered, and another one is let through when the oldest of
them is a second ago. A bucket of tokens would let through up to twice as many in one second.
"""

from __future__ import annotations

from collections import deque
from typing import Final, final

SECOND_NS: Final = 1_000_000_000


@final
class RateLimit:
    """Lets ``per_second`` through; a fraction below 1 is one in several seconds."""

    __slots__ = ("_moments", "_number", "_window_ns")

    def __init__(self, per_second: float) -> None:
        self._number = max(1, int(per_second))
        self._window_ns = round(self._number * SECOND_NS / per_second)
        self._moments: deque[int] = deque(maxlen=self._number)

    def allow(self, now: int) -> bool:
        """Say whether one more may pass at ``now`` (nanoseconds); if so it has passed."""
        moments = self._moments
        if moments and now < moments[-1]:
            moments.clear()  # the clock was set back: it would be closed until that time comes again
        if len(moments) == self._number and now - moments[0] < self._window_ns:
            return False
        moments.append(now)
        return True
