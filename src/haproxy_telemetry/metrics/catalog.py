"""Every metric of the traffic: name, unit, what it says, attributes, buckets. docs/traffic-metrics.md has the same.

The first three are OpenTelemetry's (semantic conventions for HTTP metrics); what HAProxy alone knows stands under
``haproxy.``. Its byte counts include the headers, so they are not called body sizes.
"""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.metrics.points import HISTOGRAM, UP_DOWN, Metric

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""The buckets that the conventions ask for."""

BYTES: Final = tuple([float(1 << power) for power in range(8, 29, 2)])
"""256 bytes to 256 MiB, each bound four times the one before."""

WAITS: Final = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""For what should be next to nothing, in whole milliseconds: the first bucket is below one."""

METHOD: Final = b"http.request.method"
STATUS: Final = b"http.response.status_code"
ROUTE: Final = b"http.route"
SCHEME: Final = b"url.scheme"
VERSION: Final = b"network.protocol.version"
ERROR: Final = b"error.type"
ADDRESS: Final = b"server.address"
PORT: Final = b"server.port"
FRONTEND: Final = b"haproxy.frontend.name"
BACKEND: Final = b"haproxy.backend.name"
SERVER: Final = b"haproxy.server.name"
SPOE_ERROR: Final = b"haproxy.spoe.error"

_OF_SERVER: Final = (METHOD, SCHEME, VERSION, ROUTE, STATUS, ERROR, FRONTEND, BACKEND)
_OF_UPSTREAM: Final = (ERROR, BACKEND, SERVER)

SERVER_DURATION: Final = Metric(
    b"http.server.request.duration",
    b"s",
    b"Duration of HTTP requests to HAProxy, from the first byte to the last of the response.",
    HISTOGRAM,
    _OF_SERVER,
    SECONDS,
)
CLIENT_DURATION: Final = Metric(
    b"http.client.request.duration",
    b"s",
    b"Duration of HTTP requests from HAProxy to its servers, with queue, connection and all retries.",
    HISTOGRAM,
    (METHOD, ADDRESS, PORT, STATUS, ERROR, BACKEND, SERVER),
    SECONDS,
)
ACTIVE: Final = Metric(
    b"http.server.active_requests",
    b"{request}",
    b"HTTP requests that have come and not yet ended.",
    UP_DOWN,
    (METHOD, SCHEME, FRONTEND),
)
RECEIVED: Final = Metric(
    b"haproxy.received.size",
    b"By",
    b"Bytes from the client in one stream, request headers included.",
    HISTOGRAM,
    _OF_SERVER,
    BYTES,
)
SENT: Final = Metric(
    b"haproxy.sent.size",
    b"By",
    b"Bytes to the client in one stream, response headers included.",
    HISTOGRAM,
    _OF_SERVER,
    BYTES,
)
QUEUE: Final = Metric(
    b"haproxy.queue.duration",
    b"s",
    b"Time that a stream waited for a server's free slot, attempts before the last one included.",
    HISTOGRAM,
    _OF_UPSTREAM,
    SECONDS,
)
CONNECT: Final = Metric(
    b"haproxy.connect.duration",
    b"s",
    b"Time until the connection to the server stood, in the last attempt.",
    HISTOGRAM,
    _OF_UPSTREAM,
    SECONDS,
)
SESSION: Final = Metric(
    b"haproxy.session.duration",
    b"s",
    b"Duration of streams in tcp mode.",
    HISTOGRAM,
    (ERROR, FRONTEND, BACKEND, SERVER),
    SECONDS,
)

SPOE: Final = Metric(
    b"haproxy.spoe.duration",
    b"s",
    b"Time for which SPOE events held a stream up: the price of tracing to the request.",
    HISTOGRAM,
    (FRONTEND, SPOE_ERROR),
    WAITS,
)

ALL: Final = (SERVER_DURATION, CLIENT_DURATION, ACTIVE, RECEIVED, SENT, QUEUE, CONNECT, SESSION, SPOE)
