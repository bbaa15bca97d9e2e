"""Spans to test with: hypothesis strategies for any span that the assembler may make, and a plain one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from haproxy_telemetry.trace.spans import (
    FLAG_HAS_IS_REMOTE,
    FLAG_IS_REMOTE,
    Blob,
    FinishedSpan,
    FinishedTrace,
    SpanEvent,
    SpanLink,
)

MAX_UINT64 = (1 << 64) - 1

any_text = st.one_of(st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")), st.binary(max_size=200))
keys = st.one_of(st.sampled_from([b"http.request.method", b"url.path", b"k"]), any_text)
values = st.one_of(
    st.booleans(),
    st.integers(-3, 3),
    st.integers(-(1 << 63), MAX_UINT64),
    st.floats(allow_nan=False),
    any_text,
    st.binary(max_size=200).map(Blob),
)
attributes = st.lists(st.tuples(keys, values), max_size=6).map(tuple)
unique_attributes = st.lists(st.tuples(keys, values), max_size=6, unique_by=lambda pair: pair[0]).map(tuple)
times = st.integers(0, MAX_UINT64)
trace_ids = st.binary(min_size=16, max_size=16).filter(any)
span_ids = st.binary(min_size=8, max_size=8).filter(any)
flags = st.integers(0, 0xFFFFFFFF)

events = st.builds(SpanEvent, time_ns=times, name=any_text, attributes=attributes)
links = st.builds(
    SpanLink, trace_id=trace_ids, span_id=span_ids, trace_state=any_text, attributes=attributes, flags=flags
)
spans = st.builds(
    FinishedSpan,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=st.one_of(st.just(b""), span_ids),
    trace_state=any_text,
    flags=flags,
    name=any_text,
    kind=st.integers(0, 5),
    start_ns=times,
    end_ns=times,
    attributes=attributes,
    dropped_attributes=st.integers(0, 0xFFFFFFFF),
    events=st.lists(events, max_size=3).map(tuple),
    dropped_events=st.integers(0, 1000),
    links=st.lists(links, max_size=3).map(tuple),
    status=st.integers(0, 2),
    status_message=any_text,
)


def a_span(number: int = 1, **changes: Any) -> FinishedSpan:
    """An HTTP server span as HAProxy gives it; ``number`` makes its ids."""
    span = FinishedSpan(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=b"\xab" * 8,
        trace_state=b"vendor=1,other=2",
        flags=FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE,
        name=b"Frontend HTTP request",
        kind=2,
        start_ns=1_700_000_000_000_000_000,
        end_ns=1_700_000_000_012_345_678,
        attributes=((b"http.request.method", b"GET"), (b"http.response.status_code", 200), (b"tls", True)),
        dropped_attributes=0,
        events=(SpanEvent(1_700_000_000_000_000_500, b"log", ((b"message", b"routed"),)),),
        dropped_events=0,
        links=(SpanLink(b"\x11" * 16, b"\x22" * 8, b"", ((b"opentracing.ref_type", b"follows_from"),), 0x100),),
        status=2,
        status_message=b"no server is available",
    )
    return span.replaced(**changes)


def a_trace(spans: int = 1, *, service: bytes | None = None, first: int = 1) -> FinishedTrace:
    return FinishedTrace(service, tuple(a_span(first + i) for i in range(spans)))
