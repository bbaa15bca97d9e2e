"""What the pages say, and the server that says it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, NamedTuple, final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from haproxy_telemetry.admin.guard import is_own_host, is_own_origin
from haproxy_telemetry.admin.listener import Listener, Request, Respond, Response, Stream
from haproxy_telemetry.admin.status import Inside, Status, status_of
from haproxy_telemetry.admin.tail import Encode, TraceStream
from haproxy_telemetry.admin.vitals import Heartbeat, why_dead, why_not_ready
from haproxy_telemetry.metrics.prometheus import MeasuredCollector
from haproxy_telemetry.metrics.traffic import Traffic
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.own.collect import Own
from haproxy_telemetry.settings import TcpAddress
from haproxy_telemetry.taps import Taps

__all__ = ["Admin", "Inside", "Pages", "Sources"]

OPENMETRICS: Final = "application/openmetrics-text"
_OPENMETRICS_TYPE: Final = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
_PLAIN_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Sources(NamedTuple):
    """Where the pages' words come from; ``traffic`` if its metrics are wanted here.

    ``inside`` is what ``/status`` tells, ``host`` the name in the address that was asked for, ``taps`` and
    ``encode`` what ``/tail`` shows.
    """

    own: Own
    traffic: Traffic | None
    heart: Heartbeat
    listening: Callable[[], bool]
    export: Callable[[], ExportState]
    inside: Inside
    host: str
    taps: Taps
    encode: Encode


@final
class Pages:
    """Answers a request; ``now`` is the monotonic clock."""

    def __init__(self, sources: Sources, now: Callable[[], float] = time.monotonic) -> None:
        self._sources = sources
        self._now = now
        self._registry = CollectorRegistry()
        self._registry.register(MeasuredCollector(sources.own))
        if sources.traffic is not None:
            self._registry.register(MeasuredCollector(sources.traffic))

    def respond(self, request: Request) -> Response:
        """Return what stands at the path."""
        if request.path == "/metrics":
            return metrics_page(self._registry, request.accept)
        if request.path == "/livez":
            return health(why_dead(self._sources.heart.last, self._now()))
        if request.path == "/readyz":
            return health(why_not_ready(self._sources.listening(), self._sources.export(), self._now()))
        if request.path == "/status":
            return refusal(request, self._sources.host) or self._status()
        if request.path == "/tail":
            return refusal(request, self._sources.host) or self._tail()
        return not_found()

    def _status(self) -> Response:
        return status_page(status_of(self._sources.inside, self._sources.export(), self._now()))

    def _tail(self) -> Response:
        inside = self._sources.inside
        return tail_page(
            self._sources.taps, TraceStream(self._sources.taps, self._sources.encode, inside.version, inside.started)
        )


def metrics_page(registry: CollectorRegistry, accept: str) -> Response:
    """Return ``/metrics``. Exemplars are in OpenMetrics alone. The type is one of two, never what the peer wrote."""
    if accepts_openmetrics(accept):
        body: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # theirs
        return Response(HTTPStatus.OK, body, _OPENMETRICS_TYPE)
    return Response(HTTPStatus.OK, generate_latest(registry), _PLAIN_TYPE)


def refusal(request: Request, host: str) -> Response | None:
    """Return why this one gets no page that holds more than numbers: it is not for the web page of another site."""
    if not is_own_host(request.host, host):
        return Response(HTTPStatus.FORBIDDEN, b"ask by the IP address or as localhost, not by this name\n")
    if not is_own_origin(request.origin, request.host):
        return Response(HTTPStatus.FORBIDDEN, b"this is not for pages of other sites\n")
    return None


def status_page(status: Status) -> Response:
    """Return ``/status``."""
    return Response(HTTPStatus.OK, msgspec.json.encode(status) + b"\n", "application/json")


def tail_page(taps: Taps, stream: Stream) -> Response:
    """Return ``/tail``, if one more may watch."""
    if taps.full:
        return Response(HTTPStatus.SERVICE_UNAVAILABLE, b"as many as may are watching already\n")
    return Response(HTTPStatus.OK, b"", "text/event-stream; charset=utf-8", stream)


def accepts_openmetrics(accept: str) -> bool:
    """Return whether the header names OpenMetrics, and not with a weight of 0."""
    for one in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        if kind == OPENMETRICS:
            return not any(p.startswith("q=") and not p[2:].strip("0.") for p in parameters)
    return False


def not_found() -> Response:
    """Return which pages there are."""
    return Response(HTTPStatus.NOT_FOUND, b"here are /metrics, /livez, /readyz, /status and /tail\n")


def health(problem: str) -> Response:
    """Return the answer of ``/livez`` and ``/readyz``."""
    if problem:
        return Response(HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}\n".encode())
    return Response(HTTPStatus.OK, b"ok\n")


@final
class Admin:
    """Pages on a listening socket (``listener.bind``), served from :meth:`start` on; ``respond`` is :class:`Pages`'."""

    def __init__(self, sock: socket.socket, respond: Respond, bug: Callable[[str, BaseException], None]) -> None:
        self.address: str | None = str(TcpAddress(*sock.getsockname()[:2]))
        self._listener = Listener(sock, respond, lambda error: bug("admin", error))

    def start(self) -> None:
        """Begin to answer."""
        self._listener.start()

    def close(self) -> None:
        """Stop; waits a second at most."""
        self._listener.close()
