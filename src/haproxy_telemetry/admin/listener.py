"""A small HTTP server: one thread, a bounded number of connections, a bounded head, a deadline for everything.

The standard library's server takes a head of 6 MB and waits for ever for one that comes byte by byte. Here a
connection has one deadline; past the bound of connections the oldest one goes, so that those who open many and say
nothing do not keep a health check out. One answer a connection.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol, final

_LOG: Final = logging.getLogger("haproxy_telemetry.admin")

MAX_CONNECTIONS: Final = 16
MAX_HEAD: Final = 8192
"""Bytes of a request's head; scrapers send some hundred."""

HEAD_S: Final = 5.0
"""Seconds for a whole head."""

ANSWER_S: Final = 10.0
"""Seconds to take an answer, which Prometheus gives a scrape, too."""

LINGER_S: Final = 0.5
"""Seconds after the answer for the peer to close: to close with bytes unread would reset the answer away."""

IDLE_S: Final = 10.0
"""Seconds without news after which a stream says that it is there: a peer that has gone without a word is noticed."""

_STILL_HERE: Final = b":\n\n"  # a comment, in server-sent events

_ACCEPT_PAUSE_S: Final = 0.2
_TEXT: Final = "text/plain; charset=utf-8"


class Request(NamedTuple):
    """What counts of a request: ``path`` without its query; the rest as sent, empty where nothing was."""

    method: str
    path: str
    accept: str
    host: str = ""
    origin: str = ""


class Stream(Protocol):
    """A body that has no end yet. All calls but that of ``wake`` come from the listener's thread."""

    def open(self, wake: Callable[[], None]) -> None:
        """The head is about to be written; ``wake`` says from any thread that there is something to send."""

    def next_chunk(self) -> bytes:
        """Return what comes next, empty if nothing is there now."""

    def close(self) -> None:
        """The peer has gone, or the listener ends."""


class Response(NamedTuple):
    """An answer; with a ``stream``, the body goes on until one of both ends it."""

    status: int
    body: bytes
    content_type: str = _TEXT
    stream: Stream | None = None


Respond = Callable[[Request], Response]


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, name = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(name)
        sock.listen(MAX_CONNECTIONS)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


@final
class _Connection:
    """Reads a head, writes an answer, waits for the end; or goes on with a stream."""

    __slots__ = ("deadline", "head", "lingers", "out", "sock", "stream")

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self.deadline = deadline
        self.head = bytearray()
        self.out = memoryview(b"")
        self.lingers = False
        self.stream: Stream | None = None


@final
class Listener:
    """Serves what ``respond`` says on a listening socket; ``report`` takes what a bug of ours raised."""

    def __init__(self, sock: socket.socket, respond: Respond, report: Callable[[BaseException], None]) -> None:
        self._sock = sock
        self._respond = respond
        self._report = report
        self._connections: dict[socket.socket, _Connection] = {}  # the oldest first
        self._selector = selectors.DefaultSelector()
        self._selector.register(sock, selectors.EVENT_READ)
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._roused = False
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="admin", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop; an answer that is under way is cut."""
        self._closing = True
        self._wake.close()
        if self._thread.ident is not None:
            self._thread.join(1.0)
        else:
            self._end()

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception as error:
                self._report(error)
                time.sleep(_ACCEPT_PAUSE_S)  # it may come again at once
        self._end()

    def _end(self) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection)
        self._selector.close()
        self._woken.close()
        self._sock.close()

    def _turn(self) -> None:
        """Wait for something to happen, and do it."""
        for key, _ in self._selector.select(self._patience()):
            if key.fileobj is self._sock:
                self._accept()
            elif key.fileobj is self._woken:
                self._go_on_with_streams()
            elif isinstance(key.data, _Connection) and key.data.sock in self._connections:
                self._go_on(key.data)
        now = time.monotonic()
        for connection in [one for one in self._connections.values() if one.deadline <= now]:
            if connection.stream is not None and not connection.out:
                self._send(connection, _STILL_HERE)
            else:
                self._drop(connection)

    def _patience(self) -> float | None:
        if not self._connections:
            return None
        return max(0.0, min(one.deadline for one in self._connections.values()) - time.monotonic())

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except BlockingIOError:
            return
        except OSError as error:  # out of file descriptors: the connection waits, and so do we
            _LOG.debug("connection reset", extra={"fields": {"error": error}})
            time.sleep(_ACCEPT_PAUSE_S)
            return
        if len(self._connections) >= MAX_CONNECTIONS:  # streams are fewer: their owner bounds them
            self._drop(next(one for one in self._connections.values() if one.stream is None))
        sock.setblocking(False)
        connection = self._connections[sock] = _Connection(sock, time.monotonic() + HEAD_S)
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _drop(self, connection: _Connection) -> None:
        if connection.stream is not None:
            connection.stream.close()
        del self._connections[connection.sock]
        self._selector.unregister(connection.sock)
        connection.sock.close()

    def _go_on(self, connection: _Connection) -> None:
        try:
            if connection.out:
                self._write(connection)
            else:
                self._read(connection)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # the peer has gone
            self._drop(connection)

    def rouse(self) -> None:
        """Look at the streams soon; from any thread. Once is enough until that has happened."""
        if not self._roused:
            self._roused = True
            with suppress(OSError):  # full: it is awake; closed: there are no streams any more
                self._wake.send(b"\0")

    def _go_on_with_streams(self) -> None:
        """Send one chunk to each that has none on its way; the next comes when it is written."""
        with suppress(BlockingIOError):
            self._woken.recv(64)
        self._roused = False
        for connection in list(self._connections.values()):
            if connection.stream is not None and not connection.out:
                chunk = self._next_chunk(connection.stream)
                if chunk:
                    self._send(connection, chunk)

    def _next_chunk(self, stream: Stream) -> bytes:
        try:
            return stream.next_chunk()
        except Exception as error:
            self._report(error)
            return b""

    def _read(self, connection: _Connection) -> None:
        data = connection.sock.recv(MAX_HEAD)
        if not data:
            self._drop(connection)
        elif not connection.lingers and connection.stream is None:
            connection.head += data
            self._look(connection)

    def _look(self, connection: _Connection) -> None:
        """Answer if the head is whole, or can't become one."""
        head, end, _ = connection.head.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD:
            self._answer(connection, "GET", _plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        elif end:
            request = parse_head(bytes(head))
            method = request.method if request is not None else "GET"
            self._answer(connection, method, self._response(request))

    def _response(self, request: Request | None) -> Response:
        if request is None:
            return _plain(HTTPStatus.BAD_REQUEST)
        if request.method not in ("GET", "HEAD"):
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            return self._respond(request)
        except Exception as error:
            self._report(error)
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _answer(self, connection: _Connection, method: str, response: Response) -> None:
        connection.head = bytearray()
        if response.stream is not None and method != "HEAD":
            connection.stream = response.stream
            connection.stream.open(self.rouse)
        self._send(connection, _encode(response, with_body=method != "HEAD"))

    def _send(self, connection: _Connection, data: bytes) -> None:
        connection.out = memoryview(data)
        connection.deadline = time.monotonic() + ANSWER_S
        self._selector.modify(connection.sock, selectors.EVENT_WRITE, connection)
        self._go_on(connection)

    def _write(self, connection: _Connection) -> None:
        connection.out = connection.out[connection.sock.send(connection.out) :]
        if not connection.out and connection.stream is not None:
            connection.deadline = time.monotonic() + IDLE_S
            self._selector.modify(connection.sock, selectors.EVENT_READ, connection)
            self.rouse()
        elif not connection.out:
            connection.lingers = True
            connection.deadline = time.monotonic() + LINGER_S
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_WR)
            self._selector.modify(connection.sock, selectors.EVENT_READ, connection)


def parse_head(head: bytes) -> Request | None:
    """Return the request of a head without its empty line, ``None`` if it is none of HTTP/1."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        return None
    pairs = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def field(wanted: str) -> str:
        return ",".join(value for name, value in pairs if name == wanted)  # of two hosts none is ours

    return Request(words[0], words[1].partition("?")[0], field("accept"), field("host"), field("origin"))


def _plain(status: HTTPStatus) -> Response:
    return Response(status, f"{status.phrase}\n".encode())


def _encode(response: Response, *, with_body: bool) -> bytes:
    length = "" if response.stream is not None else f"Content-Length: {len(response.body)}\r\n"
    allow = "Allow: GET, HEAD\r\n" if response.status == HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"Content-Type: {response.content_type}\r\n{length}"
        f"{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (response.body if with_body else b"")
