"""What passes between the viewer's parts: a span as it came in, as it is stored, and a trace in one line."""

from __future__ import annotations

from dataclasses import dataclass

NO_SPAN = bytes(8)


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span out of an OTLP request. Ids are bytes, 16 and 8; times are nanoseconds since the epoch."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes  # b"" for none
    service: str
    name: str
    kind: int  # OTLP's number
    start_ns: int
    end_ns: int  # never before the start
    error: bool
    incomplete: bool  # the agent's mark: nobody told its end
    terms: frozenset[int]  # what a search finds it by
    body: bytes  # an OTLP Span
    origin: bytes  # an OTLP ResourceSpans with its one scope and no span


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """One span of the store, with the resource and scope that it came from."""

    body: bytes
    origin: bytes


@dataclass(frozen=True, slots=True)
class SpanRow:
    """What a summary needs of a span; ``body`` for the root alone is worth decoding."""

    span_id: bytes
    parent_id: bytes
    service: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    error: bool
    incomplete: bool


@dataclass(frozen=True, slots=True)
class ServiceCount:
    """The spans of one service in one trace."""

    name: str
    spans: int
    errors: int


@dataclass(frozen=True, slots=True)
class Call:
    """How often one service called another in one trace, and how often the called one failed."""

    caller: str
    callee: str
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class RootFacts:
    """What the first line about a trace says of its request; ``None`` where the root does not say it."""

    method: str | None = None
    path: str | None = None
    http_status: int | None = None
    termination: str | None = None  # in words, where HAProxy's stream did not just end


@dataclass(frozen=True, slots=True)
class Summary:
    """A trace in one line. ``root`` is its earliest span without a parent in the trace."""

    trace_id: str  # 32 hex digits
    root: SpanRow
    facts: RootFacts
    start_ns: int
    end_ns: int
    spans: int
    errors: int
    orphans: int  # spans whose parent is not in the trace
    incomplete: bool
    services: tuple[ServiceCount, ...]
    calls: tuple[Call, ...]
