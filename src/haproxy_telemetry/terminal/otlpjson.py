"""From OTLP JSON to span records. Pure; raises ``BadTraceError`` and nothing else.

OTLP specification, "JSON Protobuf Encoding": ids in hex, 64-bit numbers as texts or numbers, enums as numbers or names,
what has its default value left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from haproxy_telemetry.terminal.records import AttributeValue, SpanRecord

_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_ERROR: Final = (2, "STATUS_CODE_ERROR")


class BadTraceError(Exception):
    """A text that is no trace in OTLP JSON."""


def parse_trace(text: str | bytes) -> dict[str, Any]:
    """Return the object that has ``resourceSpans``: a request, or Jaeger's ``result`` with one in it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadTraceError(f"no JSON: {error}") from None
    if isinstance(found, dict) and isinstance(found.get("result"), dict):
        found = found["result"]
    if not isinstance(found, dict) or not isinstance(found.get("resourceSpans"), list):
        raise BadTraceError("no resourceSpans")
    return found


def span_records(trace: dict[str, Any]) -> list[SpanRecord]:
    """Return the spans of a request in their order."""
    try:
        return list(_records(trace))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise BadTraceError(f"no trace: {type(error).__name__}: {error}") from None


def _records(trace: dict[str, Any]) -> Iterator[SpanRecord]:
    for resource_spans in trace["resourceSpans"]:
        resource = resource_spans.get("resource", {})
        service = str(_attributes(resource.get("attributes", [])).get("service.name") or "unknown_service")
        for scope_spans in resource_spans.get("scopeSpans", []):
            for span in scope_spans.get("spans", []):
                yield _record(span, service)


def _record(span: dict[str, Any], service: str) -> SpanRecord:
    return SpanRecord(
        trace_id=str(span["traceId"]).lower(),
        span_id=str(span["spanId"]).lower(),
        parent_id=str(span.get("parentSpanId") or "").lower(),
        name=str(span.get("name", "")),
        service=service,
        start_ns=int(span.get("startTimeUnixNano", 0)),
        end_ns=int(span.get("endTimeUnixNano", 0)),
        kind=_kind(span.get("kind", 0)),
        error=span.get("status", {}).get("code") in _ERROR,
        attributes=_attributes(span.get("attributes", [])),
    )


def _kind(kind: object) -> str:
    if isinstance(kind, int):
        return _KINDS[kind] if 0 <= kind < len(_KINDS) else str(kind)
    return str(kind).removeprefix("SPAN_KIND_").lower()


def _attributes(pairs: list[dict[str, Any]]) -> dict[str, AttributeValue]:
    return {str(pair["key"]): _value(pair.get("value", {})) for pair in pairs}


def _value(value: dict[str, Any]) -> AttributeValue:
    """Return a scalar as it is; anything else in words, since it is only shown and compared."""
    for kind, inner in value.items():
        if kind == "intValue":
            return int(inner)
        if kind == "arrayValue":
            return ",".join(str(_value(one)) for one in inner.get("values", []))
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return inner if isinstance(inner, str | bool | int | float) else str(inner)
        return json.dumps(inner)
    return None
