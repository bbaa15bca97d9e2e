"""What a finished trace is: plain immutable records, in OpenTelemetry's terms.

This is the type at the arrow between the assembler and every way out (OTLP, console, file). Nothing here
knows SPOP, sockets or protobuf. Times are nanoseconds since the Unix epoch. Names and text values are
``bytes`` as they came over the wire (HAProxy promises neither UTF-8 nor ASCII); whoever writes them out
decides about their encoding and says so.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias


class Blob(bytes):
    """A value that is binary, not text: it leaves as OTLP ``bytes_value``."""

    __slots__ = ()


AttributeValue: TypeAlias = bool | int | float | bytes | Blob
"""``bytes`` is text of unknown encoding, :class:`Blob` is binary."""

Attribute: TypeAlias = tuple[bytes, AttributeValue]

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


class SpanLink(NamedTuple):
    """A reference to another span: ``trace_id`` is 16 bytes, ``span_id`` 8."""

    trace_id: bytes
    span_id: bytes
    trace_state: bytes
    attributes: tuple[Attribute, ...]
    flags: int


class FinishedSpan(NamedTuple):
    """One span, complete. ``parent_span_id`` is ``b""`` for a root; ``flags`` are OTLP's (W3C flags below)."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    trace_state: bytes
    flags: int
    name: bytes
    kind: int
    start_ns: int
    end_ns: int
    attributes: tuple[Attribute, ...]
    dropped_attributes: int
    events: tuple[SpanEvent, ...]
    dropped_events: int
    links: tuple[SpanLink, ...]
    status: int
    status_message: bytes


class FinishedTrace(NamedTuple):
    """What one HAProxy stream gave: its spans, to be exported together.

    ``service`` overrides the resource's ``service.name`` for these spans (``None``: the agent's own).
    """

    service: bytes | None
    spans: tuple[FinishedSpan, ...]
