"""What is known of a span that is to be drawn: plain values, whoever sent it and however it was encoded."""

from __future__ import annotations

from dataclasses import dataclass, field

AttributeValue = str | bool | int | float | None


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One span as it came in by OTLP. Ids are lower-case hex; times are nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_id: str  # "" for none
    name: str
    service: str  # the resource's service.name
    start_ns: int
    end_ns: int
    kind: str = "internal"
    error: bool = False
    attributes: dict[str, AttributeValue] = field(default_factory=dict)

    @property
    def duration_ns(self) -> int:
        """How long it took; never less than nothing."""
        return max(0, self.end_ns - self.start_ns)


# HAProxy's timers as spans (docs/records.md).
PHASES = ("receive request", "queue", "tarpit", "connect", "wait for response", "transfer")


def is_phase(span: SpanRecord) -> bool:
    """Say whether a span is a phase of the stream above it."""
    return span.kind == "internal" and span.name in PHASES


def roots_of(spans: list[SpanRecord]) -> list[SpanRecord]:
    """Return the spans whose parent isn't among them (it may be the caller's), in order of time."""
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in known]
    return sorted(roots, key=lambda span: (span.start_ns, span.span_id))


def services_of(spans: list[SpanRecord]) -> list[str]:
    """Return the services that speak, each once, in the order of their first spans."""
    return list(dict.fromkeys(span.service for span in sorted(spans, key=lambda span: span.start_ns)))
