"""The agent's way of a read, without the kernel: real conversations, whose reads are handed to them and whose writes
are thrown away; microseconds of CPU a frame.

To core_loop.py it adds what the agent does for each read: the clock, the counters, the queue of the export. So what
is measured is what a frame costs that comes alone, as most do.

    PYTHONPATH=. python bench/read_loop.py                  # the sources, interpreted
    PYTHONPATH=build/compiled:. python bench/read_loop.py   # after `make test-compiled`
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import zip_longest
from time import process_time
from typing import Final, final

from bench.core_loop import HELLO, batches
from bench.scenarios import COMPACT, SEED, Scenario
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.cli.version import how_it_runs
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.conversation import Conversation, Desk, Line
from haproxy_telemetry.otlp.batch import BatchLimits
from haproxy_telemetry.otlp.resource import ResourceTable
from haproxy_telemetry.otlp.retry import Answer, Outcome
from haproxy_telemetry.otlp.send import OtlpExporter
from haproxy_telemetry.otlp.settings import PROTOBUF, OtlpSettings
from haproxy_telemetry.otlp.transport import Groups
from haproxy_telemetry.service import spare_the_collector
from haproxy_telemetry.spop import Scope
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.turn import Turn

TRANSACTIONS: Final = 2000
CONNECTIONS: Final = 32
REPEATS: Final = 5
CLOSE_S: Final = 10.0

SCENARIOS: Final = {scenario.name: scenario for scenario in (SEED, COMPACT)}
"""Those whose traces end by their frames."""


@final
class Nowhere:
    """An OTLP receiver that takes everything at once."""

    def body(self, groups: Groups) -> bytes:
        """Count, and join nothing."""
        return b"%d" % sum([len(spans) for _, spans in groups])

    def post(self, body: bytes, timeout_s: float | None) -> Outcome:  # noqa: ARG002 (a transport's)
        """Say that all is well."""
        return Answer(200, None, b"")

    def close(self) -> None:
        """There is nothing to close."""


@final
class Connection:
    """A conversation on a line whose writes nobody reads; ``written`` is in bytes."""

    def __init__(self, desk: Desk) -> None:
        self.comes = b""
        self.written = 0
        line = Line(self._receive, self._send, self._never, self._never, lambda: None)
        self.conversation = Conversation(desk, "127.0.0.1:1", self._never, line)

    def _receive(self, most: int) -> bytes:  # noqa: ARG002 (a socket's)
        return self.comes

    def _send(self, data: bytes) -> int:
        self.written += len(data)
        return len(data)

    def _never(self, what: object) -> None:
        raise AssertionError(f"all is taken and nobody hangs up: {what!r}")


class Lab:
    """A desk with conversations that have said HELLO."""

    def __init__(self) -> None:
        self.stats = Stats()
        settings = OtlpSettings(PROTOBUF, "http://nowhere/", {}, 1.0, 1.0, gzip=False, tls=None)
        limits = BatchLimits(queue_spans=1 << 30, queue_bytes=1 << 40)
        self.exporter = OtlpExporter(settings, limits, ResourceTable((), self.stats), self.stats, transport=Nowhere())
        assembler = Assembler(ids=IdSource(), stats=self.stats, limits=TraceLimits(max_traces=100_000))
        agent = Agent(assembler=assembler, exporter=self.exporter, stats=self.stats, scopes=[Scope.TXN])
        self.turn = Turn()
        desk = Desk(agent, Clock(), None, self.turn)
        self.connections = [Connection(desk) for _ in range(CONNECTIONS)]
        self.play([HELLO] * CONNECTIONS)

    def play(self, reads: Sequence[bytes]) -> None:
        """Do what a turn of the event loop does when the first connections have these."""
        self.turn.ready = len(reads)
        for connection, data in zip(self.connections, reads, strict=False):
            connection.comes = data
            connection.conversation.ready()
        for then in self.turn.take_end():
            then()


def reads_of(scenario: Scenario, in_flight: int, transactions: int) -> tuple[list[list[bytes]], int]:
    """Return the reads, by turn of the event loop: in each, every connection has one."""
    share = transactions // CONNECTIONS
    every = [batches(in_flight, share, scenario, number << 16) for number in range(CONNECTIONS)]
    turns = [[step.read for step in turn if step] for turn in zip_longest(*[steps for steps, _ in every])]
    return turns, sum([frames for _, frames in every])


def run(turns: list[list[bytes]], frames: int) -> float:
    """Play all reads to a fresh agent; return the CPU microseconds a frame."""
    lab = Lab()
    began = process_time()
    for turn in turns:
        lab.play(turn)
    took = process_time() - began
    assert lab.stats.get("frames_answered") == frames, "every frame is answered"
    report = lab.exporter.close(CLOSE_S)
    assert not report.lost, "every span is exported"
    return took * 1e6 / frames


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--in-flight", type=int, default=1, help="frames in a read")
    parser.add_argument("--scenario", choices=SCENARIOS, default="seed", help="which frames")
    parser.add_argument("--transactions", type=int, default=TRANSACTIONS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    chosen = parser.parse_args()
    turns, frames = reads_of(SCENARIOS[chosen.scenario], chosen.in_flight, chosen.transactions)
    spare_the_collector()
    us = min([run(turns, frames) for _ in range(chosen.repeats)])
    said = {"hot_path": how_it_runs(), "scenario": chosen.scenario, "in_flight": chosen.in_flight}
    print(json.dumps({**said, "frames": frames, "us": round(us, 3)}))


if __name__ == "__main__":
    main()
