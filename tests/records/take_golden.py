"""Take the golden records again: run each HAProxy that can be had through every ending, keep what it logs.

Run by hand, from the project's folder:  python tests/records/take_golden.py [VERSION ...]
It writes tests/golden-records/<version>.txt, a line "scenario<TAB>datagram" for each datagram, and up to 3.0
<version>.data, the same of records that are the structured data of log lines.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import haproxy_versions  # noqa: E402 (the folders must be known first)

from lifecycles.client import CLOSE, Visit  # noqa: E402
from lifecycles.configuration import Lines, choose_ports, configuration  # noqa: E402
from lifecycles.origin import Origin  # noqa: E402
from lifecycles.run import full_listener, generated  # noqa: E402
from lifecycles.scenarios import SCENARIOS, Act, Scenario  # noqa: E402
from peer.haproxy import Haproxy  # noqa: E402
from peer.processes import LOOPBACK, free_port  # noqa: E402

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACEPARENT = f"traceparent: {CALLER}\r\n"

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

LOGS = """\
log {log} len 8192 format raw local0
    log {log} len 8192 format rfc3164 local1
    log {log} len 8192 format rfc5424 local2
    log-send-hostname proxy-1
    log-tag haproxy"""

HTTP_LINES = f"""\
    unique-id-format %[uuid]
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
    log-format '{HTTP_FORMAT}'
"""

TCP_LINES = f"""\
    unique-id-format %[uuid]
    log-format '{TCP_FORMAT}'
"""

# What no life cycle needs, but a reader of records does.
MORE_FRONTENDS = """\
frontend early
    bind {host}:{early}
    option logasap
{http}
    default_backend origin
frontend tls-and-v6
    bind ::1:{v6}
{http}
    default_backend origin
"""


def _get(path: str, headers: str = "", method: str = "GET", port: str = "web", host: str = LOOPBACK) -> Act:
    return lambda visit: visit.get(path, method, headers, port, host)


def _strange_text(visit: Visit) -> None:
    with visit.connect() as connection:
        stream = connection.begin()
        line = b'GET /a%22%E4?q="b\\c HTTP/1.1\r\nHost: shop.example\r\n'
        connection.send(line + b'User-Agent: tab\there "q" \\ \xc3\xa4\xff\r\n' + CLOSE.encode() + b"\r\n")
        connection.read_to_end(stream)


MORE_SCENARIOS = (
    Scenario("strange-method", "", _get("/items", method="BREW")),
    Scenario("strange-text", "", _strange_text),
    Scenario("trusted-caller", "", _get("/items", f"X-Trust: yes\r\n{TRACEPARENT}tracestate: vendor=1,other=2\r\n")),
    Scenario("untrusted-caller", "", _get("/items", TRACEPARENT)),
    Scenario("untrusted-strange", "", _get("/items", 'traceparent: 01-"x\\y"\r\n')),
    Scenario("logasap", "", _get("/stall?ms=250", port="early")),
    Scenario("ipv6", "", _get("/items", port="v6", host="::1")),
)  # fmt: skip


AS_DATA = (
    "get", "post", "404", "return", "deny", "garbage", "tcp", "strange-text", "half-request", "request-timeout",
    "bad-request",
)  # fmt: skip


def take(version: haproxy_versions.HaproxyVersion) -> Iterator[tuple[str, bytes]]:
    """Run all scenarios on one HAProxy; yield scenario and datagram."""

    def written(port: int, _: Path, ports: dict[str, int]) -> Lines:
        more = MORE_FRONTENDS.format(host=LOOPBACK, http=HTTP_LINES, **ports)
        return Lines(HTTP_LINES, TCP_LINES, HTTP_LINES, "", LOGS.format(log=f"{LOOPBACK}:{port}"), more)

    return _played(version, written, (*SCENARIOS, *MORE_SCENARIOS))


def take_as_data(version: haproxy_versions.HaproxyVersion) -> Iterator[tuple[str, bytes]]:
    """Run some with the lines that are generated for a frontend with a log of its own."""

    def written(port: int, folder: Path, ports: dict[str, int]) -> Lines:
        return generated(version, "zero-wait", ports["closed"], port, folder, own_log=True)

    return _played(version, written, [one for one in (*SCENARIOS, *MORE_SCENARIOS) if one.name in AS_DATA])


def _played(
    version: haproxy_versions.HaproxyVersion,
    written: Callable[[int, Path, dict[str, int]], Lines],
    scenarios: Iterable[Scenario],
) -> Iterator[tuple[str, bytes]]:
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        log.bind((LOOPBACK, 0))
        origin = stack.enter_context(Origin())
        ports = {**choose_ports(), "early": free_port(), "v6": free_port(), "origin": origin.port}
        ports["full"] = stack.enter_context(full_listener())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        haproxy = Haproxy(version, configuration(written(log.getsockname()[1], folder, ports), ports), folder)
        stack.callback(haproxy.stop)
        for scenario in scenarios:
            scenario.act(Visit(ports, traced=False))
            for datagram in datagrams(log):
                yield scenario.name, datagram


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
        if version.number < (3, 1):
            as_data = [name.encode() + b"\t" + one.rstrip(b"\n") + b"\n" for name, one in take_as_data(version)]
            (folder / f"{full}.data").write_bytes(b"".join(as_data))
        print(full, len(lines))


if __name__ == "__main__":
    main()
