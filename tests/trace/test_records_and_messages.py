"""The two ways in, together: records before, after, with and without the messages of their stream."""

from __future__ import annotations

from typing import Any

import pytest
from laboratory import Laboratory, message, say

from haproxy_telemetry.spop import Message
from haproxy_telemetry.trace.gone import UNTOLD_NS, Gone
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.spans import KIND_CLIENT, KIND_INTERNAL, KIND_SERVER, STATUS_ERROR, STATUS_UNSET
from haproxy_telemetry.trace.stream import EndOfStream, Identity, Request, Timers

MS = 1_000_000
GRACE = 200 * MS
LIMITS = TraceLimits(grace_ns=GRACE, ttl_ns=10_000 * MS)
TRACE, UPSTREAM, CALLER = "a" * 32, "c" * 16, "d" * 16
IDENTITY = Identity(f"00-{TRACE}-{UPSTREAM}-01".encode(), f"00-{TRACE}-{CALLER}-01".encode(), b"", b"k=v")
REQUEST = Request(method=b"GET", target=b"/a?b=1", host=b"example.org", version=b"HTTP/1.1", frontend=b"fe")
T0 = 1_000_000


def end(**changes: Any) -> EndOfStream:
    whole = EndOfStream(
        key=b"stream-1",
        identity=IDENTITY,
        request=REQUEST,
        start_ns=T0,
        end_ns=T0 + 100 * MS,
        timers=Timers(1 * MS, 0, 1 * MS, 50 * MS, 100 * MS),
        status=200,
        termination=b"----",
        backend=b"be",
        server=b"s1",
        server_address=b"127.0.0.1",
        server_port=8080,
        bytes_received=10,
        bytes_sent=20,
        retries=0,
        redispatched=False,
        spoe_error=0,
        tcp=False,
    )
    return whole.replaced(**changes)


def request_message(**facts: bytes) -> Message:
    known = {"id": b"stream-1", "up": IDENTITY.upstream, "tp": IDENTITY.caller, "ts": IDENTITY.tracestate}
    pairs = {**known, "m": b"GET", "uri": b"/a", "host": b"example.org", "t0": b"1000", **facts}
    tag = ((b"tag", b"tenant"), (b"", b"acme"))
    return Message(b"otel:request", (*[(name.encode(), value) for name, value in pairs.items()], *tag))


def test_a_record_alone_makes_the_whole_trace() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.record(end())
    assert lab.finished == [], "its messages may still come"
    lab.expire(GRACE)
    server, client, *phases = lab.trace.spans
    assert (server.kind, client.kind) == (KIND_SERVER, KIND_CLIENT)
    assert server.trace_id.hex() == TRACE
    assert server.parent_span_id.hex() == CALLER
    assert server.trace_state == b"k=v"
    assert client.span_id.hex() == UPSTREAM
    assert client.parent_span_id == server.span_id
    assert (server.start_ns, server.end_ns) == (T0, T0 + 100 * MS)
    assert [phase.name for phase in phases] == [b"receive request", b"connect", b"wait for response", b"transfer"]


def test_the_message_of_a_stream_and_its_record_are_one_trace_in_either_order() -> None:
    for record_first in (False, True):
        lab = Laboratory(limits=LIMITS)
        if record_first:
            lab.record(end())
        assert lab.notify(request_message()) is None, "HAProxy has made the context itself"
        if not record_first:
            lab.expire(GRACE)
            assert lab.finished == []
            lab.record(end())
        lab.expire(GRACE)
        assert dict(lab.trace.spans[0].attributes)[b"tenant"] == b"acme"
        assert [span.kind for span in lab.trace.spans[:2]] == [KIND_SERVER, KIND_CLIENT]
        assert lab.assembler.live == 0


def test_a_stream_whose_record_is_lost_is_incomplete() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.notify(request_message(svc=b"edge"))
    lab.expire(10_000 * MS)
    [span] = lab.trace.spans
    assert lab.trace.service == b"edge"
    assert dict(span.attributes)[b"haproxy.incomplete"] is True
    assert span.status == STATUS_UNSET
    assert span.span_id.hex() == UPSTREAM
    assert lab.stats.get("traces_incomplete", "expired") == 1


def test_a_record_ends_the_spans_that_messages_left_open() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.notify(say((b"span", b"HAProxy session"), (b"span", b"Client session"), (b"child-of", b"HAProxy session")))
    lab.notify(say((b"span", b"Server session"), (b"child-of", b"HAProxy session"), (b"upstream", IDENTITY.upstream)))
    lab.record(end(status=504, termination=b"sH--", timers=Timers(1 * MS, 0, 1 * MS, None, 100 * MS)))
    lab.expire(GRACE)
    spans = lab.spans()
    root, upstream = spans["HAProxy session"], spans["Server session"]
    assert root.kind == KIND_SERVER
    assert upstream.kind == KIND_CLIENT
    assert upstream.span_id.hex() == UPSTREAM
    assert root.end_ns == upstream.end_ns == spans["Client session"].end_ns == T0 + 100 * MS
    assert root.status == upstream.status == STATUS_ERROR
    assert dict(root.attributes)[b"http.response.status_code"] == 504
    assert dict(root.attributes)[b"error.type"] == b"server_timeout"
    assert spans["wait for response"].parent_span_id == upstream.span_id
    assert spans["receive request"].parent_span_id == root.span_id
    assert root.parent_span_id.hex() == CALLER
    known = {span.span_id for span in lab.trace.spans}
    assert all(span.parent_span_id in known for span in lab.trace.spans if span is not root)


def test_without_a_message_for_it_the_record_makes_the_client_span() -> None:
    """HAProxy 2.6 gets no response-side events: its detailed configuration has no Server session."""
    lab = Laboratory(limits=LIMITS)
    lab.notify(say((b"span", b"HAProxy session"), (b"tag", b"k"), (b"", 1), (b"upstream", IDENTITY.upstream)))
    lab.record(end())
    lab.expire(GRACE)
    root, client = lab.trace.spans[:2]
    assert (root.name, client.name) == (b"HAProxy session", b"GET")
    assert client.kind == KIND_CLIENT
    assert client.span_id.hex() == UPSTREAM
    assert client.parent_span_id == root.span_id
    assert dict(root.attributes)[b"k"] == 1


def test_what_haproxy_answers_itself_has_no_client_span() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.notify(say((b"span", b"HAProxy session"), (b"upstream", IDENTITY.upstream)))
    denied = end(status=403, termination=b"PR--", server=b"", timers=Timers(1 * MS, None, None, None, 1 * MS))
    lab.record(denied)
    lab.expire(GRACE)
    root, *phases = lab.trace.spans
    assert root.span_id.hex() == UPSTREAM
    assert root.status == STATUS_UNSET
    assert {phase.kind for phase in phases} == {KIND_INTERNAL}
    assert {phase.parent_span_id for phase in phases} == {root.span_id}


def test_a_server_that_was_announced_and_never_asked_has_no_client_span() -> None:
    """Where on-server-session is left out, the span begins before there is a server; with a cache hit it has none."""
    lab = Laboratory(limits=LIMITS)
    lab.notify(say((b"span", b"HAProxy session"), (b"upstream", IDENTITY.upstream)))
    lab.notify(say((b"span", b"Server session"), (b"tag", b"span.kind"), (b"", b"client")))
    lab.record(end(status=503, termination=b"SC--", server=b"", timers=Timers(1 * MS, 2 * MS, None, None, 3 * MS)))
    lab.expire(GRACE)
    spans = lab.spans()
    assert [span.kind for span in spans.values()].count(KIND_CLIENT) == 0
    assert spans["Server session"].kind == KIND_INTERNAL
    assert spans["Server session"].span_id.hex() == UPSTREAM
    assert spans["queue"].parent_span_id == spans["HAProxy session"].span_id


def test_the_record_knows_better_than_an_event_how_it_ended() -> None:
    """`http-response deny`: on-http-response saw the server's 200, the client got HAProxy's 502."""
    lab = Laboratory(limits=LIMITS)
    said = ((b"tag", b"http.response.status_code"), (b"", 200))
    lab.notify(say((b"span", b"HAProxy session"), *said, (b"upstream", IDENTITY.upstream)))
    lab.notify(say((b"span", b"Server session"), *said))
    lab.record(end(status=502, termination=b"PH--"))
    lab.expire(GRACE)
    spans = lab.spans()
    root = dict(spans["HAProxy session"].attributes)
    assert (root[b"http.response.status_code"], root[b"error.type"]) == (502, b"response_blocked")
    assert dict(spans["Server session"].attributes)[b"http.response.status_code"] == 200


def test_the_span_of_the_server_answers_to_the_id_that_only_the_record_names() -> None:
    """A filter in a backend: on-frontend-http-request, which says the id, never comes."""
    lab = Laboratory(limits=LIMITS)
    lab.notify(say((b"span", b"Backend TCP request")))
    lab.notify(say((b"span", b"Server session"), (b"child-of", b"Backend TCP request")))
    lab.record(end())
    lab.expire(GRACE)
    spans = lab.spans()
    assert spans["Server session"].span_id.hex() == UPSTREAM
    assert spans["Server session"].kind == KIND_CLIENT
    assert spans["wait for response"].parent_span_id == spans["Server session"].span_id


def test_messages_that_finish_everything_wait_for_the_record() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.notify(say((b"span", b"A"), (b"finish", b"*")))
    assert lab.finished == []
    lab.record(end(identity=Identity()))
    lab.expire(GRACE)
    assert dict(lab.spans()["A"].attributes)[b"http.response.status_code"] == 200


def test_messages_that_finish_everything_do_not_wait_for_ever() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.notify(say((b"span", b"A"), (b"finish", b"*")))
    lab.expire(GRACE)
    assert [span.name for span in lab.trace.spans] == [b"A"]


def test_a_stream_that_goes_on_while_it_waits_for_its_record_lives_on() -> None:
    """Nothing was open for a moment, and then a span began: it ends when the messages, or the record, say so."""
    lab = Laboratory(limits=LIMITS)
    lab.notify(say((b"span", b"A"), (b"finish", b"*")))
    lab.notify(say((b"span", b"B")))
    lab.expire(GRACE)
    assert lab.finished == [], "B is open"
    lab.notify(say((b"finish", b"*")))
    lab.expire(GRACE)
    assert [span.name for span in lab.trace.spans] == [b"A", b"B"]
    assert lab.spans()["B"].end_ns - lab.spans()["B"].start_ns >= GRACE
    assert not any((b"haproxy.incomplete", True) in span.attributes for span in lab.trace.spans)


def test_what_comes_after_the_trace_has_left_makes_no_second_one() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.record(end())
    lab.expire(GRACE)
    lab.record(end())
    lab.notify(say((b"span", b"A")))
    assert len(lab.finished) == 1
    assert lab.assembler.live == 0
    assert lab.stats.get("records_dropped", "late") == 1
    assert lab.stats.get("frames_dropped", "late") == 1
    lab.expire(10 * GRACE)
    lab.record(end())
    lab.expire(GRACE)
    assert len(lab.finished) == 2, "an id that is used again after a while is a new stream"


@pytest.mark.parametrize("message", [request_message(), say((b"span", b"A"), (b"finish", b"*"))], ids=["open", "over"])
def test_a_record_long_after_its_trace_has_left_makes_no_second_one(message: Message) -> None:
    """A WebSocket that outlived the TTL, a long download whose messages finished all with the response's headers."""
    lab = Laboratory(limits=LIMITS)
    lab.notify(message)
    lab.expire(LIMITS.ttl_ns)
    assert len(lab.finished) == 1
    lab.expire(3_600_000 * MS)
    lab.notify(message)
    lab.record(end(identity=Identity()))
    lab.record(end(identity=Identity()))
    lab.expire(GRACE)
    assert len(lab.finished) == 1
    assert lab.stats.get("frames_dropped", "late") == 1
    assert lab.stats.get("records_dropped", "late") == 2
    assert len(lab.assembler.take_ended()) == 1, "the stream ended, and counts once"


def test_a_stream_that_made_room_has_no_second_trace_by_its_record() -> None:
    lab = Laboratory(limits=LIMITS._replace(max_traces=1))
    lab.notify(request_message())
    lab.notify(request_message(id=b"stream-2"))
    lab.expire(20 * GRACE)
    lab.record(end())
    lab.expire(GRACE)
    assert len(lab.trace.spans) == 1
    assert lab.stats.get("traces_incomplete", "max_traces") == 1


def test_ids_of_streams_whose_end_nobody_told_are_forgotten_after_a_day() -> None:
    gone = Gone(2, 10)
    for key in (b"1", b"2", b"3"):
        gone.add(key, 0, told=False)
    gone.add(b"4", 0, told=True)
    assert [key in gone for key in (b"1", b"2", b"3", b"4")] == [False, True, True, True]
    gone.expire(10)
    assert [key in gone for key in (b"2", b"3", b"4")] == [True, True, False]
    gone.expire(UNTOLD_NS)
    assert len(gone) == 0


def test_a_second_record_of_a_stream_is_left_out() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.record(end())
    lab.record(end(status=500))
    lab.expire(GRACE)
    assert dict(lab.trace.spans[0].attributes)[b"http.response.status_code"] == 200
    assert lab.stats.get("records_dropped", "duplicate") == 1


def test_records_are_bounded_as_messages_are() -> None:
    lab = Laboratory(limits=LIMITS._replace(max_traces=3))
    for n in range(10):
        lab.record(end(key=b"s%d" % n))
    assert lab.assembler.live == 3
    assert len(lab.finished) == 7, "evicted early, but whole"
    assert all(b"haproxy.incomplete" not in dict(trace.spans[0].attributes) for trace in lab.finished)
    assert lab.stats.get("traces_incomplete", "max_traces") == 0


def test_unsampled_streams_are_counted_and_not_exported() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.record(end(identity=IDENTITY.replaced(upstream=f"00-{TRACE}-{UPSTREAM}-00".encode())))
    lab.expire(GRACE)
    assert lab.finished == []
    assert lab.stats.get("traces_dropped", "unsampled") == 1


def test_a_stream_without_an_id_or_with_unknown_arguments() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.notify(Message(b"otel:request", ((b"m", b"GET"),)), request_message(id=b""), message("x", (b"id", b"1")))
    assert lab.reasons == ["id_missing", "id_null"]
    lab.notify(request_message(colour=b"red"))
    assert lab.reasons[2:] == ["unknown_argument"]
    assert lab.assembler.live == 1


def test_at_the_end_records_that_wait_leave_whole() -> None:
    lab = Laboratory(limits=LIMITS)
    lab.record(end())
    lab.close()
    assert len(lab.trace.spans) == 6
    assert lab.stats.get("traces_incomplete", "shutdown") == 0


def test_streams_that_broke_before_they_had_an_id_are_traces_each() -> None:
    lab = Laboratory(limits=LIMITS)
    for _ in range(3):
        lab.record(end(key=b"", identity=Identity(), status=400, termination=b"CR--", server=b""))
    assert len({trace.spans[0].trace_id for trace in lab.finished}) == 3
    assert lab.stats.get("records_dropped", "duplicate") == 0


def test_what_is_remembered_of_streams_is_bounded_however_long_their_ids() -> None:
    lab = Laboratory(limits=LIMITS)
    for n in range(10):
        key = b"%d" % n * 100_000
        lab.record(end(key=key))
        lab.expire(GRACE)
        lab.record(end(key=key))
    assert lab.stats.get("records_dropped", "late") == 10
    assert sum(len(key) for key in lab.assembler._gone._told) <= 10 * 32


def test_to_make_room_streams_that_have_ended_go_before_those_that_live() -> None:
    lab = Laboratory(limits=LIMITS._replace(max_traces=10))
    lab.notify(request_message(id=b"a web socket"))
    for n in range(100):
        lab.record(end(key=b"s%d" % n))
    assert lab.stats.get("traces_incomplete", "max_traces") == 0
    assert len(lab.assembler._leaving) <= 10
    lab.record(end(key=b"a web socket"))
    lab.expire(GRACE)
    assert len(lab.finished) == 101


def test_the_bytes_of_records_are_bounded_and_a_large_one_still_ends_its_stream() -> None:
    lab = Laboratory(limits=LIMITS._replace(max_bytes=10_000, max_trace_bytes=1_200))
    lab.notify(request_message())
    lab.record(end())
    for n in range(100):
        lab.record(end(key=b"s%d" % n))
    assert lab.assembler._bytes <= 10_000
    lab.expire(GRACE)
    assert len(lab.finished) == 101
    assert all(b"haproxy.incomplete" not in dict(trace.spans[0].attributes) for trace in lab.finished)
