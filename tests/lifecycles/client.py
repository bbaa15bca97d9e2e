"""The client of the life cycles: what it asks, and what it saw of the end of each stream.

Sockets and bytes, since half of what it does no HTTP client would do. Times are of the wall clock, in nanoseconds,
as those of spans are.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import time
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.events

from peer.processes import LOOPBACK, PATIENCE

HOST = "shop.example:8080"
CLOSE = "Connection: close\r\n"


@dataclass
class Stream:
    """One request, or one connection without any, as the client saw it.

    ``trace_id`` is the one that it asked for, "" where it could not; ``port`` its own; ``status`` 0 if it got none.
    """

    trace_id: str = ""
    port: int = 0
    began_ns: int = 0
    ended_ns: int = 0
    status: int = 0


class Visit:
    """One run of one scenario: the streams that it makes, in their order.

    ``number`` tells the runs of one scenario apart, where HAProxy or the origin would remember the one before.
    """

    def __init__(self, ports: dict[str, int], number: int = 1, traced: bool = True) -> None:
        self.ports = ports
        self.number = number
        self.streams: list[Stream] = []
        self._traced = traced

    def stream(self, port: int, traced: bool = True) -> Stream:
        """Begin a stream."""
        trace_id = secrets.token_hex(16) if traced and self._traced else ""
        self.streams.append(Stream(trace_id, port, time.time_ns()))
        return self.streams[-1]

    def connect(self, port: str = "web", host: str = LOOPBACK) -> Connection:
        """Open a connection to one of HAProxy's ports."""
        return Connection(self, socket.create_connection((host, self.ports[port]), PATIENCE))

    def get(self, path: str, method: str = "GET", headers: str = "", port: str = "web", host: str = LOOPBACK) -> Stream:
        """Ask once, on a connection of its own, and read until it ends."""
        with self.connect(port, host) as connection:
            stream = connection.ask(path, method, headers + CLOSE)
            connection.read_to_end(stream)
        return stream


class Connection:
    """A connection to HAProxy. As a context manager it is closed in the end."""

    def __init__(self, visit: Visit, sock: socket.socket) -> None:
        self.socket = sock
        self._visit = visit
        self._unread = b""
        self.port: int = sock.getsockname()[1]
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self, traced: bool = True) -> Stream:
        """Begin a stream without sending anything."""
        return self._visit.stream(self.port, traced)

    def ask(self, path: str, method: str = "GET", headers: str = "", body: bytes = b"") -> Stream:
        """Send a request; the stream that it makes begins."""
        stream = self.begin()
        self.socket.sendall(head(stream, path, method, headers) + body)
        return stream

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_answer(self, stream: Stream) -> None:
        """Read one answer that says its length, and what comes before it with a status below 200."""
        while stream.status < 200:
            while b"\r\n\r\n" not in self._unread:
                self._receive()
            answer, _, self._unread = self._unread.partition(b"\r\n\r\n")
            stream.status = status_of(answer)
        length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or b"0")
        while len(self._unread) < length:
            self._receive()
        stream.ended_ns = time.time_ns()
        self._unread = self._unread[length:]

    def read_some(self, stream: Stream) -> None:
        """Read the first bytes of an answer."""
        self._receive()
        stream.status = status_of(self._unread)

    def read_to_end(self, stream: Stream, patience: float = PATIENCE) -> None:
        """Read until the connection ends, or for a time."""
        self.socket.settimeout(patience)
        data = self._unread
        with contextlib.suppress(ConnectionError, TimeoutError):
            while more := self.socket.recv(65536):
                data += more
        stream.ended_ns = time.time_ns()
        stream.status = status_of(data)

    def leave(self, stream: Stream) -> None:
        """Go away in order: the stream ends here for the client."""
        stream.ended_ns = time.time_ns()
        self.socket.close()

    def reset(self, stream: Stream) -> None:
        """Go away with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.leave(stream)

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        assert data, "HAProxy closed the connection"
        self._unread += data

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def head(stream: Stream, path: str, method: str = "GET", headers: str = "") -> bytes:
    """Return the head of a request, with the context of a caller where the stream has one."""
    context = f"traceparent: {traceparent(stream)}\r\n" if stream.trace_id else ""
    lines = f"Host: {HOST}\r\nUser-Agent: probe/1\r\n{context}{headers}"
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def traceparent(stream: Stream) -> str:
    return f"00-{stream.trace_id}-{stream.trace_id[:16]}-01"


def status_of(answer: bytes) -> int:
    """Return the status of an answer's first line, 0 if there is none."""
    digits = answer[9:12]
    return int(digits) if answer.startswith(b"HTTP/1.") and digits.isdigit() else 0


class Http2:
    """An HTTP/2 connection without TLS, and its streams by their numbers."""

    def __init__(self, visit: Visit, port: str = "h2") -> None:
        self._connection = visit.connect(port)
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._streams: dict[int, Stream] = {}
        self._begun: set[int] = set()

    def ask(self, path: str) -> int:
        """Send a request; return its stream's number."""
        number = self._h2.get_next_available_stream_id()
        stream = self._streams[number] = self._connection.begin()
        fields = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", path)]
        fields += [("traceparent", traceparent(stream))] if stream.trace_id else []
        self._h2.send_headers(number, fields, end_stream=True)
        self._flush()
        return number

    def reset(self, number: int) -> None:
        """Tell HAProxy that nobody wants the rest of a stream (CANCEL)."""
        self._h2.reset_stream(number, 8)
        self._streams[number].ended_ns = time.time_ns()
        self._flush()

    def read_some(self, number: int) -> None:
        """Read until the headers of a stream's answer are there."""
        while number not in self._begun:
            self._receive()

    def read_answers(self) -> None:
        """Read until all streams have ended."""
        while any(not stream.ended_ns for stream in self._streams.values()):
            self._receive()

    def _receive(self) -> None:
        data = self._connection.socket.recv(65536)
        now = time.time_ns()
        assert data, "HAProxy closed the connection"
        for event in self._h2.receive_data(data):
            match event:
                case h2.events.ResponseReceived():
                    self._begun.add(event.stream_id)
                    fields = {str(name): str(value) for name, value in event.headers or ()}
                    self._streams[event.stream_id].status = int(fields[":status"])
                case h2.events.StreamEnded() | h2.events.StreamReset():
                    self._streams[event.stream_id].ended_ns = now
        self._flush()

    def _flush(self) -> None:
        self._connection.send(self._h2.data_to_send())

    def __enter__(self) -> Http2:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.__exit__()
