"""The pure core in a loop: bytes of HAProxy in, bytes of the ACK and bytes of OTLP out; microseconds of CPU a frame.

No socket, no thread, no compression: what is left is the work of this project's own code on a frame. The frames are
those of scenarios.py. In those that end by a record the traffic is measured too, as in production, and what is
counted is requests: a frame, if the scenario has one, and the record.

    PYTHONPATH=. python bench/core_loop.py                  # the sources, interpreted
    PYTHONPATH=build/compiled:. python bench/core_loop.py   # after `make test-compiled`
"""

from __future__ import annotations

import argparse
import json
import struct
from itertools import product
from time import process_time
from typing import Final, NamedTuple, final

from bench.scenarios import COMPACT, RECORDED, SEED, Frames, Scenario, parse_frames
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.cli.version import how_it_runs
from haproxy_telemetry.metrics.traffic import Traffic
from haproxy_telemetry.otlp.encode import encode_span
from haproxy_telemetry.otlp.ledger import CloseReport
from haproxy_telemetry.sampling import Sampler, Sampling, threshold_of
from haproxy_telemetry.service import spare_the_collector
from haproxy_telemetry.session import Session
from haproxy_telemetry.spop import Scope
from haproxy_telemetry.spop.frames import FIN, Frame, FrameType, serialize_frame
from haproxy_telemetry.spop.handshake import VERSION
from haproxy_telemetry.spop.messages import serialize_pairs
from haproxy_telemetry.spop.scalars import Uint32
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.spans import FinishedTrace

TRANSACTIONS: Final = 2000
REPEATS: Final = 5
SECOND: Final = 1_000_000_000
READS_EVERY: Final = 1_000_000
GRACE: Final = 50 * READS_EVERY
"""Nanoseconds between two reads, and between a record and its trace's leaving: of fifty reads the traces are alive."""

PORTS: Final = 1000
PORT_DIGITS: Final = 5
HEX: Final = "0123456789abcdef"

KNOWN: Final = {scenario.name: scenario for scenario in (SEED, COMPACT, *RECORDED)}

HELLO: Final = serialize_frame(
    Frame(
        FrameType.HAPROXY_HELLO,
        FIN,
        0,
        0,
        serialize_pairs(
            (
                (b"supported-versions", VERSION),
                (b"max-frame-size", Uint32(16380)),
                (b"capabilities", b"pipelining"),
                (b"engine-id", b"bench"),
            )
        ),
    )
)


class Step(NamedTuple):
    """What comes at once: the bytes of one read, and datagrams behind it."""

    read: bytes
    records: list[bytes]


def renumbered(value: str, number: int) -> str:
    """Return a value of the recorded transaction as another one has it.

    The last eight hex digits of an id are the number, a time or a port is so much later or higher, of few ports.
    """
    if value.isdecimal():
        return str(int(value) + (number if len(value) > PORT_DIGITS else number % PORTS))
    digits = iter(f"{number:08x}")
    places = [i for i, c in enumerate(value) if c in HEX][-8:]
    return "".join(next(digits) if i in places else c for i, c in enumerate(value))


def notify(stream: int, frame: int, payload: bytes) -> bytes:
    """Return a NOTIFY with its length; ids below 240 are one byte each."""
    return struct.pack(">IBIBB", 7 + len(payload), FrameType.NOTIFY, FIN, stream, frame) + payload


@final
class Encoding:
    """An exporter that encodes and throws away; ``size`` is in bytes."""

    def __init__(self) -> None:
        self.spans = 0
        self.size = 0

    def export(self, trace: FinishedTrace) -> None:
        """Encode as the real one does."""
        for span in trace.spans:
            self.size += len(encode_span(span))
        self.spans += len(trace.spans)

    def close(self, timeout_s: float) -> CloseReport:  # noqa: ARG002 (the protocol's)
        """There is nothing to wait for."""
        return CloseReport(self.spans, {})


class Result(NamedTuple):
    """Of the best of several runs; ``us`` of CPU for each frame, or for each request where it ends by a record."""

    us: float
    frames: int
    records: int
    spans: int
    otlp_bytes: int
    ack_bytes: int


def run(steps: list[Step], notified: int, ratio: float) -> Result:
    """Play all steps, which have ``notified`` frames, to a fresh agent, and time it."""
    exporter = Encoding()
    stats = Stats()
    recorded = any(step.records for step in steps)
    limits = TraceLimits(max_traces=100_000, grace_ns=GRACE if recorded else 0)
    agent = Agent(
        assembler=Assembler(ids=IdSource(), stats=stats, limits=limits),
        exporter=exporter,
        stats=stats,
        scopes=[Scope.TXN],
        traffic=Traffic(stats, SECOND) if recorded else None,
    )
    if ratio < 1:
        agent.use_sampling(Sampling(Sampler(threshold=threshold_of(ratio))))
    session = Session(agent, "bench")
    session.receive(HELLO, SECOND)
    acks, now = 0, SECOND
    began = process_time()
    for step in steps:
        now += READS_EVERY
        if step.read:
            acks += len(session.receive(step.read, now))
            agent.carry_out()
        if step.records:
            for record in step.records:
                agent.take_records(record, now)
            agent.tick(now)
    agent.tick(now + GRACE)
    took = process_time() - began
    frames, records = stats.get("frames_answered"), stats.get("records")
    assert frames == notified, "every frame is answered"
    assert records == sum(len(step.records) for step in steps), "every record is one"
    assert agent.live_traces == 0, "every transaction has ended"
    return Result(took * 1e6 / (records or frames), frames, records, exporter.spans, exporter.size, acks)


def batches(in_flight: int, transactions: int, scenario: Scenario, begin: int = 0) -> tuple[list[Step], int]:
    """Return the steps, each with a frame of ``in_flight`` transactions, as on a busy connection, and count the frames.

    Records come behind the last one. ``begin`` is the number of the first transaction.
    """
    steps: list[Step] = []
    notified = 0
    frames = parse_frames(scenario.path.read_text())
    for first in range(begin, begin + transactions, in_flight):
        streams = [values_of(frames, number) for number in range(first, first + in_flight)]
        payloads = [(number % 100 + 1, frames.filled(values)) for number, values in enumerate(streams, first)]
        for event in range(len(frames.payloads)):
            read = b"".join([notify(stream, event + 1, filled[event]) for stream, filled in payloads])
            steps.append(Step(read, []))
            notified += len(payloads)
        if frames.record:
            steps.append(Step(b"", [frames.filled_record(values) for values in streams]))
    return steps, notified


def values_of(frames: Frames, number: int) -> tuple[str, ...]:
    """Return what is one transaction's own."""
    return tuple([renumbered(value, number) for value in frames.values])


def best(
    scenario: Scenario, in_flight: int, ratio: float, transactions: int = TRANSACTIONS, repeats: int = REPEATS
) -> Result:
    """Return the run that took least."""
    steps, notified = batches(in_flight, transactions, scenario)
    return min([run(steps, notified, ratio) for _ in range(repeats)])


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--in-flight", type=int, default=8, help="frames in a read")
    parser.add_argument("--sampled", type=float, action="append", help="the share of traces that is sampled")
    parser.add_argument("--scenario", choices=KNOWN, action="append", help="which frames; seed unless said")
    parser.add_argument("--transactions", type=int, default=TRANSACTIONS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    chosen = parser.parse_args()
    spare_the_collector()
    for name, ratio in product(chosen.scenario or ["seed"], chosen.sampled or [1.0, 0.1, 0.0]):
        result = best(KNOWN[name], chosen.in_flight, ratio, chosen.transactions, chosen.repeats)
        said = {"hot_path": how_it_runs(), "scenario": name, "in_flight": chosen.in_flight, "sampled": ratio}
        print(json.dumps({**said, **result._asdict(), "us": round(result.us, 3)}))


if __name__ == "__main__":
    main()
