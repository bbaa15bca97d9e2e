"""Stored spans as OTLP/JSON: ids in hex, numbers of 64 bits as strings, defaults left out. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from math import isfinite
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from haproxy_telemetry.viewer.spans import StoredSpan
from haproxy_telemetry.viewer.values import NOT_FINITE

Json = dict[str, Any]


def traces_data(spans: Iterable[StoredSpan]) -> Json:
    """Return a ``TracesData``: the spans by the resource and scope that they came from, in their order."""
    by_origin: dict[bytes, list[Json]] = {}
    for span in spans:
        by_origin.setdefault(span.origin, []).append(span_json(Span.FromString(span.body)))
    return {"resourceSpans": [_resource_spans(origin, found) for origin, found in by_origin.items()]}


def span_json(span: Span) -> Json:
    """Return one span."""
    return _without_defaults(
        {
            "traceId": span.trace_id.hex(),
            "spanId": span.span_id.hex(),
            "traceState": span.trace_state,
            "parentSpanId": span.parent_span_id.hex(),
            "flags": span.flags,
            "name": span.name,
            "kind": span.kind,
            "startTimeUnixNano": str(span.start_time_unix_nano),
            "endTimeUnixNano": str(span.end_time_unix_nano),
            "attributes": attributes_json(span.attributes),
            "droppedAttributesCount": span.dropped_attributes_count,
            "events": [_event(event) for event in span.events],
            "droppedEventsCount": span.dropped_events_count,
            "links": [_link(link) for link in span.links],
            "droppedLinksCount": span.dropped_links_count,
            "status": _without_defaults({"message": span.status.message, "code": span.status.code}),
        }
    )


def attributes_json(pairs: Iterable[KeyValue]) -> list[Json]:
    """Return attributes in their order."""
    return [{"key": pair.key, "value": _value(pair.value)} for pair in pairs]


def _resource_spans(origin: bytes, spans: list[Json]) -> Json:
    from_here = ResourceSpans.FromString(origin)
    resource, (scope_spans,) = from_here.resource, from_here.scope_spans
    scope = scope_spans.scope
    return _without_defaults(
        {
            "resource": _without_defaults(
                {
                    "attributes": attributes_json(resource.attributes),
                    "droppedAttributesCount": resource.dropped_attributes_count,
                }
            ),
            "schemaUrl": from_here.schema_url,
        }
    ) | {
        "scopeSpans": [
            _without_defaults(
                {
                    "scope": _without_defaults(
                        {
                            "name": scope.name,
                            "version": scope.version,
                            "attributes": attributes_json(scope.attributes),
                            "droppedAttributesCount": scope.dropped_attributes_count,
                        }
                    ),
                    "schemaUrl": scope_spans.schema_url,
                }
            )
            | {"spans": spans}
        ]
    }


def _event(event: Span.Event) -> Json:
    return _without_defaults(
        {
            "timeUnixNano": str(event.time_unix_nano),
            "name": event.name,
            "attributes": attributes_json(event.attributes),
            "droppedAttributesCount": event.dropped_attributes_count,
        }
    )


def _link(link: Span.Link) -> Json:
    return _without_defaults(
        {
            "traceId": link.trace_id.hex(),
            "spanId": link.span_id.hex(),
            "traceState": link.trace_state,
            "attributes": attributes_json(link.attributes),
            "droppedAttributesCount": link.dropped_attributes_count,
            "flags": link.flags,
        }
    )


def _value(value: AnyValue) -> Json:
    match value.WhichOneof("value"):
        case "string_value":
            return {"stringValue": value.string_value}
        case "bool_value":
            return {"boolValue": value.bool_value}
        case "int_value":
            return {"intValue": str(value.int_value)}
        case "double_value":
            number = value.double_value
            return {"doubleValue": number if isfinite(number) else NOT_FINITE[str(number)]}
        case "bytes_value":
            return {"bytesValue": b64encode(value.bytes_value).decode()}
        case "array_value":
            return {"arrayValue": {"values": [_value(item) for item in value.array_value.values]}}
        case "kvlist_value":
            return {"kvlistValue": {"values": attributes_json(value.kvlist_value.values)}}
        case _:
            return {}


def _without_defaults(fields: Json) -> Json:
    return {name: value for name, value in fields.items() if value}
