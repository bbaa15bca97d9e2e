"""From ended streams to measurements: which metric a stream counts in, and with which attributes.

Every stream counts once, when its record has come, whether its trace is sampled or not. A stream without a record
(messages only) has no end that anybody knows, and counts nowhere but in the active requests.

What a client chooses is mapped onto few values (method, version, scheme) or left out (path, host); names come from
HAProxy's configuration. What still comes in too many forms is bounded by the instruments.

Safe from several threads: the event loop measures, readers collect. These hold the lock for one metric at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, NamedTuple, final

from haproxy_telemetry.metrics import catalog
from haproxy_telemetry.metrics.instruments import MAX_SERIES, Histogram, Lead, Level, Series, UpDown
from haproxy_telemetry.metrics.points import Attributes, Data
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.conventions import KNOWN_METHODS
from haproxy_telemetry.trace.http import (
    answered_status,
    client_outcome,
    server_outcome,
    target_of,
    verdict_of,
)
from haproxy_telemetry.trace.phases import CONNECT, QUEUE, attempt_start, phases
from haproxy_telemetry.trace.spans import Attribute
from haproxy_telemetry.trace.stream import EndedStream, EndOfStream, Request
from haproxy_telemetry.trace.termination import Termination

ALWAYS_OFF: Final = "always_off"
ALWAYS_ON: Final = "always_on"
TRACE_BASED: Final = "trace_based"
EXEMPLAR_FILTERS: Final = (TRACE_BASED, ALWAYS_OFF, ALWAYS_ON)

VERSIONS: Final = {
    b"HTTP/1.0": b"1.0",
    b"HTTP/1.1": b"1.1",
    b"HTTP/2": b"2",
    b"HTTP/2.0": b"2",
    b"HTTP/3": b"3",
    b"HTTP/3.0": b"3",
}
SCHEMES: Final = (b"http", b"https")

LONGEST_VALUE: Final = 255
"""Bytes of an attribute's text: names in a configuration are shorter, and what a forged record says need not fit."""

_SECOND: Final = 1_000_000_000


class Rules(NamedTuple):
    """How much is kept, which measurements may lead to a trace, and which methods are called by their names."""

    max_series: int = MAX_SERIES
    exemplars: str = TRACE_BASED
    known_methods: frozenset[bytes] = KNOWN_METHODS


@final
class Traffic:
    """All metrics of the traffic. ``start_ns`` is when the counting began."""

    def __init__(self, stats: Stats, start_ns: int, rules: Rules = Rules()) -> None:  # noqa: B008 (immutable)
        self.start_ns = start_ns
        self._stats = stats
        self._exemplars = rules.exemplars
        self._methods = rules.known_methods
        self._levels: dict[tuple[bytes, bytes, bytes], Level] = {}
        self._lock = threading.Lock()
        most = rules.max_series
        self._server = Histogram(catalog.SERVER_DURATION, most)
        self._client = Histogram(catalog.CLIENT_DURATION, most)
        self._active = UpDown(catalog.ACTIVE, most)
        self._received = Histogram(catalog.RECEIVED, most)
        self._sent = Histogram(catalog.SENT, most)
        self._queue = Histogram(catalog.QUEUE, most)
        self._connect = Histogram(catalog.CONNECT, most)
        self._session = Histogram(catalog.SESSION, most)
        self._spoe = Histogram(catalog.SPOE, most)
        self._all: tuple[Histogram | UpDown, ...] = (
            self._server,
            self._client,
            self._active,
            self._received,
            self._sent,
            self._queue,
            self._connect,
            self._session,
            self._spoe,
        )

    # The event loop's side

    def active(self, request: Request, change: int) -> None:
        """A request has come (1), or has ended or is given up (-1)."""
        self.measure(((request, change),), ())

    def ended(self, stream: EndedStream) -> None:
        """Measure a stream that has ended."""
        self.measure((), (stream,))

    def measure(self, active: Sequence[tuple[Request, int]], ended: Sequence[EndedStream]) -> None:
        """Take requests as :meth:`active` does, and streams as :meth:`ended`."""
        with self._lock:
            for request, change in active:
                self._active.move(self._level(request), change)
            for stream in ended:
                self._measure(stream)

    def _level(self, request: Request) -> Level:
        """Return where a request is under way: asked for by what few of it count."""
        scheme = request.scheme or target_of(request).scheme
        few = (request.method, scheme, request.frontend)
        level = self._levels.get(few)
        if level is None:
            level = self._active.level(active_attributes(request, self._methods))
            # No more of them than levels: what a client may choose freely, or a forger, is looked up each time.
            named = request.method in self._methods and scheme in SCHEMES and len(request.frontend) <= LONGEST_VALUE
            if named and not level.spilt:
                self._levels[few] = level
        return level

    def _measure(self, stream: EndedStream) -> None:
        end = stream.end
        of = self._counted(end, route_of(stream.attributes) if stream.routed else b"")
        lead = self._lead(stream)
        duration = self._session if end.tcp else self._server
        duration.add(of.duration, _seconds(end.start_ns, end.end_ns), lead)
        self._received.add(of.received, float(end.bytes_received), lead)
        self._sent.add(of.sent, float(end.bytes_sent), lead)
        if end.spoe_ns is not None:
            if of.spoe is None:
                of.spoe = self._spoe.series(spoe_attributes(end))
            self._spoe.add(of.spoe, _seconds(0, end.spoe_ns), lead)
        if end.server or end.backend:
            self._upstream(end, of, lead)

    def _counted(self, end: EndOfStream, route: bytes) -> _Counted:
        """Return where a stream counts, as all that ended alike do."""
        of = end.alike.measured
        if isinstance(of, _Counted) and of.traffic is self and of.route == route:
            return of
        termination = verdict_of(end).termination
        if end.tcp:
            sized = attributes_of_sizes(end, termination)
            duration = self._session.series(session_attributes(end, termination))
        else:
            sized = server_attributes(end, termination, route, self._methods)
            duration = self._server.series(sized)
        found = _Counted(self, route, duration, self._received.series(sized), self._sent.series(sized))
        end.alike.measured = found
        return found

    def _upstream(self, end: EndOfStream, of: _Counted, lead: Lead | None) -> None:
        """Measure what HAProxy asked of its servers. A phase in which the stream ended carries the error."""
        verdict = verdict_of(end)
        if verdict.tried and not end.tcp:
            if of.client is None:
                of.client = self._client.series(client_attributes(end, verdict.termination, self._methods))
            self._client.add(of.client, _seconds(attempt_start(end), end.end_ns), lead)
        elif not verdict.tried and end.termination[1:2] != b"Q":
            return
        queued = False
        for phase in phases(end):
            error = verdict.termination.error_type if phase.last else b""
            if phase.name == QUEUE:
                queued = True
                series = self._queue.series(upstream_attributes(end, error)) if error else self._queue_of(end, of)
                self._queue.add(series, _seconds(phase.start_ns, phase.end_ns), lead)
            elif phase.name == CONNECT:
                series = self._connect.series(upstream_attributes(end, error)) if error else self._connect_of(end, of)
                self._connect.add(series, _seconds(phase.start_ns, phase.end_ns), lead)
        if verdict.tried and not queued:  # it found a slot at once, of which there is no phase
            self._queue.add(self._queue_of(end, of), 0.0, lead)

    def _queue_of(self, end: EndOfStream, of: _Counted) -> Series:
        if of.queue is None:
            of.queue = self._queue.series(upstream_attributes(end, b""))
        return of.queue

    def _connect_of(self, end: EndOfStream, of: _Counted) -> Series:
        if of.connect is None:
            of.connect = self._connect.series(upstream_attributes(end, b""))
        return of.connect

    def _lead(self, stream: EndedStream) -> Lead | None:
        """Return where measurements lead to: the SERVER span, if anybody will find it."""
        if self._exemplars == ALWAYS_OFF or not stream.trace_id:
            return None
        if not stream.exported and self._exemplars != ALWAYS_ON:
            return None
        return Lead(stream.trace_id, stream.span_id, stream.seen_ns)

    # The readers' side

    def collect(self) -> list[Data]:
        """Return all metrics that have a series, cumulative since ``start_ns``; from any thread."""
        collected: list[Data] = []
        for instrument in self._all:
            with self._lock:
                data: Data = instrument.data()
                overflowed, instrument.overflowed = instrument.overflowed, 0
            if overflowed:
                self._stats.count("metric_overflows", "", overflowed)
            if data.points:
                collected.append(data)
        return collected


def _seconds(start_ns: int, end_ns: int) -> float:
    return max(0, end_ns - start_ns) / _SECOND


def route_of(attributes: Sequence[Attribute]) -> bytes:
    """Return the ``http.route`` that the SERVER span has, ``b""`` for none."""
    for key, value in attributes:
        if key == catalog.ROUTE and isinstance(value, bytes):
            return value
    return b""


@final
class _Counted:
    """The series in which all streams count that ended alike and have one route; found when they are needed first."""

    __slots__ = ("client", "connect", "duration", "queue", "received", "route", "sent", "spoe", "traffic")

    def __init__(self, traffic: Traffic, route: bytes, duration: Series, received: Series, sent: Series) -> None:
        self.traffic = traffic
        self.route = route
        self.duration = duration
        self.received = received
        self.sent = sent
        self.spoe: Series | None = None
        self.client: Series | None = None
        self.queue: Series | None = None
        self.connect: Series | None = None


# Attributes, in the order of the catalog; what is not known is left out


def active_attributes(request: Request, methods: frozenset[bytes] = KNOWN_METHODS) -> Attributes:
    """Return those of a request that has come."""
    return (*_request(request, methods), *_named((catalog.FRONTEND, request.frontend)))


def server_attributes(
    end: EndOfStream, termination: Termination, route: bytes = b"", methods: frozenset[bytes] = KNOWN_METHODS
) -> Attributes:
    """Return those of a request to HAProxy."""
    outcome = server_outcome(end, termination)
    return (
        *_request(end.request, methods),
        *_named((catalog.VERSION, VERSIONS.get(end.request.version, b"")), (catalog.ROUTE, route)),
        *_status(end.status),
        *_named((catalog.ERROR, outcome.error_type), *_in_haproxy(end)),
    )


def attributes_of_sizes(end: EndOfStream, termination: Termination) -> Attributes:
    """Return those of a stream in tcp mode, where there is no request."""
    return _named((catalog.ERROR, termination.error_type), *_in_haproxy(end))


def client_attributes(
    end: EndOfStream, termination: Termination, methods: frozenset[bytes] = KNOWN_METHODS
) -> Attributes:
    """Return those of a request from HAProxy to a server."""
    outcome = client_outcome(end, termination)
    at: Attributes = ()
    if end.server_address and end.server_address != b"unix":
        at = ((catalog.ADDRESS, end.server_address[:LONGEST_VALUE]), (catalog.PORT, end.server_port))
    return (
        (catalog.METHOD, _method(end.request, methods)),
        *at,
        *_status(answered_status(end)),
        *upstream_attributes(end, outcome.error_type),
    )


def upstream_attributes(end: EndOfStream, error: bytes) -> Attributes:
    """Return those of a wait for a server."""
    return _named((catalog.ERROR, error), (catalog.BACKEND, end.backend), (catalog.SERVER, end.server))


def session_attributes(end: EndOfStream, termination: Termination) -> Attributes:
    """Return those of a stream in tcp mode with its server."""
    return (*attributes_of_sizes(end, termination), *_named((catalog.SERVER, end.server)))


def spoe_attributes(end: EndOfStream) -> Attributes:
    """Return those of a stream's wait for the agent: what went wrong is one of HAProxy's few numbers."""
    failed: Attributes = ((catalog.SPOE_ERROR, end.spoe_error),) if end.spoe_error else ()
    return (*_named((catalog.FRONTEND, end.request.frontend)), *failed)


def _request(request: Request, methods: frozenset[bytes]) -> Attributes:
    scheme = request.scheme or target_of(request).scheme
    method = (catalog.METHOD, _method(request, methods))
    return (method, (catalog.SCHEME, scheme)) if scheme in SCHEMES else (method,)


def _method(request: Request, methods: frozenset[bytes]) -> bytes:
    return request.method if request.method in methods else b"_OTHER"


def _status(status: int) -> Attributes:
    return ((catalog.STATUS, status),) if status else ()


def _in_haproxy(end: EndOfStream) -> tuple[tuple[bytes, bytes], ...]:
    """Return frontend and backend; %b is the frontend's name while no backend has been chosen."""
    chosen = end.backend if end.backend != end.request.frontend or end.server else b""
    return (catalog.FRONTEND, end.request.frontend), (catalog.BACKEND, chosen)


def _named(*pairs: tuple[bytes, bytes]) -> Attributes:
    return tuple([(key, value[:LONGEST_VALUE]) for key, value in pairs if value])
