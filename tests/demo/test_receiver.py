"""The receiver, fed by OpenTelemetry's own exporter and by peers that do it wrong."""

from __future__ import annotations

import gzip
import http.client
import socket
from collections.abc import Iterator

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from haproxy_telemetry.demo.decode import MAX_BODY, BadOtlpError, decode_request
from haproxy_telemetry.demo.receiver import Receiver
from haproxy_telemetry.terminal.records import SpanRecord

PROTOBUF = "application/x-protobuf"


@pytest.fixture
def taken() -> list[SpanRecord]:
    return []


@pytest.fixture
def receiver(taken: list[SpanRecord]) -> Iterator[Receiver]:
    with Receiver(0, taken.extend) as receiver:
        yield receiver


def post(
    receiver: Receiver, body: bytes, path: str = "/v1/traces", encoding: str = "", content_type: str = PROTOBUF
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=5)
    try:
        headers = {"content-type": content_type} | ({"content-encoding": encoding} if encoding else {})
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_what_the_sdk_exports_is_what_is_recorded(
    receiver: Receiver, taken: list[SpanRecord], compression: Compression
) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{receiver.port}/v1/traces", compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("GET", kind=SpanKind.SERVER) as parent:
        parent.set_attributes({"text": "é", "whole": -7, "real": 0.5, "yes": True, "many": ["a", "b"]})
        with tracer.start_as_current_span("query") as child:
            child.set_status(StatusCode.ERROR)
    provider.shutdown()

    query, get = taken
    assert (get.name, get.service, get.kind, get.parent_id, get.error) == ("GET", "shop", "server", "", False)
    assert (query.name, query.kind, query.error) == ("query", "internal", True)
    assert query.parent_id == get.span_id == format_span_id(parent.get_span_context().span_id)
    assert query.trace_id == get.trace_id == format_trace_id(parent.get_span_context().trace_id)
    assert {key: get.attributes[key] for key in ("text", "whole", "real", "yes")} == {
        "text": "é",
        "whole": -7,
        "real": 0.5,
        "yes": True,
    }
    assert get.start_ns <= query.start_ns <= query.end_ns <= get.end_ns


def test_success_is_an_empty_answer(receiver: Receiver) -> None:
    assert post(receiver, b"") == (200, b"")


@pytest.mark.parametrize(
    ("body", "encoding", "content_type", "status"),
    [
        (b"\xff\xff\xff", "", PROTOBUF, 400),
        (b"no gzip", "gzip", PROTOBUF, 400),
        (gzip.compress(b"\x0a\x00" * 50, mtime=0)[:-9], "gzip", PROTOBUF, 400),
        (b"", "br", PROTOBUF, 415),
        (b"{}", "", "application/json", 415),
        (gzip.compress(bytes(MAX_BODY + 1), mtime=0), "gzip", PROTOBUF, 413),
    ],
)
def test_what_cannot_be_read_gets_its_status_and_the_receiver_lives(
    receiver: Receiver, taken: list[SpanRecord], body: bytes, encoding: str, content_type: str, status: int
) -> None:
    assert post(receiver, body, encoding=encoding, content_type=content_type)[0] == status
    assert post(receiver, b"")[0] == 200
    assert taken == []


def test_other_paths_are_not_found(receiver: Receiver) -> None:
    assert post(receiver, b"", path="/v1/metrics")[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"transfer-encoding: chunked", b"411"),
        (b"content-length: 99999999999", b"413"),
        (b"content-length: -1", b"411"),
    ],
)
def test_a_body_without_a_sane_length_is_refused_unread(receiver: Receiver, headers: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as peer:
        peer.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n" + headers + b"\r\n\r\n")
        assert peer.recv(4096).split(b" ")[1] == status


def test_a_peer_that_resets_is_nothing_to_tell(receiver: Receiver, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.sendall(b"POST /v1/traces HTTP/1.1\r\ncontent-length: 5\r\n\r\n")
    assert post(receiver, b"")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_an_error_at_once(receiver: Receiver, taken: list[SpanRecord]) -> None:
    with pytest.raises(OSError, match="in use"):
        Receiver(receiver.port, taken.extend)


def test_a_resource_without_a_name_has_the_name_that_opentelemetry_gives_it() -> None:
    # One ResourceSpans { ScopeSpans { Span { name: "x" } } }, written by hand from the .proto files.
    span = b"\x2a\x01x"
    body = b"\x0a\x07" + b"\x12\x05" + b"\x12\x03" + span
    assert [(one.name, one.service) for one in decode_request(body, PROTOBUF, "")] == [("x", "unknown_service")]


def test_an_unknown_kind_is_kept_as_its_number() -> None:
    body = b"\x0a\x06" + b"\x12\x04" + b"\x12\x02" + b"\x30\x2a"
    assert [one.kind for one in decode_request(body, PROTOBUF, "")] == ["42"]


def test_the_error_knows_its_status() -> None:
    with pytest.raises(BadOtlpError, match="not text/html") as caught:
        decode_request(b"", "text/html", "")
    assert caught.value.status == 415
