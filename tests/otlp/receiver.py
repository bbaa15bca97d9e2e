"""An OTLP receiver for tests: a real HTTP server on a free port that answers by a script, well or badly."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from .otlp_json import from_otlp_json

MESSAGES: dict[str, Any] = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/logs": ExportLogsServiceRequest}
"""What is posted to a path; to any other, traces."""


class Request(NamedTuple):
    """One POST as it arrived; ``message`` is its body, unpacked and read by the official classes."""

    path: str
    headers: dict[str, str]
    message: Any

    @property
    def spans(self) -> list[Span]:
        if self.path in MESSAGES:
            return []
        return [s for r in self.message.resource_spans for scope in r.scope_spans for s in scope.spans]

    @property
    def metrics(self) -> list[Metric]:
        if self.path != "/v1/metrics":
            return []
        return [m for r in self.message.resource_metrics for scope in r.scope_metrics for m in scope.metrics]

    @property
    def logs(self) -> list[LogRecord]:
        if self.path != "/v1/logs":
            return []
        return [one for r in self.message.resource_logs for scope in r.scope_logs for one in scope.log_records]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        kind = MESSAGES.get(self.path, ExportTraceServiceRequest)
        read = from_otlp_json if headers["content-type"] == "application/json" else _from_protobuf
        self.server.take(Request(self.path, headers, read(body, kind)))
        self.server.next_behaviour()(self)

    def log_message(self, *args: object) -> None:
        """Stay quiet."""


def _from_protobuf(body: bytes, kind: Any) -> Any:
    return kind.FromString(body)


Behaviour = Callable[[Handler], None]


def answer(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer properly; header names with ``_`` for ``-``."""

    def behave(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def raw(data: bytes) -> Behaviour:
    """Write ``data`` instead of an HTTP answer, then close."""

    def behave(handler: Handler) -> None:
        handler.wfile.write(data)
        handler.close_connection = True

    return behave


def hang(handler: Handler) -> None:
    """Answer nothing until the test ends."""
    handler.server.test_ended.wait(30)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """Begin a proper answer, then send a byte now and then: no single read ever times out."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not handler.server.test_ended.wait(0.02):
        try:
            handler.wfile.write(b"\0")
        except OSError:
            break
    handler.close_connection = True


class Received:
    """What has arrived, whichever way."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.arrived = threading.Condition()
        self.test_ended = threading.Event()

    @property
    def spans(self) -> list[Span]:
        return [span for request in self.requests for span in request.spans]

    @property
    def logs(self) -> list[LogRecord]:
        return [one for request in self.requests for one in request.logs]

    @property
    def metrics(self) -> dict[str, Metric]:
        """The latest of each name."""
        return {metric.name: metric for request in self.requests for metric in request.metrics}

    def take(self, request: Request) -> None:
        with self.arrived:
            self.requests.append(request)
            self.arrived.notify_all()

    def wait_for_requests(self, number: int) -> None:
        self._wait(lambda: len(self.requests) >= number, f"{number} requests")

    def wait_for_spans(self, number: int) -> None:
        self._wait(lambda: len(self.spans) >= number, f"{number} spans")

    def _wait(self, met: Callable[[], bool], what: str) -> None:
        with self.arrived:
            assert self.arrived.wait_for(met, timeout=10), f"no {what} within 10 s, only {len(self.requests)} requests"


class Receiver(Received, ThreadingHTTPServer):
    """Does what the script says, request by request; the last line of it for ever."""

    daemon_threads = True

    def __init__(self, *script: Behaviour, port: int = 0, host: str = "127.0.0.1") -> None:
        Received.__init__(self)
        self.script = list(script) or [answer(200)]
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        ThreadingHTTPServer.__init__(self, (host, port), Handler)

    def next_behaviour(self) -> Behaviour:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves in the middle is part of the tests."""


@contextmanager
def receiving(
    *script: Behaviour, port: int = 0, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Receiver]:
    server = Receiver(*script, port=port, host=host)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.test_ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
