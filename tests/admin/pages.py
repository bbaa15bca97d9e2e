"""Pages with values that a test sets, and a scraper's side of the socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from haproxy_telemetry.acktimes import AckTimes
from haproxy_telemetry.admin.listener import bind
from haproxy_telemetry.admin.pages import Admin, Inside, Pages, Sources
from haproxy_telemetry.admin.vitals import Heartbeat
from haproxy_telemetry.engines import Engines
from haproxy_telemetry.exporters import json_encoder
from haproxy_telemetry.faults import Faults
from haproxy_telemetry.metrics.traffic import Traffic
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.own.collect import Own
from haproxy_telemetry.own.collect import Sources as OwnSources
from haproxy_telemetry.seen import Seen
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.taps import Taps

PATIENCE = 8.0
NOTHING_YET = ExportState(0, None, None, None)
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@dataclass
class World:
    """Where the values come from; change them as you like."""

    stats: Stats = field(default_factory=Stats)
    ack_times: AckTimes = field(default_factory=AckTimes)
    heart: Heartbeat = field(default_factory=lambda: Heartbeat(1000.0))
    export: ExportState = NOTHING_YET
    listening: bool = True
    bugs: list[BaseException] = field(default_factory=list)
    engines: Engines = field(default_factory=lambda: Engines(Stats()))
    faults: Faults = field(default_factory=Faults)
    taps: Taps = field(default_factory=Taps)
    seen: Seen = field(default_factory=Seen)
    began: list[int] = field(default_factory=list)
    now: int = 1_700_000_100_000_000_000
    records: list[str] = field(default_factory=list)

    def sources(self, traffic: Traffic | None = None) -> Sources:
        return Sources(
            own=self.own(),
            traffic=traffic,
            heart=self.heart,
            listening=lambda: self.listening,
            export=lambda: self.export,
            inside=Inside(
                version="1.2.3",
                started=1_700_000_000.0,
                stats=self.stats,
                engines=self.engines,
                faults=self.faults,
                seen=self.seen,
                began=lambda most: self.began[:most],
                live=lambda: len(self.began),
                connections=lambda: 2,
                now=lambda: self.now,
                spop=lambda: ["127.0.0.1:7000"],
                records=lambda: self.records,
                target="http://collector:4318/v1/traces",
            ),
            host="metrics.internal",
            taps=self.taps,
            encode=json_encoder({}, "1"),
        )

    def own(self) -> Own:
        sources = OwnSources(
            stats=self.stats,
            ack_times=self.ack_times,
            export=lambda: self.export,
            gauges={
                "live_traces": lambda: 3,
                "open_connections": lambda: 2,
                "engines": lambda: 1,
                "workers": lambda: 1,
            },
        )
        return Own(sources, "1.2.3", 1_700_000_000_000_000_000)


@contextmanager
def served(world: World, traffic: Traffic | None = None) -> Iterator[str]:
    """The pages at an address of their own."""
    admin = Admin(
        bind("127.0.0.1", 0), Pages(world.sources(traffic)).respond, lambda where, error: world.bugs.append(error)
    )
    admin.start()
    try:
        yield str(admin.address)
    finally:
        admin.close()
    assert world.bugs == []


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), PATIENCE)


def rest_of(sock: socket.socket) -> bytes:
    """All until the end."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def ask(
    address: str, path: str, method: str = "GET", accept: str = "", host: str = "x", origin: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """The status, the fields in lower case, the body."""
    with connect(address) as sock:
        lines = [f"{name}: {value}\r\n" for name, value in (("Accept", accept), ("Origin", origin)) if value]
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{''.join(lines)}\r\n".encode())
        head, _, body = rest_of(sock).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    return int(status.split()[1]), {name.lower(): value for name, _, value in pairs}, body
