"""The pure core in a loop: bytes of HAProxy in, bytes of the ACK and bytes of OTLP out; microseconds of CPU a frame.

No socket, no thread, no compression: what is left is the work of this project's own code on a frame. The frames are
those of scenarios.py.

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

from bench.scenarios import COMPACT, SEED, Scenario, parse_frames
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.cli.version import how_it_runs
from haproxy_telemetry.otlp.encode import encode_span
from haproxy_telemetry.otlp.ledger import CloseReport
from haproxy_telemetry.sampling import Sampler, Sampling, threshold_of
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
HEX: Final = "0123456789abcdef"

KNOWN: Final = {scenario.name: scenario for scenario in (SEED, COMPACT)}

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


def transaction(scenario: Scenario, number: int) -> list[bytes]:
    """Return the payloads of one transaction: what HAProxy sent, with ids of its own."""
    frames = parse_frames(scenario.path.read_text())
    return frames.filled(tuple(renumbered(value, number) for value in frames.values))


def renumbered(value: str, number: int) -> str:
    """Return a value of the recorded transaction as another one has it: its last eight hex digits are the number."""
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
    """Of the best of several runs; ``us`` of CPU for each frame."""

    us: float
    frames: int
    spans: int
    otlp_bytes: int
    ack_bytes: int


def run(reads: list[bytes], frames: int, ratio: float) -> Result:
    """Play all reads to a fresh agent, and time it."""
    exporter = Encoding()
    stats = Stats()
    assembler = Assembler(ids=IdSource(), stats=stats, limits=TraceLimits(max_traces=100_000))
    agent = Agent(assembler=assembler, exporter=exporter, stats=stats, scopes=[Scope.TXN])
    if ratio < 1:
        agent.use_sampling(Sampling(Sampler(threshold=threshold_of(ratio))))
    session = Session(agent, "bench")
    session.receive(HELLO, SECOND)
    acks = 0
    began = process_time()
    for now, read in enumerate(reads, SECOND):
        acks += len(session.receive(read, now))
        agent.carry_out()
    took = process_time() - began
    assert stats.get("frames_answered") == frames, "every frame is answered"
    assert assembler.live == 0, "every transaction has ended"
    return Result(took * 1e6 / frames, frames, exporter.spans, exporter.size, acks)


def batches(in_flight: int, transactions: int, scenario: Scenario) -> tuple[list[bytes], int]:
    """Return the reads, each with a frame of ``in_flight`` transactions, as on a busy connection."""
    reads: list[bytes] = []
    frames = 0
    for first in range(0, transactions, in_flight):
        streams = [(number % 100 + 1, transaction(scenario, number)) for number in range(first, first + in_flight)]
        for event in range(len(streams[0][1])):
            reads.append(b"".join([notify(stream, event + 1, payloads[event]) for stream, payloads in streams]))
            frames += len(streams)
    return reads, frames


def best(
    scenario: Scenario, in_flight: int, ratio: float, transactions: int = TRANSACTIONS, repeats: int = REPEATS
) -> Result:
    """Return the run that took least."""
    reads, frames = batches(in_flight, transactions, scenario)
    return min([run(reads, frames, ratio) for _ in range(repeats)])


def main() -> None:
    """Print one JSON object a line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--in-flight", type=int, default=8, help="frames in a read")
    parser.add_argument("--sampled", type=float, action="append", help="the share of traces that is sampled")
    parser.add_argument("--scenario", choices=KNOWN, action="append", help="which frames; seed unless said")
    parser.add_argument("--transactions", type=int, default=TRANSACTIONS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    chosen = parser.parse_args()
    for name, ratio in product(chosen.scenario or ["seed"], chosen.sampled or [1.0, 0.1, 0.0]):
        result = best(KNOWN[name], chosen.in_flight, ratio, chosen.transactions, chosen.repeats)
        said = {"hot_path": how_it_runs(), "scenario": name, "in_flight": chosen.in_flight, "sampled": ratio}
        print(json.dumps({**said, **result._asdict(), "us": round(result.us, 3)}))


if __name__ == "__main__":
    main()
