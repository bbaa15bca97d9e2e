"""How a trace leaves: what its messages told, and what its record adds, as finished spans.

A record knows the whole stream: SERVER and CLIENT span, status, phases, the true end. Where messages have made
spans of their own, the stream's first span is the SERVER span and the one whose id went upstream the CLIENT span:
they take over what the record says, and what it says beyond that joins them.
"""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.trace.conventions import DEFAULT, Conventions
from haproxy_telemetry.trace.http import server_attributes, verdict_of
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import LiveTrace
from haproxy_telemetry.trace.spans import (
    KIND_CLIENT,
    KIND_INTERNAL,
    STATUS_UNSET,
    Attribute,
    FinishedSpan,
    FinishedTrace,
)
from haproxy_telemetry.trace.stream import EndedStream, EndOfStream, StreamStart
from haproxy_telemetry.trace.streamspans import StreamContext, incomplete_spans, stream_spans

# How it ended, and the version as the conventions write it: an event tells HTTP/2 as "2.0".
_KNOWN_BETTER: Final = frozenset((b"http.response.status_code", b"error.type", b"network.protocol.version"))


def finished_trace(
    trace: LiveTrace, ids: IdSource, phases: str, conventions: Conventions = DEFAULT
) -> FinishedTrace | None:
    """Return the trace as it leaves; ``None`` where nothing was told that could be a span."""
    service = trace.service or _service(trace.end) or _service(trace.start) or None
    spans = _spans(trace, ids, phases, conventions)
    return FinishedTrace(service, spans) if spans else None


def ended_stream(
    trace: LiveTrace,
    end: EndOfStream,
    finished: FinishedTrace | None,
    exported: bool,
    now: int,
    conventions: Conventions = DEFAULT,
) -> EndedStream:
    """Return the stream's end for those who count and log, ``finished`` as it leaves, ``None`` if it was not made.

    What has come too late is known by the header that HAProxy made for it, or not at all.
    """
    if finished is not None:
        server = finished.spans[0]
        whose, span_id, flags = trace.trace_id, server.span_id, trace.flags
        routed = may_be_routed(trace, conventions)
        return EndedStream(end, now, whose, span_id, flags, exported, server.attributes, finished.service, routed)
    whose, span_id, flags = b"", b"", 0
    if trace.key or trace.made_by_haproxy:
        whose, span_id, flags = trace.trace_id, trace.upstream_id, trace.flags
    said = server_attributes(end, conventions)
    service = trace.service or _service(end) or None
    attributes = (*said, *trace.attributes.items())
    return EndedStream(end, now, whose, span_id, flags, False, attributes, service)


def may_be_routed(trace: LiveTrace, conventions: Conventions) -> bool:
    """Say whether the SERVER span may have an ``http.route``: by a template, or by a tag of a message."""
    return len(conventions.routes) > 0 or len(trace.attributes) > 0 or len(trace.spans) > 0


def _service(told: EndOfStream | StreamStart | None) -> bytes:
    return told.service if told is not None else b""


def _spans(trace: LiveTrace, ids: IdSource, phases: str, conventions: Conventions) -> tuple[FinishedSpan, ...]:
    if trace.spans and trace.end is None:
        return trace.finished(ids)
    if trace.spans and trace.end is not None:
        return _joined(trace, trace.end, ids, phases, conventions)
    context = context_of(trace, ids.span_id())
    attributes = tuple(trace.attributes.items())
    if trace.end is not None:
        return stream_spans(trace.end, context, ids, phases, attributes, conventions)
    if trace.start is not None:
        start = trace.start if trace.start.start_ns else trace.start.replaced(start_ns=trace.began_ns)
        return incomplete_spans(start, context, trace.last_event_ns, attributes, conventions)
    return ()


def context_of(trace: LiveTrace, server_id: bytes) -> StreamContext:
    """Return the trace's identity as the stream's spans need it."""
    return StreamContext(
        trace_id=trace.trace_id,
        flags=trace.flags,
        trace_state=trace.trace_state,
        parent_id=trace.remote_span_id,
        server_id=server_id,
        upstream_id=trace.upstream_id,
        links=trace.links,
    )


def _joined(
    trace: LiveTrace, end: EndOfStream, ids: IdSource, phases: str, conventions: Conventions
) -> tuple[FinishedSpan, ...]:
    """Messages and record of one stream: what is still open ends when HAProxy says that the stream did."""
    for still_open in list(trace.open.values()):
        trace.finish(still_open, end.end_ns)
    told_upstream = trace.upstream_taken
    # The record's CLIENT span answers to the id that went upstream, if no message made a span for it.
    trace.upstream_taken = told_upstream or verdict_of(end).tried
    told = trace.finished(ids)
    server, *others = stream_spans(end, context_of(trace, told[0].span_id), ids, phases, (), conventions)
    recorded = {told[0].span_id: server}
    if told_upstream:
        recorded |= {span.span_id: span for span in others if span.kind == KIND_CLIENT}
    joined = [_join(span, recorded[span.span_id]) if span.span_id in recorded else span for span in told]
    if not verdict_of(end).tried:
        joined = [_asked_nobody(span) if span.span_id == trace.upstream_id else span for span in joined]
    added = [span for span in others if span.span_id not in recorded]
    if server.span_id != told[0].span_id:
        added = [_under(span, server.span_id, told[0].span_id) for span in added]
    return (*joined, *added)


def _under(span: FinishedSpan, recorded_id: bytes, told_id: bytes) -> FinishedSpan:
    return span.replaced(parent_span_id=told_id) if span.parent_span_id == recorded_id else span


def _asked_nobody(span: FinishedSpan) -> FinishedSpan:
    """The span of a server that its event announced, and that then was not needed, refused or not to be had."""
    return span.replaced(kind=KIND_INTERNAL) if span.kind == KIND_CLIENT else span


def _join(told: FinishedSpan, recorded: FinishedSpan) -> FinishedSpan:
    """One span that both told of: it lasts as long as either says, and what the configuration says itself counts.

    But for how it ended: an event saw the server's answer, which `http-response deny` may have replaced since.
    """
    return FinishedSpan(
        trace_id=told.trace_id,
        span_id=told.span_id,
        parent_span_id=told.parent_span_id,
        trace_state=told.trace_state,
        flags=told.flags,
        name=told.name,
        kind=recorded.kind if told.kind == KIND_INTERNAL else told.kind,
        start_ns=told.start_ns if told.start_ns < recorded.start_ns else recorded.start_ns,
        end_ns=told.end_ns if told.end_ns > recorded.end_ns else recorded.end_ns,
        attributes=_union(recorded.attributes, told.attributes),
        dropped_attributes=told.dropped_attributes,
        events=told.events + recorded.events,
        dropped_events=told.dropped_events,
        links=told.links,
        status=recorded.status if told.status == STATUS_UNSET else told.status,
        status_message=told.status_message,
    )


def _union(recorded: tuple[Attribute, ...], told: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """Return the attributes of both; of one that both have what the message told, unless the record knows better."""
    union: dict[bytes, Attribute] = {}
    for attribute in recorded:
        union[attribute[0]] = attribute
    for attribute in told:
        key = attribute[0]
        if key not in _KNOWN_BETTER or key not in union:
            union[key] = attribute
    return tuple(union.values())
