"""``POST /v1/traces`` as the OTLP specification has it, and its bounds."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from haproxy_telemetry.otlp.answer import refusal_message
from haproxy_telemetry.viewer.bodies import MAX_BODY, BadRequestError, unpack
from viewer.otlp import Spec, request, trace_id
from viewer.running import JSON, PROTOBUF, Running

ONE = request(Spec())
AS_JSON = json.dumps(
    {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "from json"}}]},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "5B8EFFF798038103D269B633813FC60C",
                                "spanId": "EEE19B7EC3C1B174",
                                "parentSpanId": "EEE19B7EC3C1B173",
                                "name": "I'm a server span",
                                "startTimeUnixNano": "1544712660000000000",
                                "endTimeUnixNano": 1544712661000000000,
                                "kind": 2,
                                "attributes": [{"key": "my.span.attr", "value": {"intValue": "7"}}],
                                "links": [
                                    {"traceId": "5b8efff798038103d269b633813fc60d", "spanId": "eee19b7ec3c1b175"}
                                ],
                                "aFieldOfTomorrow": {"is": ["skipped"]},
                            }
                        ]
                    }
                ],
            }
        ]
    }
).encode()


def rejected(viewer: Running) -> dict[str, int]:
    found: dict[str, int] = viewer.get("/api/viewer/status")["viewer"]["received"]["rejected"]
    return found


def test_protobuf_is_taken_and_answered_in_protobuf(viewer: Running) -> None:
    reply = viewer.post(ONE.SerializeToString())
    assert (reply.status, reply.content_type, reply.body) == (200, PROTOBUF, b"")
    assert viewer.get("/api/services")["data"] == ["web"]


def test_what_is_answered_with_success_can_be_read_at_once(viewer: Running) -> None:
    for number in range(1, 30):
        viewer.send(request(Spec(trace=number)))
        assert viewer.ask(f"/api/traces/{trace_id(number).hex()}").status == 200


def test_json_is_taken_and_answered_in_json_with_ids_in_hex(viewer: Running) -> None:
    reply = viewer.post(AS_JSON, JSON + "; charset=utf-8")
    assert (reply.status, reply.content_type, reply.json) == (200, JSON, {})
    told = viewer.get("/api/v3/traces/5b8efff798038103d269b633813fc60c")
    (resource_spans,) = told["result"]["resourceSpans"]
    (span,) = resource_spans["scopeSpans"][0]["spans"]
    assert (span["spanId"], span["parentSpanId"]) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173")
    assert span["links"][0]["spanId"] == "eee19b7ec3c1b175"
    assert span["attributes"] == [{"key": "my.span.attr", "value": {"intValue": "7"}}]
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("1544712660000000000", "1544712661000000000")


def test_what_the_viewer_gives_as_otlp_json_can_be_sent_to_it_again(viewer: Running) -> None:
    viewer.post(AS_JSON, JSON)
    path = "/api/viewer/traces/5b8efff798038103d269b633813fc60c/download"
    reply = viewer.ask(path)
    assert reply.headers["content-disposition"].startswith(
        'attachment; filename="trace-5b8efff798038103d269b633813fc60c'
    )
    assert viewer.post(reply.body, JSON).status == 200
    assert viewer.get(path) == reply.json
    assert rejected(viewer) == {"duplicate": 1}


@pytest.mark.parametrize(("body", "kind"), [(ONE.SerializeToString(), PROTOBUF), (AS_JSON, JSON)])
def test_gzip_is_unpacked(viewer: Running, body: bytes, kind: str) -> None:
    assert viewer.post(gzip.compress(body), kind, content_encoding="gzip").status == 200
    assert viewer.get("/api/viewer/status")["viewer"]["spans"] == 1


def test_opentelemetrys_own_exporter_is_understood(viewer: Running) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "sdk"}))
    exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{viewer.otlp_port}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("outer") as span:
        span.add_event("here", {"a": 1})
    provider.shutdown()
    told = viewer.get("/api/viewer/traces?service=sdk")
    assert [(one["name"], one["spans"]) for one in told["traces"]] == [("outer", 1)]


@pytest.mark.parametrize(
    ("body", "kind", "encoding", "status", "reason"),
    [
        (b"\xff" * 40, PROTOBUF, "", 400, "bad_protobuf"),
        (b"{", JSON, "", 400, "bad_json"),
        (b"[]", JSON, "", 400, "bad_json"),
        (b"[" * 200_000, JSON, "", 400, "bad_json"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', JSON, "", 400, "bad_json"),
        (b'{"resourceSpans":7}', JSON, "", 400, "bad_json"),
        (b"no gzip", PROTOBUF, "gzip", 400, "bad_gzip"),
        (gzip.compress(ONE.SerializeToString(), mtime=0)[:-9], PROTOBUF, "gzip", 400, "bad_gzip"),
        (gzip.compress(b"", mtime=0) * 2, PROTOBUF, "gzip", 400, "bad_gzip"),
        (ONE.SerializeToString(), PROTOBUF, "br", 415, "bad_content_encoding"),
        (b"<xml/>", "text/xml", "", 415, "bad_content_type"),
        (b"", "", "", 415, "bad_content_type"),
    ],
)
def test_a_bad_request_is_refused_by_a_status_in_its_own_encoding(
    viewer: Running, body: bytes, kind: str, encoding: str, status: int, reason: str
) -> None:
    reply = viewer.post(body, kind, content_encoding=encoding)
    assert reply.status == status
    if kind == JSON:
        assert reply.content_type == JSON
        assert reply.json["message"]
        assert reply.json["code"] == 3
    else:
        assert reply.content_type == PROTOBUF
        assert refusal_message(reply.body)
    assert rejected(viewer) == {reason: 1}
    assert viewer.get("/api/viewer/status")["viewer"]["spans"] == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_not_allowed(viewer: Running, method: str) -> None:
    reply = viewer.ask("/v1/traces", method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_spans_without_a_valid_id_are_left_out_and_told(viewer: Running) -> None:
    mixed = request(Spec(), Spec(trace=0), Spec(span=0), Spec(trace=2))
    mixed.resource_spans[3].scope_spans[0].spans[0].parent_span_id = b"abc"
    reply = viewer.post(mixed.SerializeToString())
    answer = ExportTraceServiceResponse.FromString(reply.body)
    assert (reply.status, answer.partial_success.rejected_spans) == (200, 3)
    assert "bad_trace_id" in answer.partial_success.error_message
    assert rejected(viewer) == {"bad_parent_id": 1, "bad_span_id": 1, "bad_trace_id": 1}
    assert viewer.get("/api/viewer/status")["viewer"]["spans"] == 1


def test_a_body_that_announces_too_much_is_refused_before_it_comes(viewer: Running) -> None:
    headers = {"Content-Type": PROTOBUF, "Content-Length": str(MAX_BODY + 1)}
    assert viewer.ask("/v1/traces", method="POST", headers=headers).status == 413
    assert rejected(viewer) == {"too_large": 1}


def test_a_body_that_announces_nothing_is_cut_at_the_bound(viewer: Running) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(MAX_BODY // 2**20 + 2):
            yield bytes(2**20)

    with suppress(BrokenPipeError, ConnectionResetError):  # it is refused while we still send
        assert viewer.ask("/v1/traces", method="POST", body=endless(), headers={"Content-Type": PROTOBUF}).status == 413
    assert rejected(viewer) == {"too_large": 1}


def test_a_bomb_is_inflated_to_the_bound_and_no_further() -> None:
    bomb = zlib.compressobj(9, wbits=31)
    body = b"".join(bomb.compress(bytes(2**20)) for _ in range(80)) + bomb.flush()
    assert len(body) < 2**20
    with pytest.raises(BadRequestError) as caught:
        unpack(body, "gzip")
    assert caught.value.status == 413


def test_the_port_for_otlp_has_nothing_else(viewer: Running) -> None:
    body = ONE.SerializeToString()
    reply = viewer.ask(
        "/v1/traces", method="POST", body=body, headers={"Content-Type": PROTOBUF}, port=viewer.otlp_port
    )
    assert reply.status == 200
    for path in ("/", "/api/services", "/api/viewer/traces"):
        assert viewer.ask(path, port=viewer.otlp_port).status == 404
