"""The book of the way out: every span that came in is in the end exported or lost for one named reason.

Counts into :class:`~haproxy_telemetry.stats.Stats` as ``("spans_exported", "")`` and
``("spans_dropped", reason)``, and keeps its own totals, which become the :class:`CloseReport`. A reason is
logged when it first occurs, later only counted.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from time import monotonic, time
from typing import NamedTuple, final

from haproxy_telemetry.otlp.signals import TRACES, Signal
from haproxy_telemetry.stats import Stats

logger = logging.getLogger("haproxy_telemetry.export")


class CloseReport(NamedTuple):
    """What became of all spans handed to an exporter: how many were exported, how many lost, by reason."""

    exported: int
    lost: Mapping[str, int]


class ExportState(NamedTuple):
    """How an export stands. Spans in the ``queue``, which may hold ``capacity``; ``last_success`` since the epoch.

    ``failing_since`` is the first failure after the last success, ``last_failure`` the last one, both of the
    monotonic clock; ``None`` is what has not been. ``last_error`` says what the last failure was, and stays.
    """

    queue: int
    last_success: float | None
    failing_since: float | None
    last_failure: float | None
    capacity: int = 0
    last_error: str = ""


@final
class Ledger:
    """Totals of one exporter; safe from any thread. Closing the book fixes the report."""

    def __init__(self, stats: Stats, signal: Signal = TRACES) -> None:
        self._stats = stats
        self._signal = signal
        self._lock = threading.Lock()
        self._exported = 0
        self._lost: dict[str, int] = {}
        self._state = ExportState(0, None, None, None)

    def attempted(self, success: bool, problem: str = "") -> None:
        """Note how an attempt ended, and what the problem was; by one thread only."""
        state, now = self._state, monotonic()
        if success:
            self._state = ExportState(0, time(), None, state.last_failure, 0, state.last_error)
        else:
            since = now if state.failing_since is None else state.failing_since
            self._state = ExportState(0, state.last_success, since, now, 0, problem)

    def state(self, queue: int, capacity: int) -> ExportState:
        """Return how the attempts stand, with so many spans in the queue, and so many that it may hold."""
        return self._state._replace(queue=queue, capacity=capacity)

    def exported(self, spans: int) -> None:
        """Count spans that the receiver, the file or the terminal has."""
        with self._lock:
            self._exported += spans
        self._stats.count(self._signal.exported, n=spans)

    def lost(self, reason: str, spans: int, detail: str = "", *, exc_info: bool = False) -> None:
        """Count lost spans; the first time for a reason, say so with ``detail``."""
        with self._lock:
            first = reason not in self._lost
            self._lost[reason] = self._lost.get(reason, 0) + spans
        self._stats.count(self._signal.dropped, reason, spans)
        if first:
            text = "%d %s lost: %s%s (from now on only counted)"
            logger.warning(text, spans, self._signal.what, reason, f", {detail}" if detail else "", exc_info=exc_info)

    def report(self) -> CloseReport:
        """Return the totals so far."""
        with self._lock:
            return CloseReport(self._exported, dict(self._lost))
