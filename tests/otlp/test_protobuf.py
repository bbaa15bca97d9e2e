"""The wire primitives against the official classes, and the reader against anything."""

from __future__ import annotations

from contextlib import suppress

import pytest
from google.protobuf.wrappers_pb2 import Int64Value, StringValue, UInt64Value
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it ships no types
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from haproxy_telemetry.otlp.answer import PartialSuccess, parse_partial_success, refusal_message
from haproxy_telemetry.otlp.protobuf import VARINT, ProtobufError, length_field, read_fields, tag, varint


@given(st.integers(0, (1 << 64) - 1))
@example(127)
@example(128)
@example(1023)
@example(1024)
def test_unsigned_numbers_are_written_as_the_official_encoder_does(number: int) -> None:
    if number:
        assert tag(1, VARINT) + varint(number) == UInt64Value(value=number).SerializeToString()
    assert UInt64Value.FromString(tag(1, VARINT) + varint(number)).value == number


@given(st.integers(-(1 << 63), -1))
def test_negative_numbers_are_written_as_the_official_encoder_does(number: int) -> None:
    assert tag(1, VARINT) + varint(number) == Int64Value(value=number).SerializeToString()


@pytest.mark.parametrize("size", [1, 127, 128, 1023, 1024, 20_000])
def test_lengths_are_written_as_the_official_encoder_does(size: int) -> None:
    assert length_field(1, b"x" * size) == StringValue(value="x" * size).SerializeToString()


@given(st.binary(max_size=100))
@example(b"\xff" * 20)  # a varint without end
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")  # a length of 2**64 - 1
@example(b"\x0b\x0c")  # a group
def test_any_bytes_are_fields_or_the_documented_error(data: bytes) -> None:
    with suppress(ProtobufError):
        assert len(list(read_fields(data))) <= len(data)


def test_a_partial_success_is_read() -> None:
    partial = ExportTracePartialSuccess(rejected_spans=7, error_message="quota\nused up")
    body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    assert parse_partial_success(body) == PartialSuccess(7, "quota used up")


def test_an_empty_answer_is_a_full_success() -> None:
    assert parse_partial_success(b"") == PartialSuccess(0, "")


def test_a_negative_number_of_rejected_spans_counts_as_none() -> None:
    partial = ExportTracePartialSuccess(rejected_spans=-1)
    assert parse_partial_success(ExportTraceServiceResponse(partial_success=partial).SerializeToString()).rejected == 0


def test_the_message_of_a_refusal_is_read() -> None:
    assert refusal_message(Status(code=3, message="bad span id").SerializeToString()) == "bad span id"


@given(st.binary(max_size=2000))
@example(b"<html>\r\n<h1>502 Bad Gateway</h1>")
def test_any_refusal_gives_one_short_line(body: bytes) -> None:
    message = refusal_message(body)
    assert len(message) <= 200
    assert message.isprintable()
