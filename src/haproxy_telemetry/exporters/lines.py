"""Traces as lines on a file descriptor: a bounded queue, and a thread that writes.

A slow disk, a full pipe or a stopped terminal delays the thread, never a request. A trace is rendered and
written by itself: the write lets the event loop have the interpreter again after each, and ``tail -f`` sees
a trace as soon as it is finished. What a line is, the renderer decides (console tree, OTLP JSON).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Final, final

from haproxy_telemetry.otlp.ledger import CloseReport, ExportState, Ledger
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.spans import Attribute, FinishedTrace

QUEUE_SPANS: Final = 16384  # not encoded yet: some 20 MB at 9 spans a trace
QUEUE_BYTES: Final = 64 << 20  # as OTLP's: names and values are the peer's, and as long as a frame

# What Python needs for a span and for a pair of an attribute beside their bytes, roughly.
_SPAN_BYTES: Final = 500
_PAIR_BYTES: Final = 150


@final
class LineExporter:
    """Renders and writes each trace in its own thread; an ``Exporter`` (see ``haproxy_telemetry.exporters``)."""

    def __init__(
        self,
        fd: int,
        render: Callable[[FinishedTrace], bytes],
        stats: Stats,
        *,
        close_fd: bool,
        target: str = "",
        queue_spans: int = QUEUE_SPANS,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._fd = fd
        self.target = target
        """Where it goes, in words."""
        self._close_fd = close_fd
        self._render = render
        self._ledger = Ledger(stats)
        self._queue_spans = queue_spans
        self._queue_bytes = queue_bytes
        self._wake = threading.Condition(threading.Lock())
        self._queue: deque[tuple[FinishedTrace, int]] = deque()  # with its size
        self._queued_spans = 0  # the one being written included, here and below
        self._queued_bytes = 0
        self._idle = False
        self._closing = False
        # Shared by the thread and close(), so that a trace is counted by exactly one of them:
        self._settling = threading.Lock()  # taken before the other, where both are
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="line-export", daemon=True)
        self._thread.start()

    def export(self, trace: FinishedTrace) -> None:
        """Queue a trace; what does not fit is counted. Never blocks for long, never raises."""
        spans = len(trace.spans)
        size = _size(trace)
        with self._wake:
            queued = not self._closing and self._has_room(spans, size)
            if queued:
                self._queue.append((trace, size))
                self._queued_spans += spans
                self._queued_bytes += size
                if self._idle:
                    self._wake.notify()
        if not queued:
            self._ledger.lost("shutdown" if self._closing else "queue_full", spans)

    def _has_room(self, spans: int, size: int) -> bool:
        return self._queued_spans + spans <= self._queue_spans and self._queued_bytes + size <= self._queue_bytes

    def close(self, timeout_s: float) -> CloseReport:
        """Write what is queued, for at most ``timeout_s``; return what became of everything. Blocks."""
        deadline = monotonic() + timeout_s
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(max(0.0, deadline - monotonic()))
        with self._settling, self._wake:
            stuck = self._thread.is_alive() and not self._abandoned
            self._abandoned = self._abandoned or stuck
            lost = self._queued_spans if stuck else 0
        if lost:
            self._ledger.lost("shutdown", lost, "the writing did not end in time")
        return self._ledger.report()

    def state(self) -> ExportState:
        """Return how the export stands; from any thread."""
        return self._ledger.state(self._queued_spans, self._queue_spans)

    def _run(self) -> None:
        while (queued := self._next()) is not None:
            trace, size = queued
            self._settle(len(trace.spans), size, *self._write(trace))
        if self._close_fd:
            os.close(self._fd)

    def _settle(self, spans: int, size: int, reason: str, detail: str) -> None:
        """Count what became of a trace, unless ``close`` has already written it off."""
        with self._settling:
            if self._abandoned:
                return
            self._ledger.attempted(not reason, detail)
            with self._wake:
                self._queued_spans -= spans
                self._queued_bytes -= size
            if reason:
                self._ledger.lost(reason, spans, detail)
            else:
                self._ledger.exported(spans)

    def _next(self) -> tuple[FinishedTrace, int] | None:
        with self._wake:
            while not self._queue and not self._closing:
                self._idle = True
                self._wake.wait()
            self._idle = False
            return self._queue.popleft() if self._queue and not self._abandoned else None

    def _write(self, trace: FinishedTrace) -> tuple[str, str]:
        """Return why and how it failed, two empty strings if it did not."""
        try:
            lines = memoryview(self._render(trace))
        except Exception as error:  # a bug of ours: lose one trace, not the thread
            return "encode_error", f"please report this: {type(error).__name__}: {error}"
        try:
            while lines:
                lines = lines[os.write(self._fd, lines) :]
        except OSError as error:  # a full disk, a pipe whose reader has left
            return "write_failed", f"{error.strerror or error}"
        return "", ""


def _size(trace: FinishedTrace) -> int:
    """Return about how many bytes a trace holds in memory."""
    size = len(trace.service or b"")
    for span in trace.spans:
        size += _SPAN_BYTES + len(span.trace_state) + len(span.name) + len(span.status_message)
        size += _pairs_size(span.attributes)
        for event in span.events:
            size += _PAIR_BYTES + len(event.name) + _pairs_size(event.attributes)
        for link in span.links:
            size += _SPAN_BYTES + len(link.trace_state) + _pairs_size(link.attributes)
    return size


def _pairs_size(pairs: tuple[Attribute, ...]) -> int:
    size = 0
    for key, value in pairs:
        size += _PAIR_BYTES + len(key) + (len(value) if isinstance(value, bytes) else 0)
    return size
