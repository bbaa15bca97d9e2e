"""What the assembler tells of ends: each stream that has a record once, and which requests are under way."""

from __future__ import annotations

from laboratory import Laboratory
from streams import GOOD, MS, UPSTREAM

from haproxy_telemetry.trace.instructions import Told
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.stream import EndOfStream, Identity, StreamStart

GRACE = 200 * MS
LIMITS = TraceLimits(grace_ns=GRACE, ttl_ns=10_000 * MS)
UNSAMPLED = UPSTREAM[:-2] + b"00"


def start(key: bytes = b"an-id") -> Told:
    begun = StreamStart(key, GOOD.identity, GOOD.request, GOOD.start_ns)
    return Told(key, begun.identity, b"", (), (), [], begun, ())


class Streams:
    """An assembler, and a clock that the test sets."""

    def __init__(self) -> None:
        self.assembler = Laboratory(limits=LIMITS).assembler

    def begin(self, at: int = 0, key: bytes = b"an-id") -> None:
        told = [start(key)]
        self.assembler.propagate(told, at)
        self.assembler.apply(told, 100, at)

    def end(self, at: int = 0, end: EndOfStream = GOOD) -> None:
        self.assembler.end(end, 100, at)

    def active(self) -> list[int]:
        return [change for _, change in self.assembler.take_active()]


def test_a_request_is_active_from_its_message_to_its_record() -> None:
    streams = Streams()
    streams.begin()
    assert streams.active() == [1]
    streams.begin(1)  # told again: the same request
    streams.end(2)
    assert streams.active() == [-1]
    streams.assembler.expire(GRACE + 2)
    assert streams.active() == []


def test_a_request_whose_record_came_first_was_never_active() -> None:
    streams = Streams()
    streams.end(0)
    streams.begin(1)
    streams.assembler.expire(GRACE)
    assert streams.active() == []


def test_a_request_that_nobody_heard_of_again_is_active_no_more_and_has_no_end() -> None:
    streams = Streams()
    streams.begin()
    streams.assembler.expire(LIMITS.ttl_ns)
    assert streams.active() == [1, -1]
    assert streams.assembler.take_ended() == []


def test_an_end_tells_the_server_span_that_is_exported() -> None:
    streams = Streams()
    streams.end()
    streams.assembler.expire(GRACE)
    [ended] = streams.assembler.take_ended()
    [finished] = streams.assembler.take_finished()
    server = finished.spans[0]
    assert (ended.trace_id, ended.span_id, ended.attributes) == (server.trace_id, server.span_id, server.attributes)
    assert (ended.exported, ended.flags, ended.seen_ns, ended.end) == (True, 1, GRACE, GOOD)


def test_an_end_counts_whether_its_trace_is_sampled_or_not() -> None:
    streams = Streams()
    streams.end(end=GOOD.replaced(identity=Identity(upstream=UNSAMPLED)))
    streams.assembler.expire(GRACE)
    [ended] = streams.assembler.take_ended()
    assert (ended.exported, ended.flags) == (False, 0)
    assert streams.assembler.take_finished() == []


def test_a_record_that_comes_twice_counts_once() -> None:
    streams = Streams()
    streams.end(0)
    streams.end(1)
    streams.assembler.expire(GRACE)
    streams.end(GRACE + 1)
    assert len(streams.assembler.take_ended()) == 1


def test_a_record_that_comes_after_its_trace_expired_counts_all_the_same_and_once() -> None:
    streams = Streams()
    streams.begin()
    streams.assembler.expire(LIMITS.ttl_ns)
    streams.end(LIMITS.ttl_ns + 1)
    streams.end(LIMITS.ttl_ns + 2)
    [ended] = streams.assembler.take_ended()
    assert ended.trace_id.hex() == UPSTREAM.split(b"-")[1].decode()
    assert ended.span_id.hex() == UPSTREAM.split(b"-")[2].decode()
    assert not ended.exported
    assert dict(ended.attributes)[b"http.request.method"] == b"GET"


def test_of_a_late_record_without_a_header_nobody_knows_the_trace() -> None:
    streams = Streams()
    streams.begin()
    streams.assembler.expire(LIMITS.ttl_ns)
    streams.end(LIMITS.ttl_ns + 1, GOOD.replaced(identity=Identity()))
    [ended] = streams.assembler.take_ended()
    assert (ended.trace_id, ended.span_id) == (b"", b"")


def test_a_request_that_broke_before_it_had_an_id_counts() -> None:
    streams = Streams()
    streams.end(end=GOOD.replaced(key=b"", status=400, termination=b"PR--"))
    [ended] = streams.assembler.take_ended()
    assert ended.end.status == 400
