"""Counters: how often something happened or was turned away, by reason.

Every bound in the agent that drops something counts it here under ``(what, reason)``, so that nothing is
lost silently; the totals are said when the agent stops, and wherever a person can ask for them. Safe to use
from the export thread as well as from the event loop. What the event loop counts with every read has a
:class:`Tally`, which costs it no lock and no look-up.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import final


@final
class Tally:
    """A counter to which one thread alone adds; any may read it."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0

    def add(self, n: int) -> None:
        """Add ``n``."""
        self.total += n


class Stats:
    """Counts by ``(what, reason)``; names are low in number and never come from the peer."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._lock = threading.Lock()

    def count(self, what: str, reason: str = "", n: int = 1) -> int:
        """Add ``n``; return the new total, so that a caller can speak up the first time only."""
        key = (what, reason)
        with self._lock:
            total = self._counts[key] = self._counts.get(key, 0) + n
        return total

    def tally(self, what: str) -> Tally:
        """Return the counter of ``(what, "")`` for the one thread that counts it, and does so often."""
        with self._lock:
            return self._tallies.setdefault((what, ""), Tally())

    def get(self, what: str, reason: str = "") -> int:
        """Return the total of ``(what, reason)``, 0 if it never happened."""
        tally = self._tallies.get((what, reason))
        return self._counts.get((what, reason), 0) + (tally.total if tally is not None else 0)

    def snapshot(self) -> Mapping[tuple[str, str], int]:
        """Return a copy of all totals."""
        with self._lock:
            totals = dict(self._counts)
            for key, tally in self._tallies.items():
                if tally.total:
                    totals[key] = totals.get(key, 0) + tally.total
        return totals
