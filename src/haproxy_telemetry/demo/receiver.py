"""The OTLP receiver inside the demo: ``POST /v1/traces``, protobuf, plain or gzip.

It runs in threads of its own and hands every request's spans to one function, one call at a time. Everything
that HTTP allows and OTLP does not need (chunked bodies, other paths) is refused with its status.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from haproxy_telemetry.demo.decode import MAX_BODY, BadOtlpError, decode_request
from haproxy_telemetry.terminal.records import SpanRecord

Sink = Callable[[list[SpanRecord]], None]

READ_SECONDS = 30.0
ANSWER_TYPE = "application/x-protobuf"


class Receiver:
    """A receiver on 127.0.0.1: listening from the start, answering between enter and exit."""

    def __init__(self, port: int, sink: Sink) -> None:
        """Listen on ``port``; raises OSError if it's taken. ``sink`` is called in the receiver's threads."""
        self._server = _Server(port, sink)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="otlp-receiver", daemon=True
        )
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(1.0)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, sink: Sink) -> None:
        self._sink = sink
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def take(self, spans: list[SpanRecord]) -> None:
        with self._lock:
            self._sink(spans)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: a peer that resets its connection is nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = READ_SECONDS
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_POST(self) -> None:
        try:
            body = self._body()
            if self.path != "/v1/traces":
                raise BadOtlpError(404, "only /v1/traces is here")
            spans = decode_request(body, self.headers.get("content-type", ""), self.headers.get("content-encoding", ""))
        except BadOtlpError as error:
            self._answer(error.status, str(error).encode(), "text/plain; charset=utf-8")
            return
        self.server.take(spans)
        # An empty ExportTraceServiceResponse, which has no bytes, says that all was taken.
        self._answer(200, b"", ANSWER_TYPE)

    def _body(self) -> bytes:
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            self.close_connection = True
            raise BadOtlpError(411, "a content-length is needed")
        if int(length) > MAX_BODY:
            self.close_connection = True
            raise BadOtlpError(413, f"more than {MAX_BODY} bytes")
        return self.rfile.read(int(length))

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        """Keep no log of requests."""
