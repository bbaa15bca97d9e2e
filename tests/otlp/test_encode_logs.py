"""The bytes of log records, judged by opentelemetry-proto and by the SDK's own encoder."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.encode import encode_request, encode_resource
from haproxy_telemetry.otlp.encode_logs import ERROR, INFO, WARN, encode_log, severity
from haproxy_telemetry.trace.conventions import SCHEMA_URL
from haproxy_telemetry.trace.stream import EndedStream
from metrics.ended import SPAN_ID, TRACE_ID, ended, timers


def parse(stream: EndedStream) -> ExportLogsServiceRequest:
    encoded = encode_request([(encode_resource(((b"service.name", b"edge"),)), [encode_log(stream)])])
    return ExportLogsServiceRequest.FromString(encoded)


def record(stream: EndedStream) -> logs_pb2.LogRecord:
    return parse(stream).resource_logs[0].scope_logs[0].log_records[0]


@pytest.mark.parametrize("exported", [True, False])
def test_the_sdk_makes_the_same_message_of_the_same_record(exported: bool) -> None:
    stream = ended(exported=exported)
    ids = int.from_bytes(TRACE_ID, "big"), int.from_bytes(SPAN_ID, "big")
    context = SpanContext(*ids, is_remote=False, trace_flags=TraceFlags(exported))
    theirs = LogRecord(
        timestamp=stream.end.end_ns,
        observed_timestamp=stream.seen_ns,
        context=set_span_in_context(NonRecordingSpan(context)),
        severity_text="INFO",
        severity_number=SeverityNumber.INFO,
        body="GET /items 200",
        attributes={k.decode(): v.decode() if isinstance(v, bytes) else v for k, v in stream.attributes},
    )
    scope = InstrumentationScope("haproxy_telemetry", __version__, SCHEMA_URL.decode())
    official = encode_logs([ReadableLogRecord(theirs, Resource({"service.name": "edge"}, SCHEMA_URL.decode()), scope)])
    assert parse(stream) == official


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({}, INFO, "GET /items 200"),
        ({"status": 404}, WARN, "GET /items 404"),
        ({"status": 403, "termination": b"PR--"}, WARN, "GET /items 403: HAProxy refused the request"),
        ({"status": 502, "termination": b"SH--"}, ERROR,
         "GET /items 502: the server closed while HAProxy waited for its response headers"),
        ({"status": 200, "termination": b"SD--"}, ERROR,
         "GET /items 200: the server closed the connection or refused it while data was being transferred"),
        ({"status": 200, "termination": b"CD--"}, WARN,
         "GET /items 200: the client closed the connection while data was being transferred"),
        ({"status": 0, "termination": b"CH--"}, WARN,
         "GET /items: the client closed the connection while HAProxy waited for the server's response headers"),
        ({"status": 500}, ERROR, "GET /items 500"),
        ({"method": b"BREW", "target": b"/caf\xe9\n"}, INFO, "HTTP /caf\\xe9\n 200"),
    ],
)  # fmt: skip
def test_severity_and_sentence_follow_from_status_and_termination(
    changes: dict[str, Any], level: int, said: str
) -> None:
    stream = ended(timers=timers(1, 2, 3, 4), **changes)
    assert severity(stream) == level
    got = record(stream)
    assert (got.severity_number, got.body.string_value) == (level, said)


def test_a_record_of_an_unknown_trace_has_no_ids() -> None:
    got = record(ended().replaced(trace_id=b"", span_id=b""))
    assert (got.trace_id, got.span_id, got.flags) == (b"", b"", 0)


def test_ids_of_the_wrong_size_are_refused() -> None:
    with pytest.raises(ValueError, match="bytes"):
        encode_log(ended().replaced(span_id=b"short"))
