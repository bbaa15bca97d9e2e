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
from typing import Final, NamedTuple, final

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

_ACCEPT_PAUSE_S: Final = 0.2
_TEXT: Final = "text/plain; charset=utf-8"


class Request(NamedTuple):
    """What counts of a request: ``path`` without its query; the rest as sent, empty where nothing was."""

    method: str
    path: str
    accept: str
    host: str = ""
    origin: str = ""


class Response(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    content_type: str = _TEXT


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
    """Reads a head, writes an answer, waits for the end."""

    __slots__ = ("deadline", "head", "lingers", "out", "sock")

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self.sock = sock
        self.deadline = deadline
        self.head = bytearray()
        self.out = memoryview(b"")
        self.lingers = False


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
            elif isinstance(key.data, _Connection) and key.data.sock in self._connections:
                self._go_on(key.data)
        now = time.monotonic()
        for connection in [one for one in self._connections.values() if one.deadline <= now]:
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
        if len(self._connections) >= MAX_CONNECTIONS:
            self._drop(next(iter(self._connections.values())))
        sock.setblocking(False)
        connection = self._connections[sock] = _Connection(sock, time.monotonic() + HEAD_S)
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _drop(self, connection: _Connection) -> None:
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

    def _read(self, connection: _Connection) -> None:
        data = connection.sock.recv(MAX_HEAD)
        if not data:
            self._drop(connection)
        elif not connection.lingers:
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
        connection.out = memoryview(_encode(response, with_body=method != "HEAD"))
        connection.head = bytearray()
        connection.deadline = time.monotonic() + ANSWER_S
        self._selector.modify(connection.sock, selectors.EVENT_WRITE, connection)
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        connection.out = connection.out[connection.sock.send(connection.out) :]
        if not connection.out:
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
    allow = "Allow: GET, HEAD\r\n" if response.status == HTTPStatus.METHOD_NOT_ALLOWED else ""
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"Content-Type: {response.content_type}\r\nContent-Length: {len(response.body)}\r\n"
        f"{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (response.body if with_body else b"")
