"""The error contract of records, as a fuzz target: any datagram gives streams or counted errors, nothing else.

And what it gives can be used: the spans of each stream lie within it, and leave as OTLP bytes.
``tests/records/test_any_record.py`` holds the same function against damaged lines of HAProxy.

Run it:  python fuzz/fuzz_records.py -max_total_time=300    (needs the dependency group ``fuzz``)
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from fuzzing import TESTS, fuzz
from haproxy_telemetry.otlp.encode import encode_span
from haproxy_telemetry.records import REASONS, RecordError, parse_datagram
from haproxy_telemetry.records.parse import MAX_LINES
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.stream import EndOfStream
from haproxy_telemetry.trace.streamspans import PHASES_AS_EVENTS, PHASES_AS_SPANS


def check(data: bytes) -> None:
    """Read ``data`` as one datagram; raise AssertionError where the contract does not hold."""
    found = parse_datagram(data)
    assert 1 <= len(found) <= MAX_LINES + 1
    for one in found:
        if isinstance(one, RecordError):
            assert one.reason in REASONS
            assert str(one)
        else:
            check_stream(one)


def check_stream(end: EndOfStream) -> None:
    """The spans lie within their stream and within each other, and are fit to be sent."""
    assert 0 <= end.start_ns <= end.end_ns < 1 << 63
    for phases_as in (PHASES_AS_SPANS, PHASES_AS_EVENTS):
        assembler = Assembler(
            ids=IdSource(random.Random(1)), stats=Stats(), limits=TraceLimits(grace_ns=1, phases=phases_as)
        )
        assembler.end(end, 1, now=0)
        assembler.expire(now=1)
        finished = assembler.take_finished()
        if not finished:
            return  # an unsampled caller
        spans = finished[0].spans
        by_id = {span.span_id: span for span in spans}
        assert len(by_id) == len(spans)
        for span in spans:
            parent = by_id.get(span.parent_span_id, spans[0])
            assert parent.start_ns <= span.start_ns <= span.end_ns <= parent.end_ns
            assert all(span.start_ns <= event.time_ns <= span.end_ns for event in span.events)
            assert len({key for key, _ in span.attributes}) == len(span.attributes)
            assert encode_span(span)


def seeds(golden: Path) -> Iterator[bytes]:
    """What HAProxy logged, one datagram each."""
    for path in sorted(golden.glob("*.txt")):
        for line in path.read_bytes().splitlines():
            yield line.partition(b"\t")[2]


if __name__ == "__main__":
    fuzz(check, seeds(TESTS / "golden-records"))
