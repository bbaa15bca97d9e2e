"""An OTLP receiver that takes everything: `python -m bench.receiver PORT`. Who measures asks it what came.

It must not cost the machine what it measures, nor keep anybody waiting: bodies are put aside as they come (compressed),
in a file, and counted when somebody asks. ``GET /`` answers with
``{"spans": N, "log_records": N, "bodies": N, "body_bytes": N}``.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import struct
import sys
import tempfile
import threading
import urllib.request

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.processes import LOOPBACK

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"


HEAD = struct.Struct("<II")
"""Before each body in the file: the sizes of its path and its own."""


class Inbox:
    """What came, and what of it is counted."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (it lives as long as this)
        self._end = 0
        self._bodies = self._body_bytes = 0
        self._taking = threading.Lock()
        self._counted_to = 0
        self._spans = self._log_records = 0
        self._counting = threading.Lock()  # whoever brings more need not wait for it

    def put(self, path: bytes, body: bytes) -> None:
        """Take one body."""
        with self._taking:
            self._bodies += 1
            self._body_bytes += len(body)
            self._end += self._file.write(HEAD.pack(len(path), len(body)) + path + body)

    def counted(self) -> dict[str, int]:
        """Count what waits; return all that came since the beginning."""
        with self._counting:
            with self._taking:
                end, bodies, body_bytes = self._end, self._bodies, self._body_bytes
            while self._counted_to < end:
                path_size, body_size = HEAD.unpack(self._read(HEAD.size))
                spans, log_records = count_items(self._read(path_size), self._read(body_size))
                self._spans += spans
                self._log_records += log_records
            return {
                "spans": self._spans,
                "log_records": self._log_records,
                "bodies": bodies,
                "body_bytes": body_bytes,
            }

    def _read(self, size: int) -> bytes:
        data = os.pread(self._file.fileno(), size, self._counted_to)
        self._counted_to += size
        return data


def count_items(path: bytes, body: bytes) -> tuple[int, int]:
    """Return how many spans and log records a body of this path has."""
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    if path == b"/v1/traces":
        request = ExportTraceServiceRequest.FromString(body)
        return sum(len(scope.spans) for one in request.resource_spans for scope in one.scope_spans), 0
    if path == b"/v1/logs":
        logs = ExportLogsServiceRequest.FromString(body)
        return 0, sum(len(scope.log_records) for one in logs.resource_logs for scope in one.scope_logs)
    return 0, 0


def serve(connection: socket.socket, inbox: Inbox) -> None:
    """Answer the requests of one connection until it ends."""
    held = b""
    with connection, contextlib.suppress(ConnectionError):
        while True:
            while b"\r\n\r\n" not in held:
                data = connection.recv(1 << 16)
                if not data:
                    return
                held += data
            head, _, held = held.partition(b"\r\n\r\n")
            first, *lines = head.split(b"\r\n")
            method, path, _ = first.split(b" ")
            size = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
            parts, missing = [held[:size]], size - len(held)
            held = held[size:]
            while missing > 0:
                parts.append(connection.recv(missing))
                missing -= len(parts[-1])
                if not parts[-1]:
                    return
            if method == b"POST":
                inbox.put(path, b"".join(parts))
                connection.sendall(OK)
            else:
                text = json.dumps(inbox.counted()).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(text), text))


def ask(port: int) -> dict[str, int]:
    """Return what the receiver at a port has got so far."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/", timeout=120) as answer:
        counts: dict[str, int] = json.load(answer)
        return counts


def main() -> None:
    """Listen until the end of the process."""
    inbox = Inbox()
    with socket.create_server((LOOPBACK, int(sys.argv[1])), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(connection, inbox), daemon=True).start()


if __name__ == "__main__":
    main()
