"""Streams that have ended, made by hand: a good one, and what differs."""

from __future__ import annotations

import random

from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.ending import context_of
from haproxy_telemetry.trace.identity import adopt
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import LiveTrace
from haproxy_telemetry.trace.propagators import W3C
from haproxy_telemetry.trace.spans import AttributeValue, FinishedSpan
from haproxy_telemetry.trace.stream import EndOfStream, Identity, Request, Timers
from haproxy_telemetry.trace.streamspans import PHASES_AS_SPANS, StreamContext, stream_spans

MS = 1_000_000
START = 1_700_000_000_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
UPSTREAM = f"00-{TRACE}-b7ad6b7169203331-01".encode()

GOOD = EndOfStream(
    key=b"an-id",
    identity=Identity(upstream=UPSTREAM),
    request=Request(
        b"GET", b"/items?id=7", b"http", b"HTTP/1.1", b"shop.example:8080", b"probe/1", b"192.0.2.7", 4711, b"web"
    ),
    start_ns=START,
    end_ns=START + 250 * MS,
    timers=Timers(10 * MS, 20 * MS, 30 * MS, 40 * MS, 250 * MS),
    status=200,
    termination=b"----",
    backend=b"origin",
    server=b"s1",
    server_address=b"10.0.0.1",
    server_port=8443,
    bytes_received=56,
    bytes_sent=1234,
    retries=0,
    redispatched=False,
    spoe_error=0,
    tcp=False,
)


def timers(*ms: int | None, active: int = 250) -> Timers:
    """TR, Tw, Tc, Tr in milliseconds."""
    request, queue, connect, response = [None if one is None else one * MS for one in ms]
    return Timers(request, queue, connect, response, active * MS)


def identify(identity: Identity, ids: IdSource) -> StreamContext:
    """The context of a stream of which nothing else was told."""
    trace = LiveTrace(b"an-id", ids.trace_id(), ids.span_id(), START)
    adopt(trace, identity, Stats(), W3C)
    return context_of(trace, ids.span_id())


def spans_of(end: EndOfStream, phases_as: str = PHASES_AS_SPANS) -> tuple[FinishedSpan, ...]:
    ids = IdSource(random.Random(7))
    return stream_spans(end, identify(end.identity, ids), ids, phases_as)


def said(span: FinishedSpan, name: str) -> AttributeValue | None:
    """One attribute's value, None if the span has none of that name."""
    return dict(span.attributes).get(name.encode())
