"""``/metrics``, ``/livez``, ``/readyz`` and ``/status`` of all workers together, served by the supervisor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, final

from prometheus_client import CollectorRegistry

from haproxy_telemetry import __version__
from haproxy_telemetry.acktimes import AckTimes
from haproxy_telemetry.admin.listener import Request, Response
from haproxy_telemetry.admin.pages import Inside, health, metrics_page, not_found, refusal, status_page, tail_page
from haproxy_telemetry.admin.status import status_of
from haproxy_telemetry.admin.tail import Encode, TraceStream
from haproxy_telemetry.admin.vitals import why_dead
from haproxy_telemetry.metrics.points import Data
from haproxy_telemetry.metrics.prometheus import MeasuredCollector
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.own.collect import Own, Sources
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.workers.fleet import Fleet
from haproxy_telemetry.workers.picture import together
from haproxy_telemetry.workers.sums import Sums

ASK_S: Final = 2.0
"""Seconds for the workers to answer; of one that does not, what it said last counts."""


class Where(NamedTuple):
    """The supervisor's event loop, the name in the pages' address, where records come in, and how traces are shown."""

    loop: asyncio.AbstractEventLoop
    host: str
    records: list[str]
    encode: Encode


@final
class _Watched:
    """A stream of traces whose beginning and end the workers hear of."""

    def __init__(self, stream: TraceStream, changed: Callable[[], object]) -> None:
        self._stream = stream
        self._changed = changed

    def open(self, wake: Callable[[], None]) -> None:
        self._stream.open(wake)
        self._changed()

    def next_chunk(self) -> bytes:
        return self._stream.next_chunk()

    def close(self) -> None:
        self._stream.close()
        self._changed()


@final
class FleetPages:
    """Answers in the pages' thread; the workers are asked on the supervisor's event loop."""

    def __init__(self, fleet: Fleet, stats: Stats, at: Where, max_series: int) -> None:
        self._fleet = fleet
        self._stats = stats
        self._loop, self._host, self._records, self._encode = at
        self._started = time.time_ns()
        self._sums = Sums(max_series)
        self._own = Own(_supervisors(stats), __version__, self._started)
        self._registry = CollectorRegistry()
        self._registry.register(MeasuredCollector(self))

    def respond(self, request: Request) -> Response:
        """Return what stands at the path."""
        if request.path == "/metrics":
            return metrics_page(self._registry, request.accept)
        if request.path == "/livez":
            return health(self._why_dead())
        if request.path == "/readyz":
            return health(self._why_not_ready())
        if request.path == "/status":
            return refusal(request, self._host) or self._status()
        if request.path == "/tail":
            return refusal(request, self._host) or self._tail()
        return not_found()

    def collect(self) -> list[Data]:
        """Return the sums of all metrics: of the workers, of those that are gone, and of the supervisor."""
        self._ask(self._fleet.ask("metrics", ASK_S))
        said = [worker.metrics for worker in self._fleet.workers]
        gone = self._fleet.gone_metrics
        if len(gone) > 1:
            gone[:] = [self._sums.add(gone)]
        return self._sums.add([self._own.collect(), *gone, *said])

    def _ask(self, question: Coroutine[Any, Any, list[Any]]) -> list[Any]:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(ASK_S * 2)

    def _tail(self) -> Response:
        taps = self._fleet.taps
        stream = TraceStream(taps, self._encode, __version__, self._started / 1e9)
        return tail_page(taps, _Watched(stream, lambda: self._loop.call_soon_threadsafe(self._fleet.watch)))

    def _why_dead(self) -> str:
        now = time.monotonic()
        for worker in self._fleet.workers:
            if worker.serves and (why := why_dead(worker.beat, now)):
                return f"worker {worker.number}: {why}"
        return ""

    def _why_not_ready(self) -> str:
        for worker in self._fleet.workers:
            if not worker.serves:
                return f"worker {worker.number} does not listen"
            if worker.problem:
                return f"worker {worker.number}: {worker.problem}"
        return ""

    def _status(self) -> Response:
        pictures = self._ask(self._fleet.ask("status", ASK_S))
        self._ask(self._fleet.ask("counts", ASK_S))
        stats = Stats()
        for counts in (self._fleet.counts(), self._stats.snapshot()):
            for (what, reason), number in counts.items():
                stats.count(what, reason, number)
        picture, engines, faults = together(pictures, stats)
        inside = Inside(
            version=__version__,
            started=self._started / 1e9,
            stats=stats,
            engines=engines,
            faults=faults,
            seen=picture.seen,
            began=lambda most: picture.began[:most],
            live=lambda: picture.live,
            connections=lambda: picture.connections,
            now=time.time_ns,
            spop=lambda: self._fleet.addresses,
            records=lambda: self._records,
            target=picture.target,
        )
        return status_page(status_of(inside, picture.export, time.monotonic()))


def _supervisors(stats: Stats) -> Sources:
    """Where the supervisor's own metrics come from: it serves nobody and exports nothing."""
    nobody: Callable[[], int] = lambda: 0  # noqa: E731
    gauges = dict.fromkeys(("live_traces", "open_connections", "engines", "workers"), nobody)
    return Sources(stats, AckTimes(), lambda: ExportState(0, None, None, None), gauges)
