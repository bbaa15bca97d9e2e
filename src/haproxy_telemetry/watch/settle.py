"""What belongs to one trace comes in parts: a stream of each HAProxy, an origin. They are shown together. Pure.

The agent hands each stream's spans on when it has ended, the inner one of two HAProxies a moment before the outer one.
So a trace waits until it has not grown for a moment. What comes later still is shown again, whole.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, final

SETTLE_S: Final = 0.4
"""Longer than the agent's ``records.grace``, by which the ends of two HAProxies' streams can differ."""

MOST_TRACES: Final = 1000
"""Traces that wait, and as many that are remembered."""


@final
class Settling:
    """Traces by id, each as a list of ``resourceSpans``."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, tuple[float, list[Any]]] = OrderedDict()  # the one that grew last at the end

    def add(self, trace_id: str, parts: list[Any], now: float, *, whole: bool = False) -> None:
        """Take parts of a trace in, or all of it as it is now."""
        before = [] if whole else self._waiting.get(trace_id, (0.0, []))[1]
        self._waiting[trace_id] = (now + SETTLE_S, [*before, *parts])
        self._waiting.move_to_end(trace_id)

    def due(self, now: float) -> list[list[Any]]:
        """Return the traces that have not grown for a moment, or are too many."""
        due = []
        while self._waiting:
            until, parts = next(iter(self._waiting.values()))
            if until > now and len(self._waiting) <= MOST_TRACES:
                break
            self._waiting.popitem(last=False)
            due.append(parts)
        return due

    def rest(self) -> list[list[Any]]:
        """Return all that wait: nobody will say more."""
        rest = [parts for _, parts in self._waiting.values()]
        self._waiting.clear()
        return rest

    def patience(self, now: float) -> float | None:
        """Return the seconds until one is due, ``None`` if none waits."""
        return max(0.0, next(iter(self._waiting.values()))[0] - now) if self._waiting else None
