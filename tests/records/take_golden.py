"""Take the golden records again: run each HAProxy that can be had through every ending, keep what it logs.

Run by hand, from the project's folder:  python tests/records/take_golden.py [VERSION ...]
It writes tests/golden-records/<version>.txt, a line "scenario<TAB>datagram" for each datagram.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import haproxy_versions  # noqa: E402 (the folders must be known first)

from peer.haproxy import Haproxy  # noqa: E402
from peer.processes import LOOPBACK, free_port  # noqa: E402

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

# The keys and values that docs/records.md lists.
HTTP_FORMAT = (
    '{"ht":1,"id":"%[unique-id,json(utf8s)]","up":"%[var(txn.otel_up)]","tp":"%[var(txn.otel_tp),json(utf8s)]",'
    '"link":"%[var(txn.otel_link),json(utf8s)]","ts":"%[var(txn.otel_ts),json(utf8s)]","t0":"%[var(txn.otel_t0)]",'
    '"t1":"%[date(0,us)]","T":["%TR","%Tw","%Tc","%Tr","%Ta","%Tt"],"st":"%ST","tc":"%tsc","fe":"%f","be":"%b",'
    '"srv":"%s","ci":"%ci","cp":"%cp","si":"%si","sp":"%sp","B":"%B","U":"%U","rc":"%rc","m":"%HM","v":"%HV",'
    '"uri":"%[capture.req.uri,json(utf8s)]","host":"%[var(txn.otel_host),json(utf8s)]",'
    '"ua":"%[var(txn.otel_ua),json(utf8s)]","tls":"%[ssl_fc]","err":"%[var(txn.otel.err)]"}'
)
TCP_FORMAT = (
    '{"ht":1,"id":"%[unique-id,json(utf8s)]","up":"%[var(txn.otel_up)]","t1":"%[date(0,us)]",'
    '"T":["-1","%Tw","%Tc","-1","%Tt","%Tt"],"tc":"%ts","fe":"%f","be":"%b","srv":"%s","ci":"%ci","cp":"%cp",'
    '"si":"%si","sp":"%sp","B":"%B","U":"%U","rc":"%rc"}'
)

CONFIG = """\
global
    log {log} len 8192 format raw local0
    log {log} len 8192 format rfc3164 local1
    log {log} len 8192 format rfc5424 local2
    log-send-hostname proxy-1
    log-tag haproxy
defaults
    log global
    mode http
    option dontlognull
    option redispatch 1
    retries 2
    timeout connect 150ms
    timeout client 700ms
    timeout server 300ms
    timeout queue 150ms
    timeout tarpit 60ms
    timeout http-request 200ms
    unique-id-format %[uuid]
cache small
    total-max-size 4
frontend web
    bind {host}:{web}
    bind {host}:{h2} proto h2
    tcp-request inspect-delay 1s
    tcp-request content set-var(txn.otel_t0) date(0,us) if HTTP
    tcp-request content set-var(txn.otel_tp) req.fhdr(traceparent) if {{ src 127.0.0.1 }} {{ req.fhdr(x-trust) yes }}
    tcp-request content set-var(txn.otel_ts) req.fhdr(tracestate) if {{ var(txn.otel_tp) -m found }}
    tcp-request content set-var(txn.otel_link) req.fhdr(traceparent) if !{{ var(txn.otel_tp) -m found }}
    tcp-request content set-var(txn.otel_trace) var(txn.otel_tp),field(2,-) if {{ var(txn.otel_tp) -m found }}
    tcp-request content set-var(txn.otel_trace) uuid,regsub(-,,g) if !{{ var(txn.otel_tp) -m found }}
    tcp-request content set-var(txn.otel_span) uuid,regsub(-,,g),bytes(16,16)
    tcp-request content set-var(txn.otel_up) str(00-),concat(,txn.otel_trace),concat(-,txn.otel_span),concat(-01)
    http-request set-var(txn.otel_host) req.fhdr(host)
    http-request set-var(txn.otel_ua) req.fhdr(user-agent)
    http-request deny if {{ path /deny }}
    http-request return status 200 content-type text/plain string here if {{ path /return }}
    http-request redirect location /elsewhere if {{ path /redirect }}
    http-request tarpit if {{ path /tarpit }}
    http-request reject if {{ path /reject }}
    http-request silent-drop if {{ path /silent-drop }}
    http-response deny if {{ capture.req.uri /response-deny }}
    use_backend nobody if {{ path /no-server }}
    use_backend refusing if {{ path /refused }}
    use_backend blackhole if {{ path /connect-timeout }}
    use_backend narrow if {{ path_beg /queue }}
    use_backend cached if {{ path /cached }}
    use_backend stats if {{ path /stats }}
    default_backend origin
    log-format '{http_format}'
frontend early
    bind {host}:{early}
    option logasap
    default_backend origin
    log-format '{http_format}'
frontend tls-and-v6
    bind ::1:{v6}
    default_backend origin
    log-format '{http_format}'
frontend plain
    mode tcp
    bind {host}:{tcp}
    default_backend tcp-origin
    log-format '{tcp_format}'
frontend plain-refused
    mode tcp
    bind {host}:{tcp_refused}
    default_backend tcp-refusing
    log-format '{tcp_format}'
backend origin
    server s1 {host}:{origin}
backend nobody
backend refusing
    server r1 {host}:{closed}
    server r2 {host}:{closed}
backend blackhole
    retries 0
    server full {host}:{full}
backend narrow
    server n1 {host}:{origin} maxconn 1
backend cached
    http-request cache-use small
    http-response cache-store small
    server s1 {host}:{origin}
backend stats
    stats enable
    stats uri /stats
backend tcp-origin
    mode tcp
    server t1 {host}:{origin}
backend tcp-refusing
    mode tcp
    server r1 {host}:{closed}
"""

HEAD = b"HTTP/1.1 %s X\r\ncontent-length: %d\r\n%s\r\n"


def serve(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer_all, args=(connection,), daemon=True).start()


def answer_all(connection: socket.socket) -> None:
    with contextlib.suppress(OSError), connection:
        while head := read_head(connection):
            if not answer(connection, head.split(b" ")[1]):
                return


def read_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65536)
        if not data:
            return b""
        head += data
    return head


def answer(connection: socket.socket, path: bytes) -> bool:
    """Answer one request; false where the connection is to end."""
    if path in (b"/close", b"/garbage"):
        connection.sendall(b"garbage\r\n\r\n" if path == b"/garbage" else b"")
        return False
    if path in (b"/slow", b"/queue", b"/abort-before"):
        time.sleep(0.5)
    if path in (b"/cut", b"/stall", b"/big", b"/stream"):
        size = 50_000_000 if path == b"/big" else 20
        connection.sendall(HEAD % (b"200", size, b"") + b"0123456789")
        return send_rest(connection, path)
    status = path[1:4] if path[1:4].isdigit() else b"200"
    connection.sendall(HEAD % (status, 2, b"cache-control: max-age=60\r\n") + b"ok")
    return True


def send_rest(connection: socket.socket, path: bytes) -> bool:
    if path == b"/cut":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    if path == b"/big":
        connection.sendall(bytes(50_000_000 - 10))
    else:
        time.sleep(0.8 if path == b"/stall" else 0.25)
        connection.sendall(b"0123456789")
    return True


def get(path: str, headers: str = "", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: probe/1\r\n{headers}\r\n".encode()


def ask(port: int, data: bytes, read_for: float = 2.0, host: str = LOOPBACK, reset: bool = False) -> None:
    """Send `data`, read until the end or for `read_for` seconds, close."""
    with contextlib.suppress(OSError), socket.create_connection((host, port)) as connection:
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(data)
        connection.settimeout(min(0.15, read_for))
        end = time.monotonic() + read_for
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                if not connection.recv(65536):
                    return


def unread(port: int, data: bytes) -> None:
    """Ask for much and read nothing of it: HAProxy's client time-out."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((LOOPBACK, port))
        connection.sendall(data)
        time.sleep(2.0)


def h2_get(port: int) -> None:
    import h2.config
    import h2.connection

    connection = h2.connection.H2Connection(config=h2.config.H2Configuration(header_encoding=None))
    connection.initiate_connection()
    headers = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", "/h2?x=1")]
    connection.send_headers(1, headers, end_stream=True)
    ask(port, connection.data_to_send(), 0.3)


CLOSE = "Connection: close\r\n"


def scenarios(ports: dict[str, int]) -> Iterator[tuple[str, Callable[[], object]]]:
    """Names, and what the client does."""
    web = ports["web"]

    def path(name: str, *arguments: str) -> Callable[[], object]:
        return lambda: ask(web, get(name, *arguments))

    trusted = f"{CLOSE}X-Trust: yes\r\ntraceparent: {CALLER}\r\ntracestate: vendor=1,other=2\r\n"
    yield "get", path("/items?id=7&q=a%20b", CLOSE)
    yield "head", path("/items", CLOSE, "HEAD")
    yield "strange-method", path("/items", CLOSE, "BREW")
    yield (
        "strange-text",
        lambda: ask(
            web,
            b'GET /a%22%E4?q="b\\c HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: tab\there "q" \\ \xc3\xa4\xff\r\n'
            + CLOSE.encode()
            + b"\r\n",
        ),
    )
    yield "trusted-caller", path("/items", trusted)
    yield "untrusted-caller", path("/items", f"{CLOSE}traceparent: {CALLER}\r\n")
    yield "untrusted-strange", path("/items", CLOSE + 'traceparent: 01-"x\\y"\r\n')
    yield "keep-alive", lambda: ask(web, get("/first") + get("/second", CLOSE))
    yield "404", path("/404", CLOSE)
    yield "500", path("/500", CLOSE)
    yield "streamed", path("/stream", CLOSE)
    yield "no-server", path("/no-server", CLOSE)
    yield "refused", path("/refused", CLOSE)
    yield "connect-timeout", path("/connect-timeout", CLOSE)
    yield "server-timeout", path("/slow", CLOSE)
    yield "server-close", path("/close", CLOSE)
    yield "garbage", path("/garbage", CLOSE)
    yield "queue-timeout", lambda: both(path("/queue", CLOSE), path("/queue2", CLOSE))
    for name in ("deny", "return", "redirect", "tarpit", "reject", "silent-drop", "response-deny", "stats"):
        yield name, path(f"/{name}", CLOSE)
    yield "cache", lambda: [path("/cached", CLOSE)(), path("/cached", CLOSE)()]
    yield "server-abort", path("/cut", CLOSE)
    yield "server-stall", path("/stall", CLOSE)
    yield "client-abort", lambda: ask(web, get("/stream"), 0.05, reset=True)
    yield "client-abort-before", lambda: ask(web, get("/abort-before"), 0.05, reset=True)
    yield "client-stall", lambda: unread(web, get("/big"))
    yield "half-request", lambda: ask(web, b"GET /half HTTP/1.1\r\nHost: x\r\n", 0.05)
    yield "request-timeout", lambda: ask(web, b"GET /half HTTP/1.1\r\nHost: x\r\n")
    yield "bad-request", lambda: ask(web, b"nonsense\r\n\r\n")
    yield "h2", lambda: h2_get(ports["h2"])
    yield "logasap", lambda: ask(ports["early"], get("/stream", CLOSE))
    yield "ipv6", lambda: ask(ports["v6"], get("/items", CLOSE), host="::1")
    yield "tcp", lambda: ask(ports["tcp"], get("/items"), 0.1)
    yield "tcp-refused", lambda: ask(ports["tcp_refused"], b"x")


def both(first: Callable[[], object], second: Callable[[], object]) -> None:
    thread = threading.Thread(target=first)
    thread.start()
    time.sleep(0.05)
    second()
    thread.join()


def take(version: haproxy_versions.HaproxyVersion) -> Iterator[tuple[str, bytes]]:
    """Run all scenarios on one HAProxy; yield scenario and datagram."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        log.bind((LOOPBACK, 0))
        origin = stack.enter_context(socket.create_server((LOOPBACK, 0)))
        threading.Thread(target=serve, args=(origin,), daemon=True).start()
        full = stack.enter_context(socket.create_server((LOOPBACK, 0), backlog=0))
        for _ in range(4):  # fill its backlog: further connections get no answer
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        ports = {name: free_port() for name in ("web", "h2", "early", "v6", "tcp", "tcp_refused", "closed")}
        ports |= {"origin": origin.getsockname()[1], "full": full.getsockname()[1]}
        config = CONFIG.format(
            log=f"{LOOPBACK}:{log.getsockname()[1]}",
            host=LOOPBACK,
            http_format=HTTP_FORMAT,
            tcp_format=TCP_FORMAT,
            **ports,
        )
        haproxy = Haproxy(version, config, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(haproxy.stop)
        for name, act in scenarios(ports):
            act()
            for datagram in datagrams(log):
                yield name, datagram


def datagrams(log: socket.socket) -> Iterator[bytes]:
    """All that comes until a quiet moment."""
    log.settimeout(1.2)
    with contextlib.suppress(TimeoutError):
        while True:
            yield log.recv(65536)
            log.settimeout(0.4)


def main() -> None:
    folder = ROOT / "tests" / "golden-records"
    for version in haproxy_versions.discover().versions:
        if sys.argv[1:] and version.name not in sys.argv[1:]:
            continue
        lines = []
        for name, datagram in take(version):
            text = datagram.rstrip(b"\n")
            if b"\n" in text or (name != "get" and text.startswith(b"<")):
                # The two formats with a header say the same again: one scenario shows them.
                continue
            lines.append(name.encode() + b"\t" + text + b"\n")
        full = version.full.partition("-")[0].partition("+")[0]
        (folder / f"{full}.txt").write_bytes(b"".join(lines))
        print(full, len(lines))


if __name__ == "__main__":
    main()
