"""A trace in one line, out of its spans; and that line as the page's JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from haproxy_telemetry.viewer.spans import Call, RootFacts, ServiceCount, SpanRow, Summary
from haproxy_telemetry.viewer.values import Plain, attributes

# The second of each is the name of OpenTelemetry's conventions before they became stable, which others still send.
_METHOD = ("http.request.method", "http.method")
_PATH = ("url.path", "http.target")
_STATUS = ("http.response.status_code", "http.status_code")
_REASON = ("haproxy.termination.reason",)


def root_of(spans: Sequence[SpanRow]) -> SpanRow:
    """Return the earliest span whose parent is not in the trace; the earliest at all where spans form a circle."""
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in known]
    return min(roots or spans, key=lambda span: (bool(span.parent_id), span.start_ns, span.span_id))


def summarize(trace_id: bytes, spans: Sequence[SpanRow], root: SpanRow, facts: RootFacts) -> Summary:
    """Return the one line about the spans of a trace, of which there must be one at least."""
    by_id = {span.span_id: span for span in spans}
    return Summary(
        trace_id=trace_id.hex(),
        root=root,
        facts=facts,
        start_ns=min(span.start_ns for span in spans),
        end_ns=max(span.end_ns for span in spans),
        spans=len(spans),
        errors=sum(span.error for span in spans),
        orphans=sum(bool(span.parent_id) and span.parent_id not in by_id for span in spans),
        incomplete=any(span.incomplete for span in spans),
        services=_services(spans),
        calls=_calls(spans, by_id),
    )


def root_facts(body: bytes) -> RootFacts:
    """Read what the root says of its request off its body."""
    values = attributes(Span.FromString(body).attributes)
    status = _first(values, _STATUS)
    return RootFacts(
        method=_text(_first(values, _METHOD)),
        path=_text(_first(values, _PATH)),
        http_status=status if isinstance(status, int) else None,
        termination=_text(_first(values, _REASON)),
    )


def summary_json(summary: Summary) -> dict[str, object]:
    """Return the line as the page reads it; numbers of 64 bits are strings."""
    return {
        "traceId": summary.trace_id,
        "name": summary.root.name,
        "service": summary.root.service,
        "kind": summary.root.kind,
        "startUnixNano": str(summary.start_ns),
        "durationNano": str(summary.end_ns - summary.start_ns),
        "spans": summary.spans,
        "errors": summary.errors,
        "orphans": summary.orphans,
        "incomplete": summary.incomplete,
        "method": summary.facts.method,
        "path": summary.facts.path,
        "httpStatus": summary.facts.http_status,
        "termination": summary.facts.termination,
        "services": [
            {"name": service.name, "spans": service.spans, "errors": service.errors} for service in summary.services
        ],
    }


def _services(spans: Sequence[SpanRow]) -> tuple[ServiceCount, ...]:
    count = Counter(span.service for span in spans)
    errors = Counter(span.service for span in spans if span.error)
    return tuple(ServiceCount(name, count[name], errors[name]) for name in sorted(count))


def _calls(spans: Sequence[SpanRow], by_id: dict[bytes, SpanRow]) -> tuple[Call, ...]:
    """Count the spans whose parent is another service's."""
    count: Counter[tuple[str, str]] = Counter()
    errors: Counter[tuple[str, str]] = Counter()
    for span in spans:
        parent = by_id.get(span.parent_id)
        if parent is not None and parent.service != span.service:
            count[parent.service, span.service] += 1
            errors[parent.service, span.service] += span.error
    return tuple(Call(caller, callee, n, errors[caller, callee]) for (caller, callee), n in sorted(count.items()))


def _first(values: dict[str, Plain], names: Sequence[str]) -> Plain:
    return next((values[name] for name in names if name in values), None)


def _text(value: Plain) -> str | None:
    return value if isinstance(value, str) else None
