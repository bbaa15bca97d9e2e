"""Finished traces for those who watch, beside the export: a bounded ring for each, and nothing while nobody watches.

The event loop offers, the thread of the pages takes. Who is too slow loses the oldest traces, and is told how many.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, final

from haproxy_telemetry.trace.spans import FinishedTrace

MOST_TAPS: Final = 8
"""Who watches at once: each costs the event loop a microsecond for the traces of a read."""

RING_TRACES: Final = 256
"""Traces that wait for one reader. All rings hold the same latest ones, so all together they are as large as this many
traces: a megabyte or two, and 256 times ``trace.max_trace_bytes`` if each is of the largest."""


class Taken(NamedTuple):
    """The oldest trace that waits, if any, and how many were lost before it."""

    trace: FinishedTrace | None
    lost: int


@final
class Tap:
    """One who watches. ``wake`` is called when there is something to take, from the thread that offers."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._ring: deque[FinishedTrace] = deque(maxlen=RING_TRACES)
        self._lost = 0

    def offer(self, traces: Sequence[FinishedTrace]) -> None:
        """Take traces; the oldest go where there is no room."""
        with self._lock:
            self._lost += max(0, len(self._ring) + len(traces) - RING_TRACES)
            self._ring.extend(traces)
        self._wake()

    def miss(self, lost: int) -> None:
        """Traces were lost before they could be offered."""
        with self._lock:
            self._lost += lost

    def take(self) -> Taken:
        """Return what is next."""
        with self._lock:
            lost, self._lost = self._lost, 0
            if not self._ring:
                return Taken(None, lost)
            return Taken(self._ring.popleft(), lost)


@final
class Taps:
    """All who watch; ``open`` is empty while nobody does, which is all that the event loop looks at."""

    def __init__(self) -> None:
        self.open: tuple[Tap, ...] = ()

    @property
    def full(self) -> bool:
        """Whether no more can watch."""
        return len(self.open) >= MOST_TAPS

    def add(self, wake: Callable[[], None]) -> Tap:
        """Let one more watch; adding and removing is for one thread only."""
        tap = Tap(wake)
        self.open = (*self.open, tap)
        return tap

    def remove(self, tap: Tap) -> None:
        """Forget one who watched."""
        self.open = tuple([other for other in self.open if other is not tap])

    def offer(self, traces: Sequence[FinishedTrace], lost: int = 0) -> None:
        """Show traces to all who watch; ``lost`` are those that were lost on the way here."""
        for tap in self.open:
            tap.miss(lost)
            tap.offer(traces)
