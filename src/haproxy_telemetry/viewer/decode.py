"""From the body of an OTLP request to spans. Pure; raises :class:`BadRequestError` and nothing else.

Protobuf is read with OpenTelemetry's own classes. OTLP/JSON is protobuf's JSON but for ids, which are hex there and
base64 here (OTLP specification, "JSON Protobuf Encoding"); unknown fields are skipped in both, as the
specification asks.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from haproxy_telemetry.viewer.bodies import BadRequestError
from haproxy_telemetry.viewer.spans import NO_SPAN, ReceivedSpan
from haproxy_telemetry.viewer.terms import origin_terms, service_of, span_terms
from haproxy_telemetry.viewer.values import Plain, attributes

MAX_NS = 2**63 - 1  # sqlite's largest number; the year 2262

_NO_TRACE = bytes(16)
_IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The spans of a request, and how many of them are none, by reason."""

    spans: list[ReceivedSpan]
    rejected: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all spans of one resource and scope have in common."""

    service: str
    terms: frozenset[int]
    origin: bytes


def parse_protobuf(body: bytes) -> ExportTraceServiceRequest:
    """Return the request that the bytes are."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise BadRequestError(400, "bad_protobuf", f"the body is no ExportTraceServiceRequest: {error}") from error
    return request


def parse_json(body: bytes) -> ExportTraceServiceRequest:
    """Return the request that a body of OTLP/JSON is."""
    request = ExportTraceServiceRequest()
    try:
        ParseDict(_with_base64_ids(json.loads(body)), request, ignore_unknown_fields=True)
    except (ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error)[:300] or type(error).__name__
        raise BadRequestError(400, "bad_json", f"the body is no ExportTraceServiceRequest in JSON: {reason}") from error
    return request


def spans_of(request: ExportTraceServiceRequest) -> Decoded:
    """Return the spans of a request; what has no valid id or time is left out and counted."""
    spans: list[ReceivedSpan] = []
    rejected: Counter[str] = Counter()
    for resource_spans in request.resource_spans:
        resource = attributes(resource_spans.resource.attributes)
        service = service_of(resource)
        for origin, found in _scopes(resource_spans):
            shared = _Shared(service, origin_terms(origin, resource), origin.SerializeToString())
            for span in found:
                if problem := _problem(span):
                    rejected[problem] += 1
                else:
                    spans.append(_received(span, shared))
    return Decoded(spans, dict(rejected))


def _scopes(resource_spans: ResourceSpans) -> Iterator[tuple[ResourceSpans, list[Span]]]:
    """Take the spans out, so that what is left of each scope says where they come from."""
    for scope_spans in resource_spans.scope_spans:
        origin = ResourceSpans(resource=resource_spans.resource, schema_url=resource_spans.schema_url)
        origin.scope_spans.add(scope=scope_spans.scope, schema_url=scope_spans.schema_url)
        yield origin, list(scope_spans.spans)


def _problem(span: Span) -> str:
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return "bad_trace_id"
    if len(span.span_id) != 8 or span.span_id == NO_SPAN:
        return "bad_span_id"
    if len(span.parent_span_id) not in (0, 8):
        return "bad_parent_id"
    return "bad_time" if max(span.start_time_unix_nano, span.end_time_unix_nano) > MAX_NS else ""


def _received(span: Span, shared: _Shared) -> ReceivedSpan:
    values = attributes(span.attributes)
    return ReceivedSpan(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=b"" if span.parent_span_id == NO_SPAN else span.parent_span_id,
        service=shared.service,
        name=span.name,
        kind=span.kind,
        start_ns=span.start_time_unix_nano,
        end_ns=max(span.start_time_unix_nano, span.end_time_unix_nano),
        error=span.status.code == Status.STATUS_CODE_ERROR,
        incomplete=values.get("haproxy.incomplete") is True,
        terms=shared.terms | span_terms(span, shared.service, values),
        body=span.SerializeToString(),
        origin=shared.origin,
    )


def _with_base64_ids(request: object) -> dict[str, object]:
    """Return the request with ids in base64; everything that is not where OTLP has it stays, for protobuf to refuse."""
    if not isinstance(request, dict):
        raise ValueError("it is no object")
    for resource_spans in _items(request, "resourceSpans", "resource_spans"):
        for scope_spans in _items(resource_spans, "scopeSpans", "scope_spans"):
            for span in _items(scope_spans, "spans"):
                _convert_ids(span)
                for link in _items(span, "links"):
                    _convert_ids(link)
    return request


def _items(holder: dict[str, Plain], *names: str) -> Iterator[dict[str, Plain]]:
    for name in names:
        items = holder.get(name)
        if isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))


def _convert_ids(holder: dict[str, Plain]) -> None:
    for name in _IDS:
        value = holder.get(name)
        if isinstance(value, str):
            holder[name] = b64encode(bytes.fromhex(value)).decode()
