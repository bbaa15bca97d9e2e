"""The spans of one stream that has ended, from what its record tells: SERVER, CLIENT, and a phase each.

    SERVER  GET                        first byte of the request ... last byte of the response
      INTERNAL  receive request
      CLIENT  GET                      where a server was tried; its id is the one that went upstream
        INTERNAL  queue, connect, wait for response, transfer

Pure, and no state: whose trace it is was decided before (``identity.py``), ids come from the IdSource.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from haproxy_telemetry.trace.conventions import DEFAULT, Conventions
from haproxy_telemetry.trace.http import (
    FINE,
    client_attributes,
    request_attributes,
    server_attributes,
    server_span_name,
    span_name,
    stream_name,
    verdict_of,
)
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.phases import attempt_start, phases
from haproxy_telemetry.trace.spans import (
    FLAG_HAS_IS_REMOTE,
    FLAG_IS_REMOTE,
    KIND_CLIENT,
    KIND_INTERNAL,
    KIND_SERVER,
    Attribute,
    FinishedSpan,
    SpanEvent,
    SpanLink,
)
from haproxy_telemetry.trace.stream import EndOfStream, Outcome, Phase, StreamStart

PHASES_AS_SPANS: Final = "spans"
PHASES_AS_EVENTS: Final = "events"
PHASES_OFF: Final = "off"


@final
class StreamContext:
    """Which trace the stream belongs to, and the ids of its spans; fixed once, whoever tells of it first.

    ``parent_id`` is the trusted caller's span, ``b""`` if there is none; ``upstream_id`` the one that the origin's
    spans hang under. ``flags`` are W3C's.
    """

    __slots__ = ("flags", "links", "parent_id", "server_id", "trace_id", "trace_state", "upstream_id")

    def __init__(
        self,
        trace_id: bytes,
        flags: int,
        trace_state: bytes,
        parent_id: bytes,
        server_id: bytes,
        upstream_id: bytes,
        links: tuple[SpanLink, ...],
    ) -> None:
        self.trace_id = trace_id
        self.flags = flags
        self.trace_state = trace_state
        self.parent_id = parent_id
        self.server_id = server_id
        self.upstream_id = upstream_id
        self.links = links


def stream_spans(
    end: EndOfStream,
    context: StreamContext,
    ids: IdSource,
    phases_as: str = PHASES_AS_SPANS,
    attributes: Sequence[Attribute] = (),
    conventions: Conventions = DEFAULT,
) -> tuple[FinishedSpan, ...]:
    """Return the stream's spans, the SERVER span first. ``attributes`` are further ones of it."""
    verdict = verdict_of(end)
    tried, outcome = verdict.tried, verdict.server
    upstream = verdict.client if tried else outcome
    name = stream_name(end, conventions)
    said = _with_tags(server_attributes(end, conventions), attributes)
    # Where no server was tried, nothing else can answer to the id that the headers and the log name.
    server_id = context.server_id if tried else context.upstream_id
    lasted = [] if phases_as == PHASES_OFF else phases(end)
    spans = [
        _span(
            context,
            server_id,
            context.parent_id,
            server_span_name(name, said) if attributes or len(conventions.routes) else name,
            KIND_SERVER,
            end.start_ns,
            end.end_ns,
            outcome,
            said,
            _events(lasted, False) if phases_as == PHASES_AS_EVENTS else (),
        )
    ]
    if tried:
        spans.append(
            _span(
                context,
                context.upstream_id,
                server_id,
                name,
                KIND_CLIENT,
                attempt_start(end),
                end.end_ns,
                upstream,
                tuple(client_attributes(end, conventions)),
                _events(lasted, True) if phases_as == PHASES_AS_EVENTS else (),
            )
        )
    if phases_as == PHASES_AS_SPANS:
        cut_short = verdict.termination.error_type != b""
        for phase in lasted:
            parent, whole = (context.upstream_id, upstream) if phase.upstream else (server_id, outcome)
            # The phase in which a stream was cut short is the one in error; an answer of 500 breaks none.
            broken = phase.last and cut_short and whole.error_type != b""
            spans.append(_phase_span(context, ids.span_id(), parent, phase, whole if broken else FINE))
    return tuple(spans)


def incomplete_spans(
    start: StreamStart,
    context: StreamContext,
    end_ns: int,
    attributes: Sequence[Attribute] = (),
    conventions: Conventions = DEFAULT,
) -> tuple[FinishedSpan, ...]:
    """Return the one span of a stream whose end nobody told: it takes the upstream id, which others may know."""
    own = request_attributes(start.request, conventions)
    own += ((b"haproxy.unique_id", start.key), (b"haproxy.incomplete", True))
    said = _with_tags(own, attributes)
    return (
        _span(
            context,
            context.upstream_id,
            context.parent_id,
            server_span_name(span_name(start.request, False, conventions), said),
            KIND_SERVER,
            start.start_ns,
            max(start.start_ns, end_ns),
            FINE,
            said,
            (),
        ),
    )


def _with_tags(own: list[Attribute], tags: Sequence[Attribute]) -> tuple[Attribute, ...]:
    """Return both; a key stands once in a span, and what the configuration says itself counts."""
    return tuple({**dict(own), **dict(tags)}.items()) if tags else tuple(own)


def _phase_span(context: StreamContext, span_id: bytes, parent: bytes, phase: Phase, outcome: Outcome) -> FinishedSpan:
    attributes: tuple[Attribute, ...] = ((b"error.type", outcome.error_type),) if outcome.error_type else ()
    begin, until = phase.start_ns, phase.end_ns
    return _span(context, span_id, parent, phase.name, KIND_INTERNAL, begin, until, outcome, attributes, ())


def _events(lasted: list[Phase], upstream: bool) -> tuple[SpanEvent, ...]:
    """Phases as events at their beginnings, with how long they took in seconds."""
    return tuple(
        [
            SpanEvent(
                phase.start_ns,
                phase.name,
                ((b"haproxy.phase.duration", (phase.end_ns - phase.start_ns) / 1_000_000_000),),
            )
            for phase in lasted
            if phase.upstream == upstream
        ]
    )


def _span(
    context: StreamContext,
    span_id: bytes,
    parent_id: bytes,
    name: bytes,
    kind: int,
    start_ns: int,
    end_ns: int,
    outcome: Outcome,
    attributes: tuple[Attribute, ...],
    events: tuple[SpanEvent, ...],
) -> FinishedSpan:
    server = kind == KIND_SERVER
    remote = server and parent_id != b""
    return FinishedSpan(
        trace_id=context.trace_id,
        span_id=span_id,
        parent_span_id=parent_id,
        trace_state=context.trace_state,
        flags=context.flags | FLAG_HAS_IS_REMOTE | (FLAG_IS_REMOTE if remote else 0),
        name=name,
        kind=kind,
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=attributes,
        dropped_attributes=0,
        events=events,
        dropped_events=0,
        links=context.links if server else (),
        status=outcome.status,
        status_message=b"",
    )
