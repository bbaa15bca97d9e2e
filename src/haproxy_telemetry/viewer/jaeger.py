"""Stored spans in the words of Jaeger's query API, versions 1 and 3. Pure.

Version 1 has spans of OpenTracing: times in microseconds, tags with a type, references, processes by a number. What
OpenTelemetry has beyond that becomes tags, by the names of its specification ("Transforming to Jaeger"). Version 3 is
OTLP.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from haproxy_telemetry.viewer.spans import StoredSpan
from haproxy_telemetry.viewer.terms import kind_name, origin_marks, service_of
from haproxy_telemetry.viewer.values import Plain, attributes, jsonable, text

Json = dict[str, Any]


def answer(data: Sequence[object] | None, *, total: int | None = None, errors: Sequence[Json] | None = None) -> Json:
    """Return the frame of every answer of version 1."""
    count = len(data or ()) if total is None else total
    return {"data": data, "total": count, "limit": 0, "offset": 0, "errors": errors}


def error_answer(status: int, message: str) -> Json:
    """Return the answer of version 1 to what cannot be answered."""
    return answer(None, errors=[{"code": status, "msg": message}])


def v3_error(status: int, message: str, grpc_code: int) -> Json:
    """Return the answer of version 3, which is that of a gateway to gRPC."""
    words = {400: "Bad Request", 404: "Not Found"}.get(status, "Internal Server Error")
    return {"error": {"grpcCode": grpc_code, "httpCode": status, "message": message, "httpStatus": words}}


def v3_summary(summary: Json) -> Json:
    """Return a line of ``trace-summaries`` out of the page's."""
    start = int(summary["startUnixNano"])
    return {
        "traceId": summary["traceId"],
        "rootServiceName": summary["service"],
        "rootOperationName": summary["name"],
        "minStartTimeUnixNano": str(start),
        "maxEndTimeUnixNano": str(start + int(summary["durationNano"])),
        "spanCount": summary["spans"],
        "errorSpanCount": summary["errors"],
        "orphanSpanCount": summary["orphans"],
        "services": [
            {"name": service["name"], "spanCount": service["spans"], "errorSpanCount": service["errors"]}
            for service in summary["services"]
        ],
    }


def trace_json(trace_id: str, stored: Iterable[StoredSpan]) -> Json:
    """Return a trace of version 1."""
    processes: dict[bytes, tuple[str, Json]] = {}
    spans = []
    for one in stored:
        origin = ResourceSpans.FromString(one.origin)
        key = origin.resource.SerializeToString(deterministic=True)
        if key not in processes:
            processes[key] = (f"p{len(processes) + 1}", _process(origin))
        spans.append(_span(trace_id, Span.FromString(one.body), origin, processes[key][0]))
    return {"traceID": trace_id, "spans": spans, "processes": dict(processes.values()), "warnings": None}


def _process(origin: ResourceSpans) -> Json:
    resource = attributes(origin.resource.attributes)
    tags = [_tag(key, value) for key, value in resource.items() if key != "service.name"]
    return {"serviceName": service_of(resource), "tags": tags}


def _span(trace_id: str, span: Span, origin: ResourceSpans, process: str) -> Json:
    start, end = span.start_time_unix_nano, max(span.start_time_unix_nano, span.end_time_unix_nano)
    return {
        "traceID": trace_id,
        "spanID": span.span_id.hex(),
        "flags": span.flags & 0xFF,
        "operationName": span.name,
        "references": _references(trace_id, span),
        "startTime": start // 1000,
        "duration": (end - start) // 1000,
        "tags": _tags(span, origin),
        "logs": [_log(event) for event in span.events],
        "processID": process,
        "warnings": None,
    }


def _references(trace_id: str, span: Span) -> list[Json]:
    parent = span.parent_span_id.strip(b"\0") and span.parent_span_id
    found = [_reference("CHILD_OF", trace_id, parent)] if parent else []
    return found + [_reference("FOLLOWS_FROM", link.trace_id.hex(), link.span_id) for link in span.links]


def _reference(kind: str, trace_id: str, span_id: bytes) -> Json:
    return {"refType": kind, "traceID": trace_id, "spanID": span_id.hex()}


def _tags(span: Span, origin: ResourceSpans) -> list[Json]:
    tags = [_tag(key, value) for key, value in attributes(span.attributes).items()]
    tags += [_tag(key, value) for key, value in origin_marks(origin)]
    if span.kind:
        tags.append(_tag("span.kind", kind_name(span.kind)))
    if span.status.code == Status.STATUS_CODE_ERROR:
        tags += [_tag("error", True), _tag("otel.status_code", "ERROR")]
    elif span.status.code == Status.STATUS_CODE_OK:
        tags.append(_tag("otel.status_code", "OK"))
    if span.status.message:
        tags.append(_tag("otel.status_description", span.status.message))
    if span.trace_state:
        tags.append(_tag("w3c.tracestate", span.trace_state))
    return tags


def _log(event: Span.Event) -> Json:
    fields = [_tag("event", event.name)] if event.name else []
    fields += [_tag(key, value) for key, value in attributes(event.attributes).items()]
    return {"timestamp": event.time_unix_nano // 1000, "fields": fields}


def _tag(key: str, value: Plain) -> Json:
    match value:
        case bool():
            return {"key": key, "type": "bool", "value": value}
        case int():
            return {"key": key, "type": "int64", "value": value}
        case float():
            # JSON has no NaN, and the type says that it is a number: only as text.
            plain = jsonable(value)
            return {"key": key, "type": "float64" if isinstance(plain, float) else "string", "value": plain}
        case bytes():
            return {"key": key, "type": "binary", "value": b64encode(value).decode()}
        case _:
            return {"key": key, "type": "string", "value": text(value)}
