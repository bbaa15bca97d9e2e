"""An agent without sockets, whose traces stay here; and HAProxy's side of a recorded scenario."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from haproxy_telemetry.agent import Agent
from haproxy_telemetry.session import Session
from haproxy_telemetry.spop import Scope
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.spans import FinishedSpan, FinishedTrace
from kept import Kept

GOLDEN = Path(__file__).parent.parent / "golden"
VERSIONS = ("2.6.12", "2.8.25", "3.0.0", "3.2.0")


class Recorder:
    """Sessions by connection name, one agent; time goes on by a microsecond with every chunk."""

    def __init__(self, *, strict: bool = False, scopes: tuple[Scope, ...] = (Scope.TXN,)) -> None:
        self.stats = Stats()
        self.kept = Kept()
        self.now = 1_700_000_000_000_000_000
        assembler = Assembler(ids=IdSource(random.Random(1)), stats=self.stats, limits=TraceLimits(), strict=strict)
        self.agent = Agent(assembler=assembler, exporter=self.kept, stats=self.stats, scopes=scopes, strict=strict)
        self.sessions: dict[str, Session] = {}

    def receive(self, connection: str, data: bytes) -> bytes:
        self.now += 1000
        session = self.sessions.setdefault(connection, Session(self.agent, connection))
        answer = session.receive(data, self.now)
        self.agent.carry_out()
        return answer

    def replay(self, version: str, scenario: str) -> None:
        for connection, data in from_haproxy(version, scenario):
            self.receive(connection, data)

    @property
    def traces(self) -> list[FinishedTrace]:
        return self.kept.traces


def from_haproxy(version: str, scenario: str) -> Iterator[tuple[str, bytes]]:
    """What HAProxy sent, frame by frame, with the connection it used; each connection begins with its HELLO."""
    greeted: set[str] = set()
    for connection, data in _frames(version, scenario):
        if connection not in greeted and data[4] != 1:
            yield connection, hello(version)
        greeted.add(connection)
        yield connection, data


def hello(version: str) -> bytes:
    """The HELLO of a real connection of that version."""
    return next(data for _, data in _frames(version, "get200") if data[4] == 1)


def _frames(version: str, scenario: str) -> Iterator[tuple[str, bytes]]:
    for line in (GOLDEN / version / f"{scenario}.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["direction"] == "H>A":
            yield entry["conn"], bytes.fromhex(entry["hex"])


def tree(trace: FinishedTrace) -> dict[str, str]:
    """The name of each span's parent, and none for a root."""
    names = {span.span_id: span.name.decode() for span in trace.spans}
    return {s.name.decode(): names[s.parent_span_id] if s.parent_span_id else "" for s in trace.spans}


def by_name(trace: FinishedTrace) -> dict[str, FinishedSpan]:
    return {span.name.decode(): span for span in trace.spans}
