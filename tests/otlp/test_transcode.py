"""JSON says the same as the protobuf that it is made of, judged by the official classes, for all three signals."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from haproxy_telemetry.metrics.points import Data
from haproxy_telemetry.otlp import json_fields, transcode
from haproxy_telemetry.otlp.encode import encode_request, encode_resource, encode_span
from haproxy_telemetry.otlp.encode_logs import encode_log
from haproxy_telemetry.otlp.encode_metrics import CUMULATIVE, encode_metric
from haproxy_telemetry.otlp.json_fields import LOGS_REQUEST, METRICS_REQUEST, TRACES_REQUEST, Message
from haproxy_telemetry.otlp.protobuf import ProtobufError, length_field
from haproxy_telemetry.otlp.transcode import request_as_json
from haproxy_telemetry.trace.spans import Attribute, Blob, FinishedSpan
from metrics.ended import ended
from retained import retained

from .otlp_json import from_otlp_json
from .spans import a_span, spans, unique_attributes
from .test_encode_metrics import NOW, START, histograms, numbers

OFFICIAL: dict[Message, Any] = {
    TRACES_REQUEST: ExportTraceServiceRequest,
    METRICS_REQUEST: ExportMetricsServiceRequest,
    LOGS_REQUEST: ExportLogsServiceRequest,
}


def same(request: bytes, message: Message) -> bool:
    """Whether the official classes see no difference between the two forms."""
    kind = OFFICIAL[message]
    line = request_as_json(request, message)
    assert b"\n" not in line
    return bool(from_otlp_json(line, kind) == kind.FromString(request))


@given(st.lists(spans, min_size=1, max_size=2), unique_attributes)
@settings(max_examples=40)
def test_spans(ours: list[FinishedSpan], resource: tuple[Attribute, ...]) -> None:
    other = (encode_resource(()), [encode_span(a_span())])
    groups = [(encode_resource(resource), [encode_span(span) for span in ours]), other]
    assert same(encode_request(groups), TRACES_REQUEST)


@given(st.lists(histograms | numbers, min_size=1, max_size=3), unique_attributes)
@settings(max_examples=40)
def test_metrics(datas: list[Data], resource: tuple[Attribute, ...]) -> None:
    encoded = [encode_metric(data, START, NOW, CUMULATIVE) for data in datas]
    assert same(encode_request([(encode_resource(resource), encoded)]), METRICS_REQUEST)


def test_logs() -> None:
    assert same(encode_request([(encode_resource(()), [encode_log(ended()), encode_log(ended())])]), LOGS_REQUEST)


def test_lists_and_values_that_are_no_numbers() -> None:
    attributes = ((b"http.request.header.x-id", b"caf\xe9"), (b"inf", math.inf), (b"-inf", -math.inf))
    assert same(encode_request([(encode_resource(()), [encode_span(a_span(attributes=attributes))])]), TRACES_REQUEST)


def test_json_is_written_as_the_specification_says() -> None:
    span = a_span(attributes=((b"n", 200), (b"b", Blob(b"\x00\xff")), (b"f", math.inf), (b"t", True), (b"z", -1)))
    request = encode_request([(encode_resource(()), [encode_span(span)])])
    [resource_spans] = json.loads(request_as_json(request, TRACES_REQUEST))["resourceSpans"]
    [written] = resource_spans["scopeSpans"][0]["spans"]
    assert written["traceId"] == "00000000000000000000000000000001"
    assert written["kind"] == 2
    assert written["startTimeUnixNano"] == "1700000000000000000"
    assert [attribute["value"] for attribute in written["attributes"]] == [
        {"intValue": "200"},
        {"bytesValue": "AP8="},
        {"doubleValue": "Infinity"},
        {"boolValue": True},
        {"intValue": "-1"},
    ]


TYPES: dict[Any, set[int]] = {
    json_fields.text: {FieldDescriptor.TYPE_STRING},
    json_fields.hexadecimal: {FieldDescriptor.TYPE_BYTES},
    json_fields.base64: {FieldDescriptor.TYPE_BYTES},
    json_fields.boolean: {FieldDescriptor.TYPE_BOOL},
    json_fields.number: {FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32},
    json_fields.int64: {FieldDescriptor.TYPE_INT64},
    json_fields.fixed64: {FieldDescriptor.TYPE_FIXED64},
    json_fields.sfixed64: {FieldDescriptor.TYPE_SFIXED64},
    json_fields.double: {FieldDescriptor.TYPE_DOUBLE},
    json_fields.fixed64s: {FieldDescriptor.TYPE_FIXED64},
    json_fields.doubles: {FieldDescriptor.TYPE_DOUBLE},
}


@pytest.mark.parametrize("request_message", OFFICIAL)
def test_every_field_has_the_name_and_the_type_of_the_official_descriptors(request_message: Message) -> None:
    seen: set[int] = set()

    def check(message: Message, official: Descriptor | None) -> None:
        if id(message) in seen:
            return
        seen.add(id(message))
        assert official is not None
        for number, field in message.fields.items():
            described = official.fields_by_number[number]
            assert field.name == described.json_name
            if isinstance(field.write, Message):
                assert field.many == (described.is_repeated)
                check(field.write, described.message_type)
            else:
                assert described.type in TYPES[field.write]
                packed = field.write in (json_fields.fixed64s, json_fields.doubles)
                assert packed == (described.is_repeated)

    check(request_message, OFFICIAL[request_message].DESCRIPTOR)
    assert len(seen) > 8


def test_a_field_that_has_no_name_is_no_silent_loss() -> None:
    with pytest.raises(ProtobufError, match="field 9"):
        request_as_json(length_field(1, length_field(9, b"new")), TRACES_REQUEST)


def test_others_may_breathe_after_each_item() -> None:
    breaths: list[None] = []
    encoded = [encode_span(a_span(number)) for number in range(1, 6)]
    request_as_json(encode_request([(encode_resource(()), encoded)]), TRACES_REQUEST, lambda: breaths.append(None))
    assert len(breaths) == 5


def test_what_is_kept_stays_bounded() -> None:
    empty = retained(transcode._kept)
    for start in range(0, 3 * transcode.CACHED, 64):
        attributes = tuple((b"key", b"value%d" % i) for i in range(start, start + 64))
        attributes += tuple((b"long", b"%d" % i + b"x" * 5000) for i in range(2))
        request_as_json(encode_request([(b"", [encode_span(a_span(attributes=attributes))])]), TRACES_REQUEST)
        assert len(transcode._kept) <= transcode.CACHED
    assert retained(transcode._kept) < empty + transcode.CACHED * 600
