"""Stored spans in the trace event format of Chrome, which Perfetto opens. Pure.

A service is a process, and its spans are on as many tracks as are needed for those that overlap without one being in
the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from haproxy_telemetry.viewer.spans import StoredSpan
from haproxy_telemetry.viewer.terms import kind_name, service_of
from haproxy_telemetry.viewer.values import attributes, jsonable

Json = dict[str, Any]


def trace_events(stored: Sequence[StoredSpan]) -> Json:
    """Return the object that Perfetto opens; times are microseconds since the trace began."""
    spans = [
        (service_of(attributes(ResourceSpans.FromString(one.origin).resource.attributes)), Span.FromString(one.body))
        for one in stored
    ]
    begin = min((span.start_time_unix_nano for _, span in spans), default=0)
    numbers = {service: number for number, service in enumerate(dict.fromkeys(service for service, _ in spans), 1)}
    events: list[Json] = [
        {"ph": "M", "name": "process_name", "pid": number, "tid": 0, "args": {"name": service}}
        for service, number in numbers.items()
    ]
    for service, number in numbers.items():
        tracks = _Tracks()
        for span in sorted((span for name, span in spans if name == service), key=_order):
            events += _events(span, begin, number, tracks.place(span))
    return {"displayTimeUnit": "ms", "traceEvents": events}


def _order(span: Span) -> tuple[int, int]:
    return span.start_time_unix_nano, -span.end_time_unix_nano


def _events(span: Span, begin: int, process: int, track: int) -> list[Json]:
    start, end = span.start_time_unix_nano, max(span.start_time_unix_nano, span.end_time_unix_nano)
    args = {key: jsonable(value) for key, value in attributes(span.attributes).items()}
    args |= {"span_id": span.span_id.hex(), "parent_span_id": span.parent_span_id.hex()}
    where = {"pid": process, "tid": track, "cat": kind_name(span.kind)}
    if span.status.code == Status.STATUS_CODE_ERROR:
        args["error"] = span.status.message or True
    whole = {"ph": "X", "name": span.name, "ts": (start - begin) / 1000, "dur": (end - start) / 1000, "args": args}
    marks = [
        {
            "ph": "i",
            "s": "t",
            "name": event.name,
            "ts": (event.time_unix_nano - begin) / 1000,
            "args": {key: jsonable(value) for key, value in attributes(event.attributes).items()},
        }
        for event in span.events
    ]
    return [where | event for event in (whole, *marks)]


class _Tracks:
    """Places spans, in order of time, so that two on a track are one in the other or apart."""

    def __init__(self) -> None:
        self._open: list[list[int]] = []  # for each track, the ends of the spans that are open, the innermost last

    def place(self, span: Span) -> int:
        """Return the number of the track."""
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        for number, ends in enumerate(self._open, 1):
            while ends and ends[-1] <= start:
                ends.pop()
            if not ends or end <= ends[-1]:
                ends.append(end)
                return number
        self._open.append([end])
        return len(self._open)
