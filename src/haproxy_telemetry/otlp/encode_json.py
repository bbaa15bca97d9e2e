"""Finished spans as OTLP/JSON, one ``ExportTraceServiceRequest`` for a trace.

OTLP specification, "JSON Protobuf Encoding": lowerCamelCase names, ids in hex, enums and 32-bit numbers as
numbers, 64-bit ones as strings, bytes in base64; a field with its default value is left out. Pure.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from math import isfinite
from typing import TypeAlias

from haproxy_telemetry.otlp.encode import INT64_MAX, INT64_MIN, SCOPE_NAME, SCOPE_VERSION
from haproxy_telemetry.otlp.text import to_str
from haproxy_telemetry.trace.conventions import LIST_KEYS, SCHEMA_URL
from haproxy_telemetry.trace.spans import (
    Attribute,
    AttributeValue,
    Blob,
    FinishedSpan,
    FinishedTrace,
    SpanEvent,
    SpanLink,
)

Json: TypeAlias = dict[str, object]


def encode_trace_json(trace: FinishedTrace, resource: Iterable[Attribute]) -> bytes:
    """Return the request as one line of JSON, in UTF-8, without its line feed.

    ``resource`` are the attributes of the resource that the trace belongs to.
    """
    scope = {"name": to_str(SCOPE_NAME), "version": to_str(SCOPE_VERSION)}
    schema = to_str(SCHEMA_URL)
    scope_spans: Json = {"scope": scope, "spans": [_span(span) for span in trace.spans], "schemaUrl": schema}
    resource_spans: Json = {
        "resource": {"attributes": _attributes(resource)},
        "scopeSpans": [scope_spans],
        "schemaUrl": schema,
    }
    return json.dumps({"resourceSpans": [resource_spans]}, separators=(",", ":"), ensure_ascii=False).encode()


def _span(span: FinishedSpan) -> Json:
    return _without_defaults(
        {
            "traceId": span.trace_id.hex(),
            "spanId": span.span_id.hex(),
            "traceState": to_str(span.trace_state),
            "parentSpanId": span.parent_span_id.hex(),
            "flags": span.flags,
            "name": to_str(span.name),
            "kind": span.kind,
            "startTimeUnixNano": str(span.start_ns),
            "endTimeUnixNano": str(span.end_ns),
            "attributes": _attributes(span.attributes),
            "droppedAttributesCount": span.dropped_attributes,
            "events": [_event(event) for event in span.events],
            "droppedEventsCount": span.dropped_events,
            "links": [_link(link) for link in span.links],
        }
    ) | {"status": _without_defaults({"message": to_str(span.status_message), "code": span.status})}


def _event(event: SpanEvent) -> Json:
    return _without_defaults(
        {
            "timeUnixNano": str(event.time_ns),
            "name": to_str(event.name),
            "attributes": _attributes(event.attributes),
        }
    )


def _link(link: SpanLink) -> Json:
    return _without_defaults(
        {
            "traceId": link.trace_id.hex(),
            "spanId": link.span_id.hex(),
            "traceState": to_str(link.trace_state),
            "attributes": _attributes(link.attributes),
            "flags": link.flags,
        }
    )


def _without_defaults(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value}


def _attributes(attributes: Iterable[Attribute]) -> list[Json]:
    return [{"key": to_str(key), "value": _value_of(key, value)} for key, value in attributes]


def _value_of(key: bytes, value: AttributeValue) -> Json:
    return {"arrayValue": {"values": [_value(value)]}} if key.startswith(LIST_KEYS) else _value(value)


def _value(value: AttributeValue) -> Json:
    """Write an AnyValue; the cases and their order are those of the protobuf encoder."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue" if INT64_MIN <= value <= INT64_MAX else "stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if isfinite(value) else _NOT_FINITE[str(value)]}
    if isinstance(value, Blob):
        return {"bytesValue": b64encode(value).decode()}
    return {"stringValue": to_str(value)}


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # protobuf's JSON mapping
