"""From the body of an OTLP/HTTP request to span records. Pure; raises ``BadOtlpError`` and nothing else.

The bytes are read with OpenTelemetry's own classes, not with the agent's encoder turned round: the demo would
otherwise believe whatever the agent says.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from haproxy_telemetry.terminal.records import AttributeValue, SpanRecord

MAX_BODY = 16 * 1024 * 1024  # bytes, also when unpacked; the demo's requests have some kilobytes

_PROTOBUF = "application/x-protobuf"


class BadOtlpError(Exception):
    """A request that cannot be read. ``status`` is the answer in HTTP."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def decode_request(body: bytes, content_type: str, content_encoding: str) -> list[SpanRecord]:
    """Return the spans of a request to ``/v1/traces``."""
    if content_type.partition(";")[0].strip().lower() != _PROTOBUF:
        raise BadOtlpError(415, f"the demo's receiver reads {_PROTOBUF}, not {content_type or 'nothing'}")
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(_unpacked(body, content_encoding.strip().lower()))
    except DecodeError as error:
        raise BadOtlpError(400, f"no ExportTraceServiceRequest: {error}") from error
    return list(_records(request))


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise BadOtlpError(415, f"content-encoding {encoding} is not read here, only gzip")
    inflate = zlib.decompressobj(wbits=31)
    try:
        plain = inflate.decompress(body, MAX_BODY)
    except zlib.error as error:
        raise BadOtlpError(400, f"no gzip: {error}") from error
    if inflate.unconsumed_tail:
        raise BadOtlpError(413, f"more than {MAX_BODY} bytes when unpacked")
    if not inflate.eof:
        raise BadOtlpError(400, "gzip ends too early")
    return plain


def _records(request: ExportTraceServiceRequest) -> Iterable[SpanRecord]:
    for resource_spans in request.resource_spans:
        service = _attributes(resource_spans.resource.attributes).get("service.name", "")
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield _record(span, str(service) or "unknown_service")


def _record(span: Span, service: str) -> SpanRecord:
    return SpanRecord(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        service=service,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        kind=_kind(span.kind),
        error=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=_attributes(span.attributes),
    )


def _kind(kind: int) -> str:
    names = Span.SpanKind.DESCRIPTOR.values_by_number
    return names[kind].name.removeprefix("SPAN_KIND_").lower() if kind in names else str(kind)


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, AttributeValue]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> AttributeValue:
    """Return a scalar as it is; anything else in words, since it is only shown."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "bytes_value":
        return value.bytes_value.hex()
    plain = getattr(value, kind)
    return plain if isinstance(plain, str | bool | int | float) else str(plain).strip()
