"""OTLP over gRPC against grpcio's own server: signals arrive, codes are judged, spans are accounted for."""

from __future__ import annotations

import gzip
import logging
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from haproxy_telemetry import __version__
from haproxy_telemetry.exporters import open_outlets, read_outlets
from haproxy_telemetry.otlp.ledger import CloseReport
from haproxy_telemetry.otlp.retry import RetryPolicy
from haproxy_telemetry.otlp.settings import read_otlp_settings
from haproxy_telemetry.otlp.variables import ExportConfigError
from haproxy_telemetry.stats import Stats
from metrics.ended import ended

from .grpc_receiver import Behaviour, GrpcReceiver, bare, ok, partly, receiving_grpc, refuse
from .on_the_wire import on_the_wire
from .receiver import receiving
from .spans import a_trace
from .test_send import LONG_S, QUICK, SHORT, balanced, exporter_to, free_port, until

Code = grpc.StatusCode
RETRYABLE = [
    Code.CANCELLED,
    Code.DEADLINE_EXCEEDED,
    Code.ABORTED,
    Code.OUT_OF_RANGE,
    Code.UNAVAILABLE,
    Code.DATA_LOSS,
]
FINAL = [code for code in Code if code not in (Code.OK, *RETRYABLE)]
GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}


def run(
    *script: Behaviour, spans: int = 3, retry: RetryPolicy = QUICK, environ: Mapping[str, str] | None = None
) -> tuple[GrpcReceiver, CloseReport, Stats]:
    """Export a trace to a receiver with this script, close, and check the sum."""
    stats = Stats()
    with receiving_grpc(*script) as receiver:
        url = f"http://127.0.0.1:{receiver.port}"
        exporter = exporter_to(url, stats, retry=retry, environ=GRPC | dict(environ or {}))
        exporter.export(a_trace(spans))
        receiver.wait_for_requests(1)
        report = exporter.close(LONG_S)
    balanced(report, stats, spans)
    return receiver, report, stats


# The receiver behaves


def test_a_batch_arrives_with_its_metadata() -> None:
    receiver, report, _ = run(
        environ={
            "OTEL_EXPORTER_OTLP_HEADERS": "X-Tenant=a%20b,authorization=Bearer%20abc,key-bin=raw",
            "OTEL_SERVICE_NAME": "edge",
        }
    )
    [request] = receiver.requests
    assert [span.span_id[-1] for span in request.spans] == [1, 2, 3]
    assert request.message.resource_spans[0].resource.attributes[0].value.string_value == "edge"
    assert (request.headers["x-tenant"], request.headers["authorization"]) == ("a b", "Bearer abc")
    assert dict[str, object](request.headers)["key-bin"] == b"raw"
    assert request.headers["user-agent"].startswith(f"haproxy-telemetry/{__version__} grpc-python/")
    assert report == CloseReport(3, {})


@pytest.mark.parametrize(("compression", "encoding"), [("gzip", b"gzip"), ("none", None)])
def test_the_message_is_compressed_on_the_wire(compression: str, encoding: bytes | None) -> None:
    stats = Stats()
    with on_the_wire() as (port, calls):
        environ = GRPC | {"OTEL_EXPORTER_OTLP_COMPRESSION": compression}
        exporter = exporter_to(f"http://127.0.0.1:{port}", stats, environ=environ)
        exporter.export(a_trace(50))
        assert exporter.close(LONG_S) == CloseReport(50, {})
    [call] = calls
    assert call.headers[b":path"] == b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    assert call.headers.get(b"grpc-encoding") == encoding
    compressed, size, message = call.body[0], int.from_bytes(call.body[1:5], "big"), bytes(call.body[5:])
    assert (compressed, size) == (int(encoding is not None), len(message))
    plain = gzip.decompress(message) if encoding else message
    assert len(ExportTraceServiceRequest.FromString(plain).resource_spans[0].scope_spans[0].spans) == 50


def test_metrics_and_logs_go_to_services_of_their_own() -> None:
    stats = Stats()
    with receiving_grpc() as receiver:
        environ = GRPC | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "otlp",
        }
        outlets = open_outlets(read_outlets(environ), stats, 100)
        assert outlets.traffic is not None
        assert outlets.logs is not None
        outlets.traffic.ended(ended())
        outlets.logs.export(ended())
        outlets.close(LONG_S)
    assert "http.server.request.duration" in receiver.metrics
    assert [one.body.string_value for one in receiver.logs] == ["GET /items 200"]
    assert {request.path for request in receiver.requests} == {"/v1/metrics", "/v1/logs"}


def test_a_unix_socket_is_an_endpoint(tmp_path: Path) -> None:
    stats = Stats()
    with receiving_grpc(address=f"unix:{tmp_path}/collector.sock") as receiver:
        exporter = exporter_to(f"unix:{tmp_path}/collector.sock", stats, environ=GRPC)
        exporter.export(a_trace(2))
        receiver.wait_for_spans(2)
        assert exporter.close(LONG_S) == CloseReport(2, {})


# The receiver refuses


@pytest.mark.parametrize("code", RETRYABLE, ids=lambda code: code.name)
def test_a_retryable_code_is_sent_again_unchanged(code: Any) -> None:
    receiver, report, _ = run(refuse(code, "not now"), ok)
    first, second = receiver.requests
    assert first.message == second.message
    assert report == CloseReport(3, {})


@pytest.mark.parametrize("code", FINAL, ids=lambda code: code.name)
def test_any_other_code_is_final_and_its_words_are_said(code: Any, caplog: pytest.LogCaptureFixture) -> None:
    receiver, report, _ = run(refuse(code, "no\nway"))
    assert len(receiver.requests) == 1
    assert report == CloseReport(0, {f"grpc_{code.name.lower()}": 3})
    assert f"gRPC {code.name} (no way)" in caplog.text


@pytest.mark.parametrize(
    "behaviour", [bare(Code.RESOURCE_EXHAUSTED), refuse(Code.RESOURCE_EXHAUSTED, delay=Duration(nanos=1000000))]
)
def test_an_exhausted_receiver_is_tried_again_only_with_retry_info(behaviour: Behaviour) -> None:
    receiver, report, _ = run(behaviour, ok)
    assert len(receiver.requests) == 2
    assert report == CloseReport(3, {})


def test_retry_info_beyond_the_batchs_time_loses_the_batch_at_once() -> None:
    receiver, report, _ = run(refuse(Code.UNAVAILABLE, delay=Duration(seconds=200)), ok, retry=SHORT)
    assert len(receiver.requests) == 1
    assert report == CloseReport(0, {"retries_exhausted": 3})


def test_a_partial_success_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    receiver, report, _ = run(partly(2, "too old"))
    assert len(receiver.requests) == 1
    assert report == CloseReport(1, {"rejected": 2})
    assert "too old" in caplog.text


# There is no receiver, or none that answers


def test_nobody_there_is_tried_until_the_time_is_used_up(caplog: pytest.LogCaptureFixture) -> None:
    stats = Stats()
    exporter = exporter_to(f"http://127.0.0.1:{free_port()}", stats, retry=SHORT, environ=GRPC)
    exporter.export(a_trace(2))
    until(lambda: stats.get("spans_dropped", "retries_exhausted") == 2)
    balanced(exporter.close(LONG_S), stats, 2)
    assert stats.get("export_requests") > 1
    assert "UNAVAILABLE" in caplog.text
    assert "refused" in caplog.text.lower()


def test_a_receiver_that_comes_up_late_gets_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stats, port = Stats(), free_port()
    exporter = exporter_to(f"http://127.0.0.1:{port}", stats, retry=RetryPolicy(0.01, 0.05, 60.0), environ=GRPC)
    exporter.export(a_trace(2))
    until(lambda: stats.get("export_requests") > 3)
    with receiving_grpc(address=f"127.0.0.1:{port}") as receiver:
        receiver.wait_for_spans(2)
        assert exporter.close(LONG_S) == CloseReport(2, {})
    assert "spans are delivered again" in caplog.text


def test_a_call_without_an_answer_ends_by_its_time_out_and_is_made_again() -> None:
    release = threading.Event()

    def hang(context: Any, response: Any) -> Any:
        release.wait(30)
        return response()

    try:
        receiver, report, _ = run(hang, ok, environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "200"})
    finally:
        release.set()
    assert len(receiver.requests) == 2
    assert report == CloseReport(3, {})


def test_a_peer_that_speaks_no_grpc_is_a_lost_connection() -> None:
    stats = Stats()
    with receiving() as server:
        exporter = exporter_to(f"http://127.0.0.1:{server.server_port}", stats, retry=SHORT, environ=GRPC)
        exporter.export(a_trace(1))
        until(lambda: stats.get("spans_dropped", "retries_exhausted") == 1)
        balanced(exporter.close(LONG_S), stats, 1)


# Settings


def url_of(endpoint: str, **more: str) -> str:
    environ = GRPC | {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in {"ENDPOINT": endpoint, **more}.items()}
    return read_otlp_settings(environ).url


@pytest.mark.parametrize(
    ("endpoint", "insecure", "url"),
    [
        ("", "", "http://localhost:4317"),
        ("http://collector:4317", "false", "http://collector:4317"),
        ("http://collector:4317/", "", "http://collector:4317"),
        ("https://collector", "true", "https://collector"),
        ("collector:4317", "", "https://collector:4317"),
        ("collector:4317", "true", "http://collector:4317"),
        ("grpc://collector:4317", "true", "http://collector:4317"),
        ("grpc://collector:4317", "", "https://collector:4317"),
        ("[::1]:4317", "true", "http://[::1]:4317"),
        ("unix:/run/otel.sock", "", "unix:/run/otel.sock"),
        ("unix:///run/otel.sock", "", "unix:/run/otel.sock"),
    ],
)
def test_an_endpoint_is_read_as_the_specification_says(endpoint: str, insecure: str, url: str) -> None:
    assert url_of(endpoint, INSECURE=insecure) == url


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("ENDPOINT", "http://collector:4318/v1/traces", "http/protobuf"),
        ("ENDPOINT", "http://collector:4317?key=1", "write http://collector:4317"),
        ("ENDPOINT", "dns:///collector:4317", "http://collector"),
        ("ENDPOINT", "unix:relative.sock", "unix:/run"),
        ("ENDPOINT", "collector:port", "http://collector"),
        ("HEADERS", "grpc-timeout=1", "remove"),
        ("HEADERS", "a%20b=1", "remove"),
        ("HEADERS", "key=%C3%A4", "correct it"),
    ],
)
def test_what_grpc_cannot_do_is_refused(name: str, value: str, fix: str) -> None:
    with pytest.raises(ExportConfigError) as caught:
        read_otlp_settings(GRPC | {f"OTEL_EXPORTER_OTLP_{name}": value})
    assert caught.value.variable == f"OTEL_EXPORTER_OTLP_{name}"
    assert fix in caught.value.fix


def test_a_signal_may_have_a_protocol_of_its_own() -> None:
    environ = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/json"}
    environ |= {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp"}
    outlets = read_outlets(environ)
    assert outlets.logs is not None
    assert outlets.metrics is not None
    protocols = (read_otlp_settings(environ).protocol, outlets.metrics.protocol, outlets.logs.protocol)
    assert protocols == ("grpc", "http/protobuf", "http/json")


def test_without_grpcio_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(ExportConfigError, match=r"grpcio.*pip install 'haproxy-telemetry\[grpc\]'.*pipx.*uv tool"):
        read_otlp_settings(GRPC)
