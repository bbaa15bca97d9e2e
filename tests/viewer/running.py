"""A viewer that runs, in a thread of the tests, and a client that says exactly what it sends."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from haproxy_telemetry.viewer.database import Database
from haproxy_telemetry.viewer.run import Address, Options, ViewerServer, bind, serve
from haproxy_telemetry.viewer.store import Limits, Store

PROTOBUF, JSON = "application/x-protobuf", "application/json"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def content_type(self) -> str:
        return self.headers["content-type"]


class Running:
    """``port`` serves everything, ``otlp_port`` takes OTLP alone."""

    def __init__(self, port: int, otlp_port: int) -> None:
        self.port = port
        self.otlp_port = otlp_port

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> Reply:
        """Send a request, with the Host header of a browser unless ``headers`` has another."""
        connection = HTTPConnection("127.0.0.1", port or self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": f"127.0.0.1:{port or self.port}", **(headers or {})}.items():
                connection.putheader(name, value)
            if isinstance(body, bytes):
                connection.putheader("Content-Length", str(len(body)))
            elif body is not None:
                connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders(body, encode_chunked=body is not None and not isinstance(body, bytes))
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Return the JSON of an answer that must be a success."""
        reply = self.ask(path)
        assert reply.status == 200, reply
        return reply.json

    def post(self, body: bytes, content_type: str = PROTOBUF, **headers: str) -> Reply:
        """Send OTLP; ``content_encoding="gzip"`` becomes a header."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("/v1/traces", method="POST", body=body, headers={"Content-Type": content_type, **more})

    def send(self, request: ExportTraceServiceRequest) -> None:
        """Send OTLP that must be taken whole."""
        reply = self.post(request.SerializeToString())
        assert (reply.status, reply.body) == (200, b"")


@contextmanager
def running(limits: Limits | None = None, agent: str = "", hosts: tuple[str, ...] = ()) -> Iterator[Running]:
    """Run a viewer with a store in memory."""
    limits = limits or Limits(max_age_s=10 * 365 * 86400)
    options = Options(Address("127.0.0.1", 0), None, hosts=hosts, agent=agent, limits=limits)
    sockets = [bind(options.listen, "--listen"), bind(options.listen, "--otlp")]
    ports = [sock.getsockname()[1] for sock in sockets]
    store = Store(Database(None), options.limits)
    servers: list[ViewerServer] = []
    begun = threading.Event()

    def started(server: ViewerServer) -> None:
        servers.append(server)
        begun.set()

    thread = threading.Thread(
        target=lambda: asyncio.run(serve(options, store, sockets, started=started, signals=False)), name="viewer"
    )
    thread.start()
    try:
        assert begun.wait(10)
        yield Running(*ports)
    finally:
        servers[0].should_exit = True
        thread.join(20)
        assert not thread.is_alive()
