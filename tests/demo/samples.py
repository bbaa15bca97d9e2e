"""Whole traces of the demo, written down from the drawings on the pages, not from the checker."""

from __future__ import annotations

import zlib
from dataclasses import replace

from haproxy_telemetry.demo.files import options_of
from haproxy_telemetry.demo.shapes import shape_of
from haproxy_telemetry.terminal.records import AttributeValue, SpanRecord

TRACE = "5b8efff798038103d269b633813fc60c"
SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND
MS = 1_000_000

# name, parent, start and end in milliseconds after the HAProxy's own beginning
DRAWING = [
    ("HAProxy session", None, 0, 100),
    ("Client session", "HAProxy session", 0, 100),
    ("Frontend TCP request", "Client session", 1, 2),
    ("Frontend HTTP request", "Frontend TCP request", 2, 3),
    ("Backend TCP request", "Frontend HTTP request", 3, 4),
    ("Backend HTTP request", "Backend TCP request", 4, 5),
    ("Server session", "HAProxy session", 5, 100),
    ("TCP response", "Server session", 6, 90),
    ("HTTP response", "TCP response", 90, 100),
]


# What the record adds to each profile, below the first span and the one that waits.
RECEIVED = [("receive request", "HAProxy session", 0, 1)]
UPSTREAM = [
    ("connect", "Server session", 5, 6),
    ("wait for response", "Server session", 6, 90),
    ("transfer", "Server session", 90, 100),
]
DETAILED = DRAWING + RECEIVED + UPSTREAM

# The profiles standard and zero-wait: the same two spans, called by their kinds here and by the method in the trace.
STREAM = [
    (name.replace("HAProxy session", "SERVER").replace("Server session", "CLIENT"), above, start, end)
    for name, parent, start, end in [DRAWING[0], DRAWING[6], *RECEIVED, *UPSTREAM]
    for above in [parent and parent.replace("HAProxy session", "SERVER").replace("Server session", "CLIENT")]
]
REFUSED = [STREAM[0], STREAM[2]]
KINDS = {"HAProxy session": "server", "Server session": "client", "SERVER": "server", "CLIENT": "client"}

NINE = shape_of(options_of("detailed", "2.8"))
TWO = shape_of(options_of("standard", "2.8"))

Drawing = list[tuple[str, str | None, int, int]]


def id_of(service: str, name: str) -> str:
    """A span's id that says whose it is: always the same, and another one for each."""
    return f"{zlib.crc32(service.encode()):08x}{zlib.crc32(name.encode()):08x}"


def haproxy_spans(service: str, parent_id: str, after_ms: int, drawing: Drawing = DETAILED) -> list[SpanRecord]:
    begin = BEGIN + after_ms * MS
    return [
        SpanRecord(
            trace_id=TRACE,
            span_id=id_of(service, name),
            parent_id=id_of(service, parent) if parent else parent_id,
            name="GET" if name in ("SERVER", "CLIENT") else name,
            service=service,
            start_ns=begin + start * MS,
            end_ns=begin + end * MS,
            kind=KINDS.get(name, "internal"),
            attributes={} if parent else {"haproxy.termination.state": "----"},
        )
        for name, parent, start, end in drawing
    ]


def origin_spans(parent_id: str, after_ms: int) -> list[SpanRecord]:
    begin = BEGIN + after_ms * MS
    server = SpanRecord(
        TRACE, id_of("fake-server", "GET"), parent_id, "GET", "fake-server", begin, begin + 20 * MS, "server"
    )
    child = SpanRecord(
        TRACE, id_of("fake-server", "work"), server.span_id, "work", "fake-server", begin + MS, begin + 9 * MS
    )
    return [server, child]


def refused_trace(caller: str = "") -> list[SpanRecord]:
    """haproxy-1 alone, which gave the answer."""
    root, phase = haproxy_spans("haproxy-1", caller, 0, REFUSED)
    words: dict[str, AttributeValue] = {
        "haproxy.termination.reason": "HAProxy refused the request",
        "haproxy.termination.cause": "proxy",
    }
    return [replace(root, attributes=root.attributes | words), phase]


def stream_trace(caller: str = "") -> list[SpanRecord]:
    """The same way in the profiles standard and zero-wait."""
    return [
        *origin_spans(id_of("haproxy-2", "CLIENT"), 20),
        *haproxy_spans("haproxy-2", id_of("haproxy-1", "CLIENT"), 10, STREAM),
        *haproxy_spans("haproxy-1", caller, 0, STREAM),
    ]


def whole_trace(caller: str = "") -> list[SpanRecord]:
    """haproxy-1, haproxy-2 and the fake server, in the order in which OTLP could bring them: any."""
    return [
        *origin_spans(id_of("haproxy-2", "Server session"), 20),
        *haproxy_spans("haproxy-2", id_of("haproxy-1", "Server session"), 10),
        *haproxy_spans("haproxy-1", caller, 0),
    ]


def changed(spans: list[SpanRecord], service: str, name: str, /, **values: object) -> list[SpanRecord]:
    """The same spans but for one of them: the one of that name, or of that id where two have it."""
    at = next(
        n
        for n, span in enumerate(spans)
        if span.service == service and name in (span.name, by_id(span.span_id, service))
    )
    return [*spans[:at], replace(spans[at], **values), *spans[at + 1 :]]  # type: ignore[arg-type] # any field


def by_id(span_id: str, service: str) -> str:
    return next((name for name in KINDS if id_of(service, name) == span_id), "")


def without(spans: list[SpanRecord], service: str, name: str) -> list[SpanRecord]:
    return [span for span in spans if span.service != service or name not in (span.name, by_id(span.span_id, service))]
