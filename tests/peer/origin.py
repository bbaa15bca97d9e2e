"""The server behind HAProxy: answers by path, and remembers what reached it.

/404, /503 …          that status              /slow?ms=300            200 after 300 ms
/stream?chunks=5&ms=9 chunks with pauses       /close                  no answer, the connection ends
/together?n=3         200 when three of these are here at the same time, 503 when not within seconds
anything else         200 with the body that was sent, or with the path and query
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from peer.processes import LOOPBACK, PATIENCE

_STATUS = re.compile(r"/[2-5]\d\d")


@dataclass(frozen=True)
class Received:
    """A request as it reached the origin. Header names are in lower case; order and repetition are kept."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """All values of one header: [] when it is missing, [""] when it is there and empty."""
        return [value for key, value in self.headers if key == name]


class Origin:
    """An HTTP/1.1 server with a thread per connection. Use as a context manager."""

    def __init__(self) -> None:
        self._received: list[Received] = []
        self._lock = threading.Lock()
        self._barriers: dict[int, threading.Barrier] = {}
        self._server = _Server((LOOPBACK, 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def received(self) -> list[Received]:
        """The requests so far, in the order of their headers' arrival."""
        with self._lock:
            return list(self._received)

    def received_at(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]

    def remember(self, request: Received) -> None:
        with self._lock:
            self._received.append(request)

    def wait_for_others(self, number: int) -> bool:
        """Wait until `number` requests wait here at the same time."""
        with self._lock:
            barrier = self._barriers.setdefault(number, threading.Barrier(number))
        try:
            barrier.wait(PATIENCE / 2)
        except threading.BrokenBarrierError:
            return False
        return True

    def __enter__(self) -> Origin:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: HAProxy may reset an idle connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    origin: Origin

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        chunks: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def do_GET(self) -> None:
        body = self._body()
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        self.origin.remember(Received(self.command, self.path, headers, body))
        url = urlsplit(self.path)
        query = {key: int(values[0]) for key, values in parse_qs(url.query).items() if values[0].isdigit()}
        match url.path:
            case "/close":
                self.close_connection = True
            case "/stream":
                self._stream(query.get("chunks", 5), query.get("ms", 10))
            case "/together":
                self._answer(200 if self.origin.wait_for_others(query["n"]) else 503, self.path.encode())
            case path:
                time.sleep(query.get("ms", 0) / 1000)
                self._answer(int(path[1:]) if _STATUS.fullmatch(path) else 200, body or self.path.encode())

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 (http.server's names)

    def _answer(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} Answer\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
        # One write: an answer in two segments would wait for the peer's delayed ACK.
        self.wfile.write(head.encode() + (b"" if self.command == "HEAD" else body))

    def _stream(self, chunks: int, pause_ms: int) -> None:
        self.wfile.write(b"HTTP/1.1 200 Answer\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(chunks):
            time.sleep(pause_ms / 1000)
            chunk = f"chunk {number}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing: what was received can be asked for."""


def _handler_of(owner: Origin) -> type[_Handler]:
    class Handler(_Handler):
        origin = owner

    return Handler
