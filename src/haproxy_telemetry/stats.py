"""Counters: how often something happened or was turned away, by reason.

Every bound in the agent that drops something counts it here under ``(what, reason)``, so that nothing is
lost silently; the totals are said when the agent stops, and wherever a person can ask for them. Safe to use
from the export thread as well as from the event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping


class Stats:
    """Counts by ``(what, reason)``; names are low in number and never come from the peer."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def count(self, what: str, reason: str = "", n: int = 1) -> int:
        """Add ``n``; return the new total, so that a caller can speak up the first time only."""
        key = (what, reason)
        with self._lock:
            total = self._counts[key] = self._counts.get(key, 0) + n
        return total

    def get(self, what: str, reason: str = "") -> int:
        """Return the total of ``(what, reason)``, 0 if it never happened."""
        return self._counts.get((what, reason), 0)

    def snapshot(self) -> Mapping[tuple[str, str], int]:
        """Return a copy of all totals."""
        with self._lock:
            return dict(self._counts)
