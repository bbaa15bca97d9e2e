"""The scenarios: each way that a stream of HAProxy can live and end, played by a client.

Each is a function of a visit: it does what the client does, and leaves the streams that it made in the visit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from lifecycles.client import CLOSE, Http2, Visit, head

Act = Callable[[Visit], object]


class Scenario(NamedTuple):
    """``name`` is what the golden records and the page call it; ``what`` says it to a person."""

    name: str
    what: str
    act: Act


def _get(path: str, method: str = "GET", headers: str = "", port: str = "web") -> Act:
    """A request for ``path``; HAProxy closes after the answer."""
    return lambda visit: visit.get(path.format(visit=visit), method, headers, port)


def _post(visit: Visit) -> None:
    with visit.connect() as connection:
        stream = connection.ask("/items", "POST", f"Content-Length: 5\r\n{CLOSE}", b"hello")
        connection.read_to_end(stream)


def _post_slowly(path: str) -> Act:
    def act(visit: Visit) -> None:
        with visit.connect() as connection:
            stream = connection.ask(path, "POST", f"Content-Length: 10\r\n{CLOSE}", b"hello")
            time.sleep(0.2)
            connection.send(b"world")
            connection.read_to_end(stream)

    return act


def _expect(visit: Visit) -> None:
    with visit.connect() as connection:
        stream = connection.ask("/items", "POST", f"Content-Length: 5\r\nExpect: 100-continue\r\n{CLOSE}")
        connection.read_some(stream)
        connection.send(b"hello")
        connection.read_answer(stream)


def _hints(visit: Visit) -> None:
    with visit.connect() as connection:
        connection.read_answer(connection.ask("/hints", headers=CLOSE))


def _keep_alive(visit: Visit) -> None:
    with visit.connect() as connection:
        for path in ("/first", "/404", "/third"):
            connection.read_answer(connection.ask(path))
            time.sleep(0.05)


def _kept(path: str, then: str) -> Act:
    """Two requests on one connection; nothing may come back for the second but the end."""

    def act(visit: Visit) -> None:
        with visit.connect() as connection:
            connection.read_answer(connection.ask(path))
            connection.read_to_end(connection.ask(then, headers=CLOSE))

    return act


def _pipelined(visit: Visit) -> None:
    with visit.connect() as connection:
        streams = [connection.begin(), connection.begin()]
        connection.send(head(streams[0], "/first") + head(streams[1], "/second", headers=CLOSE))
        for stream in streams:
            connection.read_answer(stream)


def _http2(visit: Visit) -> None:
    with Http2(visit) as connection:
        connection.ask("/h2?x=1")
        connection.ask("/stream?ms=200")
        connection.ask("/404")
        connection.read_answers()


def _http2_reset(visit: Visit) -> None:
    with Http2(visit) as connection:
        unwanted = connection.ask("/stream?ms=400")
        connection.read_some(unwanted)
        connection.ask("/stream?ms=200")
        connection.reset(unwanted)
        connection.read_answers()


def _http2_reset_before(visit: Visit) -> None:
    with Http2(visit, "heedful_h2") as connection:
        unwanted = connection.ask("/slow?ms=400")
        time.sleep(0.15)  # the server has it by now, on a busy machine too
        connection.reset(unwanted)
        connection.ask("/h2")
        connection.read_answers()


def _upgrade(visit: Visit) -> None:
    with visit.connect() as connection:
        asked = "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        stream = connection.ask("/upgrade", headers=asked + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
        connection.read_some(stream)
        for _ in range(2):
            connection.send(b"ping")
            time.sleep(0.05)
            connection.socket.recv(100)
        connection.leave(stream)


def _queue(visit: Visit) -> None:
    """The first takes the only place, the second gets none in time."""
    first = threading.Thread(target=visit.get, args=(f"/each/narrow?try={visit.number}&ms=400",))
    first.start()
    time.sleep(0.1)
    visit.get(f"/each/narrow?try={visit.number}")
    first.join()


def _cache(visit: Visit) -> None:
    for _ in range(2):
        visit.get(f"/to/cached?try={visit.number}")


def _early(visit: Visit) -> None:
    """The answer is there before the body is, which never comes whole."""
    with visit.connect() as connection:
        stream = connection.ask("/early", "POST", "Content-Length: 100\r\n", b"some")
        connection.read_answer(stream)
        time.sleep(0.05)
        connection.leave(stream)


def _abort(path: str, port: str = "web") -> Act:
    def act(visit: Visit) -> None:
        with visit.connect(port) as connection:
            stream = connection.ask(path)
            time.sleep(0.05)
            connection.reset(stream)

    return act


def _abort_answer(visit: Visit) -> None:
    with visit.connect() as connection:
        stream = connection.ask("/stream?ms=400")
        connection.read_some(stream)
        time.sleep(0.05)
        connection.reset(stream)


def _abort_upload(visit: Visit) -> None:
    with visit.connect() as connection:
        stream = connection.ask("/items", "POST", "Content-Length: 100\r\n", b"some")
        time.sleep(0.05)
        connection.reset(stream)


def _stall(visit: Visit) -> None:
    """Ask for much and read nothing of it, until HAProxy has enough of it: only the origin sees when."""
    with visit.connect("impatient") as connection:
        stream = connection.ask("/big")
        time.sleep(0.5)
        connection.read_some(stream)
        connection.leave(stream)


def _silently(visit: Visit) -> None:
    """Nothing comes back, not even the end of the connection: for the client it ends when it has asked."""
    with visit.connect() as connection:
        stream = connection.ask("/silent-drop")
        stream.ended_ns = time.time_ns()


def _connect_only(visit: Visit) -> None:
    with visit.connect() as connection:
        connection.leave(connection.begin(traced=False))


def _half(visit: Visit) -> None:
    with visit.connect() as connection:
        stream = connection.begin(traced=False)
        connection.send(b"GET /half HTTP/1.1\r\nHost: x\r\n")
        time.sleep(0.05)
        connection.reset(stream)


def _too_late(visit: Visit) -> None:
    with visit.connect("impatient") as connection:
        stream = connection.begin(traced=False)
        connection.send(b"GET /half HTTP/1.1\r\nHost: x\r\n")
        connection.read_to_end(stream)


def _bad(visit: Visit) -> None:
    with visit.connect() as connection:
        stream = connection.begin(traced=False)
        connection.send(b"nonsense\r\n\r\n")
        connection.read_to_end(stream)


def _tcp(visit: Visit) -> None:
    with visit.connect("plain") as connection:
        stream = connection.begin(traced=False)
        connection.send(b"GET /slow?ms=100 HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.read_answer(stream)
        connection.leave(stream)


def _tcp_refused(visit: Visit) -> None:
    with visit.connect("plain_refused") as connection:
        stream = connection.begin(traced=False)
        connection.send(b"x")
        connection.read_to_end(stream)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("get", "a request, an answer", _get("/items?id=7&q=a%20b")),
    Scenario("post", "a body with the request", _post),
    Scenario("slow-body", "the second half of the body comes 200 ms late", _post_slowly("/items")),
    Scenario("wait-for-body", "the same, and `http-request wait-for-body`", _post_slowly("/wait-for-body")),
    Scenario("100-continue", "the client asks whether to send its body", _expect),
    Scenario("103", "early hints before the answer", _hints),
    Scenario("head", "HEAD", _get("/items", "HEAD")),
    Scenario("options", "`OPTIONS *`", _get("*", "OPTIONS")),
    Scenario("204", "no content", _get("/204")),
    Scenario("404", "the origin does not know it", _get("/404")),
    Scenario("500", "the origin fails", _get("/500")),
    Scenario("ruled", "a backend with rules of its own", _get("/to/ruled")),
    Scenario("keep-alive", "three requests, one after the other, 50 ms between them", _keep_alive),
    Scenario("pipelined", "two requests at once on one connection", _pipelined),
    Scenario("h2", "HTTP/2, three streams at the same time", _http2),
    Scenario("h2-reset", "HTTP/2, one of two is reset while its answer comes", _http2_reset),
    Scenario("h2-reset-before", "HTTP/2, one of two is reset before its answer", _http2_reset_before),
    Scenario("streamed", "the answer comes in pieces for 250 ms", _get("/stream?ms=250")),
    Scenario("streamed-1s", "the answer comes in pieces for 1 s", _get("/stream?ms=1000")),
    Scenario("upgrade", "a WebSocket, open for 100 ms", _upgrade),
    Scenario("cache", "the same twice: from the origin, from HAProxy's cache", _cache),
    Scenario("stats", "HAProxy's own page", _get("/to/stats")),
    Scenario("monitor", "`monitor-uri`", _get("/monitor")),
    Scenario("deny", "`http-request deny`", _get("/deny")),
    Scenario("backend-deny", "the same in the backend", _get("/to/denying")),
    Scenario("return", "`http-request return`", _get("/return")),
    Scenario("redirect", "`http-request redirect`", _get("/redirect")),
    Scenario("tarpit", "`http-request tarpit`, 60 ms", _get("/tarpit")),
    Scenario("reject", "`http-request reject`", _get("/reject")),
    Scenario("silent-drop", "`http-request silent-drop`", _silently),
    Scenario("response-deny", "`http-response deny`", _get("/response-deny")),
    Scenario("no-server", "a backend without a server", _get("/to/nobody")),
    Scenario("refused", "two servers refuse, two retries, one redispatch", _get("/to/refusing")),
    Scenario("retry", "one server refuses, the next answers", _get("/each/retrying?try={visit.number}")),
    Scenario("connect-timeout", "the connection is not made within 150 ms", _get("/to/blackhole")),
    Scenario("queue-timeout", "one holds the only place, the other waits 150 ms for it", _queue),
    Scenario("server-timeout", "no answer within 200 ms", _get("/to/late/slow?ms=400")),
    Scenario("server-stall", "half an answer, then nothing for 200 ms", _get("/to/late/stall?ms=500")),
    Scenario("server-close", "the origin closes without an answer", _get("/close")),
    Scenario("server-close-kept", "the same, to the second request on kept connections", _kept("/items", "/close")),
    Scenario("replayed", "the same, `retry-on`, the second try is answered",
             _get("/to/replaying/close-once?try={visit.number}")),
    Scenario("replayed-in-vain", "the same, no try is answered", _get("/to/failing")),
    Scenario("replayed-kept", "the same, to the second request on kept connections",
             _kept("/to/replaying/items", "/to/replaying/close")),
    Scenario("garbage", "the origin speaks no HTTP", _get("/garbage")),
    Scenario("server-abort", "the origin resets in mid-body", _get("/cut?ms=100")),
    Scenario("early-answer", "the answer comes before the body, the client leaves", _early),
    Scenario("client-abort", "the client resets in mid-answer", _abort_answer),
    Scenario("client-abort-before", "the client resets before the answer, which takes 200 ms", _abort("/slow?ms=200")),
    Scenario("client-abort-heeded", "the same, `option abortonclose`", _abort("/slow?ms=400", "heedful")),
    Scenario("client-abort-upload", "the client resets in mid-body", _abort_upload),
    Scenario("client-stall", "the client reads nothing for 250 ms", _stall),
    Scenario("listen", "`listen` instead of frontend and backend", _get("/items", port="both")),
    Scenario("backend-filter", "the filter stands in the backend", _get("/items", port="bare")),
    Scenario("tcp", "`mode tcp`", _tcp),
    Scenario("tcp-refused", "`mode tcp`, the server refuses", _tcp_refused),
    Scenario("connect-only", "a connection without a byte", _connect_only),
    Scenario("half-request", "half a head, then a reset", _half),
    Scenario("request-timeout", "half a head, nothing more for 200 ms", _too_late),
    Scenario("bad-request", "no HTTP at all", _bad),
)  # fmt: skip
