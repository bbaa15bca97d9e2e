"""The fake server: a small web application, instrumented with the OpenTelemetry SDK.

``python -m haproxy_telemetry.demo.origin --port 8080``. Where its spans go is said by ``OTEL_EXPORTER_OTLP_ENDPOINT``.
It continues the trace of the request's ``traceparent``, gives one span of kind server and two below it, and
answers with what it saw, so that ``curl`` shows how the trace arrived. ``/missing`` is 404, ``/error`` is 500.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from haproxy_telemetry import __version__

SERVICE = "fake-server"
EXPORT_DELAY_MS = 100.0  # short: somebody is watching
MAX_BODY = 1024 * 1024
READ_SECONDS = 60.0

# Seconds of pretended work, long enough to be seen in a waterfall.
LOOK_UP = 0.012
RENDER = 0.004

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
STATUSES = {"/missing": 404, "/error": 500}


class Origin(ThreadingHTTPServer):
    """The server, and what its handlers share."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, tracer: Tracer) -> None:
        self.tracer = tracer
        self.propagator = TraceContextTextMapPropagator()
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about connections that a peer resets; say everything else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = READ_SECONDS
    server: Origin

    def setup(self) -> None:
        """Send small answers at once."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle_request(self) -> None:
        """Serve one request inside one span of kind server."""
        context = self.server.propagator.extract({name.lower(): value for name, value in self.headers.items()})
        with self.server.tracer.start_as_current_span(
            self.command, context, SpanKind.SERVER, self._request_attributes()
        ) as span:
            status, answer = self._work(span)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_attribute("error.type", str(status))
                span.set_status(StatusCode.ERROR)
        # After the span's end: whoever has the answer can rely on it that the span is on its way.
        self._answer(status, answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_request  # noqa: N815 (http.server's)

    def _request_attributes(self) -> dict[str, str | int]:
        """Return OpenTelemetry's attributes of a server's span (semantic conventions, HTTP)."""
        url = urlsplit(self.path)
        host, _, port = self.headers.get("host", "").rpartition(":")
        attributes: dict[str, str | int] = {
            "http.request.method": self.command,
            "url.scheme": "http",
            "url.path": url.path,
            "network.protocol.version": self.request_version.removeprefix("HTTP/"),
            "network.peer.address": self.client_address[0],
            "network.peer.port": self.client_address[1],
            "server.address": host or port,
            "user_agent.original": self.headers.get("user-agent", ""),
            "url.query": url.query,
        }
        return {key: value for key, value in attributes.items() if value != ""}

    def _work(self, span: Span) -> tuple[int, dict[str, object]]:
        body = self._read_body()
        with self.server.tracer.start_as_current_span("look up") as look_up:
            look_up.set_attribute("demo.items", 3)
            time.sleep(LOOK_UP)
        with self.server.tracer.start_as_current_span("render"):
            time.sleep(RENDER)
        status = 400 if body is None else STATUSES.get(urlsplit(self.path).path, 200)
        return status, {
            "service": SERVICE,
            "method": self.command,
            "path": self.path,
            "body_bytes": len(body or b""),
            "trace_id": f"{span.get_span_context().trace_id:032x}",
            "traceparent": self.headers.get("traceparent"),
            "tracestate": self.headers.get("tracestate"),
        }

    def _read_body(self) -> bytes | None:
        """Return the body; None if it is of a kind that this server does not read."""
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _answer(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer, indent=2).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        """Keep no log of requests: the traces are one."""


def _provider() -> TracerProvider:
    provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=EXPORT_DELAY_MS))
    return provider


def _stop(*_: object) -> None:
    raise SystemExit(0)


def main() -> None:
    """Serve until SIGTERM or SIGINT, then export what is left."""
    parser = argparse.ArgumentParser(prog="fake server", description="An instrumented origin for the demo.")
    parser.add_argument("--port", type=int, default=8080)
    port: int = parser.parse_args().port
    provider = _provider()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        with Origin(port, provider.get_tracer("haproxy_telemetry.demo", __version__)) as origin:
            origin.serve_forever()
    finally:
        provider.shutdown()


if __name__ == "__main__":
    main()
