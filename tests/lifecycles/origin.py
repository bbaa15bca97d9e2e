"""The server of the life cycles: answers by path, well or badly, and remembers who asked and when it had answered.

/404, /500 …      that status                     /slow?ms=300       200 after 300 ms
/stream?ms=250    pieces for 250 ms               /cut?ms=100        10 of 20 bytes, later a reset
/stall?ms=250     half, the rest after 250 ms     /upgrade           101, then every byte sent back
/close            nothing, the connection ends    /garbage           no HTTP
/close-once       the same, the first time         /early             200 before the body is there
/hints            103, then 200
/big              as much as no buffer holds       anything else      200
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from peer.processes import LOOPBACK

BIG = 50_000_000
_PIECE = bytes(50_000)
_HEAD = b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n%s\r\n"


@dataclass
class Answered:
    """One request as it came, and when the origin was done with it, or could not go on (0: not yet)."""

    path: str
    traceparent: list[str]
    ended_ns: int = 0


class Origin:
    """A thread for each connection. Use as a context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.answered: list[Answered] = []  # append is atomic

    def of(self, trace_id: str) -> list[Answered]:
        """The requests of one trace, in their order."""
        return [one for one in self.answered if any(value[3:35] == trace_id for value in one.traceparent)]

    def __enter__(self) -> Origin:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer_all, args=(connection,), daemon=True).start()

    def _answer_all(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError), connection:
            while head := read_head(connection):
                one = Answered(head.split(b" ", 2)[1].decode(), _values(head, b"traceparent"))
                again = any(before.path == one.path for before in self.answered)
                self.answered.append(one)
                try:
                    goes_on = _answer(connection, head, one.path, again)
                finally:
                    one.ended_ns = time.time_ns()
                if not goes_on:
                    return


def read_head(connection: socket.socket) -> bytes:
    """Return what came up to the end of a head, b"" if the connection ended before."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65536)
        if not data:
            return b""
        head += data
    return head


def _values(head: bytes, name: bytes) -> list[str]:
    return [value.decode() for value in re.findall(rb"(?mi)^" + name + rb": *(.*?)\r?$", head)]


def _answer(connection: socket.socket, head: bytes, path: str, again: bool) -> bool:
    """Answer one request; false where the connection is to end."""
    url = urlsplit(path)
    wait = int(parse_qs(url.query).get("ms", ["0"])[0]) / 1000
    special = _SPECIAL.get(url.path)
    if url.path == "/close-once" and not again:
        return False
    if special is not None:
        return special(connection, wait)
    _read_body(connection, head)
    time.sleep(wait)
    status = int(url.path[1:4]) if url.path[1:4].isdigit() else 200
    body = b"" if head.startswith(b"HEAD ") or status == 204 else b"ok"
    connection.sendall(_HEAD % (status, 0 if status == 204 else 2, b"cache-control: max-age=60\r\n") + body)
    return True


def _read_body(connection: socket.socket, head: bytes) -> None:
    if b"100-continue" in head:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    missing = int((_values(head, b"content-length") or ["0"])[0]) - len(head.partition(b"\r\n\r\n")[2])
    while missing > 0:
        data = connection.recv(65536)
        if not data:
            raise ConnectionResetError
        missing -= len(data)


def _close(connection: socket.socket, _: float) -> bool:
    return False


def _garbage(connection: socket.socket, _: float) -> bool:
    connection.sendall(b"garbage\r\n\r\n")
    return False


def _early(connection: socket.socket, _: float) -> bool:
    connection.sendall(_HEAD % (200, 2, b"") + b"ok")
    while connection.recv(65536):
        pass
    return False


def _hints(connection: socket.socket, _: float) -> bool:
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n")
    connection.sendall(_HEAD % (200, 2, b"") + b"ok")
    return True


def _upgrade(connection: socket.socket, _: float) -> bool:
    # The key of RFC 6455's example and what it asks for.
    accept = b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    connection.sendall(b"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\n" + accept + b"\r\n")
    while data := connection.recv(65536):
        connection.sendall(data)
    return False


def _stream(connection: socket.socket, wait: float) -> bool:
    """As a program that makes its answer piece by piece. The end is by the clock, not by the sum of the pauses."""
    end = time.monotonic() + wait
    connection.sendall(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")
    while (left := end - time.monotonic()) > 0:
        connection.sendall(b"5\r\npiece\r\n")
        time.sleep(min(left, 0.01))
    connection.sendall(b"0\r\n\r\n")
    return True


def _stall(connection: socket.socket, wait: float) -> bool:
    connection.sendall(_HEAD % (200, 20, b"") + b"0123456789")
    time.sleep(wait)
    connection.sendall(b"0123456789")
    return True


def _cut(connection: socket.socket, wait: float) -> bool:
    connection.sendall(_HEAD % (200, 20, b"") + b"0123456789")
    time.sleep(wait)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _big(connection: socket.socket, _: float) -> bool:
    connection.sendall(_HEAD % (200, BIG, b""))
    for _ in range(BIG // len(_PIECE)):
        connection.sendall(_PIECE)
    return True


_SPECIAL: dict[str, Callable[[socket.socket, float], bool]] = {
    "/close": _close,
    "/garbage": _garbage,
    "/early": _early,
    "/hints": _hints,
    "/upgrade": _upgrade,
    "/stream": _stream,
    "/stall": _stall,
    "/cut": _cut,
    "/big": _big,
}
