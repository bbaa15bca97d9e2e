"""What a finished trace is: plain immutable records, in OpenTelemetry's terms.

This is the type at the arrow between the assembler and every way out (OTLP, console, file). Nothing here
knows SPOP, sockets or protobuf. Times are nanoseconds since the Unix epoch. Names and text values are
``bytes`` as they came over the wire (HAProxy promises neither UTF-8 nor ASCII); whoever writes them out
decides about their encoding and says so.
"""

from __future__ import annotations

from typing import Final, NamedTuple, final

from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.plain import Plain
from haproxy_telemetry.trace.values import Attribute, AttributeValue, Blob

__all__ = ["Attribute", "AttributeValue", "Blob", "FinishedSpan", "FinishedTrace", "SpanEvent", "SpanLink"]

# OTLP trace.proto, Span.SpanKind
KIND_INTERNAL: Final = 1
KIND_SERVER: Final = 2
KIND_CLIENT: Final = 3

# OTLP trace.proto, Status.StatusCode
STATUS_UNSET: Final = 0
STATUS_OK: Final = 1
STATUS_ERROR: Final = 2

# OTLP trace.proto, SpanFlags: the low 8 bits are the W3C trace flags
FLAG_SAMPLED: Final = 0x01
FLAG_HAS_IS_REMOTE: Final = 0x100
FLAG_IS_REMOTE: Final = 0x200


class SpanEvent(NamedTuple):
    """Something that happened at one moment of a span."""

    time_ns: int
    name: bytes
    attributes: tuple[Attribute, ...]


LINK_FIELDS: Final = ("attributes", "flags", "span_id", "trace_id", "trace_state")
SPAN_FIELDS: Final = (
    "attributes",
    "dropped_attributes",
    "dropped_events",
    "end_ns",
    "events",
    "flags",
    "kind",
    "links",
    "name",
    "parent_span_id",
    "span_id",
    "start_ns",
    "status",
    "status_message",
    "trace_id",
    "trace_state",
)
TRACE_FIELDS: Final = ("service", "spans")


@mypyc_attr(acyclic=True)
@final
class SpanLink(Plain):
    """A reference to another span: ``trace_id`` is 16 bytes, ``span_id`` 8. Not changed once it is made."""

    __slots__ = LINK_FIELDS

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return LINK_FIELDS

    def __init__(
        self, trace_id: bytes, span_id: bytes, trace_state: bytes, attributes: tuple[Attribute, ...], flags: int
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_state = trace_state
        self.attributes = attributes
        self.flags = flags

    def __hash__(self) -> int:
        return hash((self.trace_id, self.span_id))


@mypyc_attr(acyclic=True)
@final
class FinishedSpan(Plain):
    """One span, complete. ``parent_span_id`` is ``b""`` for a root; ``flags`` are OTLP's (W3C flags below).

    Not changed once it is made: who wants another makes it (:meth:`replaced`).
    """

    __slots__ = SPAN_FIELDS

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return SPAN_FIELDS

    def __init__(
        self,
        trace_id: bytes,
        span_id: bytes,
        parent_span_id: bytes,
        trace_state: bytes,
        flags: int,
        name: bytes,
        kind: int,
        start_ns: int,
        end_ns: int,
        attributes: tuple[Attribute, ...],
        dropped_attributes: int,
        events: tuple[SpanEvent, ...],
        dropped_events: int,
        links: tuple[SpanLink, ...],
        status: int,
        status_message: bytes,
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_span_id = parent_span_id
        self.trace_state = trace_state
        self.flags = flags
        self.name = name
        self.kind = kind
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.attributes = attributes
        self.dropped_attributes = dropped_attributes
        self.events = events
        self.dropped_events = dropped_events
        self.links = links
        self.status = status
        self.status_message = status_message

    def __hash__(self) -> int:
        return hash((self.trace_id, self.span_id))


@mypyc_attr(acyclic=True)
@final
class FinishedTrace(Plain):
    """What one HAProxy stream gave: its spans, to be exported together.

    ``service`` overrides the resource's ``service.name`` for these spans (``None``: the agent's own).
    """

    __slots__ = TRACE_FIELDS

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return TRACE_FIELDS

    def __init__(self, service: bytes | None, spans: tuple[FinishedSpan, ...]) -> None:
        self.service = service
        self.spans = spans

    def __hash__(self) -> int:
        return hash(self.spans)
