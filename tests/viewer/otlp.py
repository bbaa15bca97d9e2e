"""OTLP requests for the tests, made with OpenTelemetry's own classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from haproxy_telemetry.viewer.decode import spans_of
from haproxy_telemetry.viewer.spans import ReceivedSpan

SECOND = 10**9
BEGIN = 1_790_000_000 * SECOND

Value = str | bool | int | float | bytes | Sequence[str]


@dataclass(frozen=True)
class Spec:
    """A span as a test writes it. ``trace`` and ids are small numbers; times are seconds after ``BEGIN``."""

    trace: int = 1
    span: int = 1
    parent: int = 0
    service: str = "web"
    name: str = "GET"
    kind: int = 2
    start: float = 0.0
    duration: float = 1.0
    error: bool = False
    tags: Mapping[str, Value] = field(default_factory=dict)
    resource: Mapping[str, Value] = field(default_factory=dict)


def trace_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def request(*specs: Spec) -> ExportTraceServiceRequest:
    """Return a request with the spans, each under a resource of its own."""
    made = ExportTraceServiceRequest()
    for spec in specs:
        resource_spans = made.resource_spans.add(schema_url="https://opentelemetry.io/schemas/1.44.0")
        resource_spans.resource.attributes.extend(pairs({"service.name": spec.service, **spec.resource}))
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "tests"
        scope_spans.spans.append(span(spec))
    return made


def span(spec: Spec) -> Span:
    start = BEGIN + round(spec.start * SECOND)
    made = Span(
        trace_id=trace_id(spec.trace),
        span_id=span_id(spec.span),
        parent_span_id=span_id(spec.parent) if spec.parent else b"",
        name=spec.name,
        kind=Span.SpanKind.ValueType(spec.kind),
        start_time_unix_nano=start,
        end_time_unix_nano=start + round(spec.duration * SECOND),
        attributes=pairs(spec.tags),
    )
    if spec.error:
        made.status.code = 2  # type: ignore[assignment]  # its number on the wire
    return made


def pairs(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def any_value(value: Value) -> AnyValue:
    made = AnyValue()
    match value:
        case bool():
            made.bool_value = value
        case str():
            made.string_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case bytes():
            made.bytes_value = value
        case _:
            made.array_value.values.extend(any_value(item) for item in value)
    return made


def received(*specs: Spec) -> list[ReceivedSpan]:
    """Return the spans as the store takes them."""
    return spans_of(request(*specs)).spans
