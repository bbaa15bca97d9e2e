"""Metrics by OTLP: a thread that looks at the traffic's metrics once in an interval, and at the end.

Encoding two thousand series takes some 20 ms of Python. The thread does it in small pieces and sleeps a moment after
each, since whoever holds the interpreter keeps the event loop from answering.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from time import monotonic, sleep, time_ns
from typing import Final, Protocol, final

from haproxy_telemetry.metrics.points import (
    COUNTER,
    HISTOGRAM,
    Data,
    HistogramData,
    NumberData,
    counted_since,
    only_after,
    since,
)
from haproxy_telemetry.otlp.batch import BatchLimits
from haproxy_telemetry.otlp.encode_metrics import CUMULATIVE, DELTA, join_metric, metric_pieces
from haproxy_telemetry.otlp.ledger import CloseReport
from haproxy_telemetry.otlp.send import OtlpSender

logger = logging.getLogger("haproxy_telemetry.export")

PIECES: Final = 32  # series encoded in a row: a third of a millisecond
BREATH_S: Final = 0.001

LIMITS: Final = BatchLimits(batch_spans=1 << 20, max_age_s=0.0, queue_spans=1 << 20)
"""One request for an interval's metrics, unless they are larger than a body should be."""


class Measured(Protocol):
    """What has metrics: :class:`~haproxy_telemetry.metrics.traffic.Traffic`, and the agent itself."""

    start_ns: int

    def collect(self) -> list[Data]:
        """Return all metrics, cumulative since ``start_ns``."""


@final
class MetricsExporter:
    """Sends what ``measured`` says, every ``interval_s`` seconds. ``delta``: histograms and counters as differences."""

    def __init__(
        self,
        measured: Measured,
        sender: OtlpSender,
        *,
        interval_s: float,
        delta: bool,
        now: Callable[[], int] = time_ns,
    ) -> None:
        self._measured: tuple[Measured, ...] = (measured,)
        self._sender = sender
        self._interval = interval_s
        self._delta = delta
        self._now = now
        self._closing = threading.Event()
        self._before: dict[bytes, HistogramData] = {}
        self._counted_before: dict[bytes, NumberData] = {}
        self._collected_ns = 0
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def also(self, measured: Measured) -> None:
        """Send this one's metrics too, from the next time on."""
        self._measured = (*self._measured, measured)

    def close(self, timeout_s: float) -> CloseReport:
        """Send the last values, for at most ``timeout_s``; blocks. Nothing may be measured any more."""
        deadline = monotonic() + timeout_s
        self._closing.set()
        self._thread.join(max(0.0, timeout_s))
        return self._sender.close(max(0.0, deadline - monotonic()))

    def _run(self) -> None:
        while not self._closing.wait(self._interval):
            self._collect_or_say()
        self._collect_or_say()

    def _collect_or_say(self) -> None:
        try:
            self.collect()
        except Exception:  # a bug of ours: lose one collection, not the thread
            logger.exception("metrics were not collected, please report it")

    def collect(self) -> None:
        """Read all metrics once and queue them."""
        now = self._now()
        for measured in self._measured:
            for data in measured.collect():
                self._send(measured, self._to_send(data), now)
        self._collected_ns = now

    def _send(self, measured: Measured, data: Data, now: int) -> None:
        if data.points:
            pieces = self._encode(data, self._start_of(measured, data), now)
            encoded = join_metric(data, pieces, DELTA if self._delta else CUMULATIVE)
            self._sender.send(None, [encoded], len(data.points))

    def _to_send(self, data: Data) -> Data:
        if not isinstance(data, HistogramData):
            return self._counted(data)
        before = self._before.get(data.metric.name)
        if self._delta:
            self._before[data.metric.name] = data
        return only_after(since(data, before) if self._delta else data, self._collected_ns)

    def _counted(self, data: NumberData) -> NumberData:
        if not self._delta or data.metric.kind != COUNTER:
            return data
        before = self._counted_before.get(data.metric.name)
        self._counted_before[data.metric.name] = data
        return counted_since(data, before)

    def _start_of(self, measured: Measured, data: Data) -> int:
        """When the counting began: with delta, where the collection before ended."""
        if self._delta and data.metric.kind in (HISTOGRAM, COUNTER) and self._collected_ns:
            return self._collected_ns
        return measured.start_ns

    def _encode(self, data: Data, start_ns: int, now: int) -> list[bytes]:
        pieces: list[bytes] = []
        for piece in metric_pieces(data, start_ns, now):
            pieces.append(piece)
            if len(pieces) % PIECES == 0 and not self._closing.is_set():
                sleep(BREATH_S)
        return pieces
