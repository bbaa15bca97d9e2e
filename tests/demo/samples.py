"""A whole trace of the demo, written down from the drawing of the detailed profile, not from the checker."""

from __future__ import annotations

import zlib
from dataclasses import replace

from haproxy_telemetry.demo.records import SpanRecord

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


def id_of(service: str, name: str) -> str:
    """A span's id that says whose it is: always the same, and another one for each."""
    return f"{zlib.crc32(service.encode()):08x}{zlib.crc32(name.encode()):08x}"


def haproxy_spans(service: str, parent_id: str, after_ms: int) -> list[SpanRecord]:
    begin = BEGIN + after_ms * MS
    return [
        SpanRecord(
            trace_id=TRACE,
            span_id=id_of(service, name),
            parent_id=id_of(service, parent) if parent else parent_id,
            name=name,
            service=service,
            start_ns=begin + start * MS,
            end_ns=begin + end * MS,
            kind={"HAProxy session": "server", "Server session": "client"}.get(name, "internal"),
        )
        for name, parent, start, end in DRAWING
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


def whole_trace(caller: str = "") -> list[SpanRecord]:
    """haproxy-1, haproxy-2 and the fake server, in the order in which OTLP could bring them: any."""
    return [
        *origin_spans(id_of("haproxy-2", "Server session"), 20),
        *haproxy_spans("haproxy-2", id_of("haproxy-1", "Server session"), 10),
        *haproxy_spans("haproxy-1", caller, 0),
    ]


def changed(spans: list[SpanRecord], service: str, name: str, /, **values: object) -> list[SpanRecord]:
    """The same spans but for one of them."""
    at = next(n for n, span in enumerate(spans) if (span.service, span.name) == (service, name))
    return [*spans[:at], replace(spans[at], **values), *spans[at + 1 :]]  # type: ignore[arg-type] # any field


def without(spans: list[SpanRecord], service: str, name: str) -> list[SpanRecord]:
    return [span for span in spans if (span.service, span.name) != (service, name)]
