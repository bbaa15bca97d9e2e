"""The thread that writes: what comes in waits in a bounded queue, and goes to the store in batches.

Whoever brings spans waits until they are written: what is answered with success is in the store. With the queue full
the answer is to come back later, and the exporter's own queue is where spans wait.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic, time_ns
from typing import Final

from haproxy_telemetry.logs import OnceLogger
from haproxy_telemetry.viewer.spans import ReceivedSpan, Summary
from haproxy_telemetry.viewer.store import Store

MAX_QUEUED: Final = 50_000
"""Spans that wait to be written; a request larger than that is taken when nothing else waits."""

BATCH: Final = 5_000
"""Spans of a transaction, so that those who read the same database wait for tens of milliseconds at most."""

EXPIRE_S: Final = 5.0
"""Seconds between two looks for traces that are too old."""

_ONCE: Final = OnceLogger(logging.getLogger("haproxy_telemetry.viewer"))


class QueueFullError(Exception):
    """More waits to be written than may wait."""


@dataclass(frozen=True, slots=True)
class _Job:
    spans: Sequence[ReceivedSpan]
    done: Future[Mapping[str, int]]


class Writer:
    """Owns the writing side of a store. ``changed`` is called in its thread, with the traces that grew."""

    def __init__(self, store: Store, changed: Callable[[Sequence[Summary]], None]) -> None:
        self._store = store
        self._changed = changed
        self._wake = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._queued = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="viewer-writer", daemon=True)
        self._thread.start()

    def put(self, spans: Sequence[ReceivedSpan]) -> Future[Mapping[str, int]]:
        """Queue spans; the future brings those that were not taken, by reason. Raises :class:`QueueFullError`."""
        job = _Job(spans, Future())
        with self._wake:
            if self._closing or (self._queued and self._queued + len(spans) > MAX_QUEUED):
                raise QueueFullError
            self._jobs.append(job)
            self._queued += len(spans)
            self._wake.notify()
        return job.done

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        expire_at = monotonic()
        while (jobs := self._take()) is not None:
            if jobs:
                self._write(jobs)
            if monotonic() >= expire_at:
                self._expire()
                expire_at = monotonic() + EXPIRE_S

    def _take(self) -> list[_Job] | None:
        """Return what makes a batch; nothing after a while of silence, ``None`` at the end."""
        with self._wake:
            if not self._jobs and not self._closing:
                self._wake.wait(EXPIRE_S)
            if not self._jobs:
                return None if self._closing else []
            jobs, spans = [self._jobs.popleft()], 0
            while self._jobs and (spans := spans + len(jobs[-1].spans)) < BATCH:
                jobs.append(self._jobs.popleft())
            self._queued -= sum(len(job.spans) for job in jobs)
            return jobs

    def _write(self, jobs: Sequence[_Job]) -> None:
        """Write each job; those of one batch share their transactions, and one that fails fails alone for its spans."""
        try:
            rejected = self._write_all([span for job in jobs for span in job.spans])
        except Exception as error:
            _ONCE.warn_once(("write", type(error)), "traces cannot be stored", error=error)
            for job in jobs:
                job.done.set_exception(error)
            return
        # What was left out of a batch is told to one of those who brought it: counters need no more.
        for job in jobs:
            job.done.set_result(rejected)
            rejected = {}

    def _write_all(self, spans: Sequence[ReceivedSpan]) -> Mapping[str, int]:
        rejected: Counter[str] = Counter()
        for begin in range(0, len(spans), BATCH):
            written = self._store.write(spans[begin : begin + BATCH], time_ns())
            rejected.update(written.rejected)
            if written.changed:
                self._changed(written.changed)
        return dict(rejected)

    def _expire(self) -> None:
        try:
            self._store.expire(time_ns())
        except Exception as error:
            _ONCE.warn_once(("expire", type(error)), "old traces cannot be removed", error=error)
