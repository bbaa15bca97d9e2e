"""The console and file ways out, none at all, and choosing between them."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from haproxy_telemetry.exporters import CloseReport, ExportConfigError, check_file, make_exporter
from haproxy_telemetry.exporters.console import render_trace
from haproxy_telemetry.exporters.lines import LineExporter
from haproxy_telemetry.otlp.encode import encode_request, encode_resource, encode_span
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.spans import Blob, FinishedSpan, FinishedTrace, SpanEvent

from .otlp_json import from_otlp_json
from .receiver import receiving
from .spans import a_span, a_trace, spans

BEGIN = 1_769_860_800_000_123_456  # 2026-01-31T12:00:00.000123Z


def span(number: int, parent: int, name: bytes, start_us: int, end_us: int, **changes: Any) -> FinishedSpan:
    return a_span(
        number,
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        start_ns=BEGIN + start_us * 1000,
        end_ns=BEGIN + end_us * 1000,
        **{"kind": 1, "attributes": (), "events": (), "status": 0, "status_message": b""} | changes,
    )


# Console


def test_a_trace_is_a_tree_with_times_and_attributes() -> None:
    trace = FinishedTrace(
        None,
        (
            span(3, 2, b"Frontend HTTP request", 120, 1354, kind=2, status=2, status_message=b"no server"),
            span(2, 1, b"Client session", 0, 12001, attributes=((b"http.method", b"GET"), (b"tls", True), (b"n", 3))),
            span(4, 1, b"Server session", 200, 300, attributes=((b"raw", Blob(b"\x00\xff")),)),
            span(1, 0, b"HAProxy session", 0, 12345, events=(SpanEvent(BEGIN + 5000, b"log", ((b"k", b"v"),)),)),
        ),
    )
    assert render_trace(trace, b"edge").decode().splitlines() == [
        "trace 00000000000000000000000000000003  edge  2026-01-31T12:00:00.000123Z  4 spans",
        "  HAProxy session  12.345 ms  [+0.005 ms log k=v]",
        "    Client session  12.001 ms  http.method=GET  tls=true  n=3",
        "      Frontend HTTP request  +0.120 ms  1.234 ms  server  error: no server",
        "    Server session  +0.200 ms  0.100 ms  raw=0x00ff",
    ]


def test_text_from_the_wire_cannot_move_the_cursor_or_forge_a_line() -> None:
    evil = b"\x1b[2J\r\nforged line \xe2\x80\xae\xff"
    trace = FinishedTrace(evil, (span(1, 0, evil, 0, 1, attributes=((evil, evil),)),))
    text = render_trace(trace, b"edge").decode()
    assert len(text.splitlines()) == 2
    assert text.replace("\n", "").isprintable()
    assert "\\x1b[2J\\r\\nforged line \\u202e\\xff" in text


def test_a_long_value_is_cut() -> None:
    trace = FinishedTrace(None, (span(1, 0, b"x" * 10_000, 0, 1),))
    assert len(render_trace(trace, b"edge")) < 400


@given(st.lists(spans, max_size=5), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=5, max_size=5))
@settings(max_examples=40)
def test_every_span_is_shown_once_whatever_the_parents_say(
    some: list[FinishedSpan], ids: list[tuple[int, int]]
) -> None:
    """Loops, spans that are their own parents, ids that occur twice."""
    tangled = tuple(
        s.replaced(span_id=bytes([own]) * 8, parent_span_id=bytes([parent]) * 8)
        for s, (own, parent) in zip(some, ids, strict=False)
    )
    assert len(render_trace(FinishedTrace(None, tangled), b"edge").splitlines()) == (1 + len(some) if some else 0)


# The thread that writes


def read_all(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_a_reader_that_does_not_read_delays_nobody_and_the_loss_is_counted() -> None:
    """A full pipe blocks the writing thread only; the queue takes what it holds."""
    reader, writer = os.pipe()
    stats = Stats()
    exporter = LineExporter(writer, lambda trace: b"x" * 1_000_000, stats, close_fd=False, queue_spans=10)
    for _ in range(20):
        exporter.export(a_trace(1))
    assert stats.get("spans_dropped", "queue_full") == 10
    assert exporter.close(0.05) == CloseReport(0, {"queue_full": 10, "shutdown": 10})
    os.close(reader)  # ends the write
    exporter._thread.join(10)
    assert exporter.close(0) == CloseReport(0, {"queue_full": 10, "shutdown": 10})
    os.close(writer)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": b"x" * 200_000},
        {"attributes": ((b"k" * 100_000, b"v" * 100_000),)},
        {"attributes": ((b"k", Blob(b"v" * 200_000)),)},
        {"events": (SpanEvent(0, b"log" * 30_000, ((b"k", b"v" * 110_000),)),)},
        {"status_message": b"x" * 200_000},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_traces_that_wait_for_a_reader_have_room_in_bytes_too(changes: dict[str, Any]) -> None:
    reader, writer = os.pipe()
    exporter = LineExporter(writer, lambda trace: b"x" * 1_000_000, Stats(), close_fd=False, queue_bytes=1_000_000)
    for number in range(10):
        exporter.export(FinishedTrace(None, (a_span(number + 1, **changes),)))
    assert exporter.close(0.05) == CloseReport(0, {"queue_full": 6, "shutdown": 4})
    os.close(reader)  # ends the write
    exporter._thread.join(10)
    os.close(writer)


def test_what_was_written_makes_room(tmp_path: Path) -> None:
    out = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    written = threading.Semaphore(0)

    def render(trace: FinishedTrace) -> bytes:
        written.release()
        return b"line\n"

    exporter = LineExporter(out, render, Stats(), close_fd=True, queue_bytes=1_000_000)
    for _ in range(20):
        exporter.export(FinishedTrace(None, (a_span(name=b"x" * 300_000),)))
        assert written.acquire(timeout=10)
    assert exporter.close(10) == CloseReport(20, {})
    assert exporter._queued_bytes == 0


def test_a_write_that_fails_is_counted_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with open("/dev/full", "wb") as full:
        exporter = LineExporter(full.fileno(), lambda trace: b"line\n", Stats(), close_fd=False)
        exporter.export(a_trace(2))
        exporter.export(a_trace(2))
        assert exporter.close(10) == CloseReport(0, {"write_failed": 4})
    assert len(caplog.records) == 1
    assert "No space left" in caplog.text


def test_a_trace_that_cannot_be_rendered_costs_only_itself(tmp_path: Path) -> None:
    out = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)

    def render(trace: FinishedTrace) -> bytes:
        if trace.service == b"bad":
            raise ValueError("a bug")
        return b"good\n"

    exporter = LineExporter(out, render, Stats(), close_fd=True)
    exporter.export(a_trace(1, service=b"bad"))
    exporter.export(a_trace(1))
    assert exporter.close(10) == CloseReport(1, {"encode_error": 1})
    exporter.export(a_trace(1))
    assert exporter.close(10).lost == {"encode_error": 1, "shutdown": 1}
    assert read_all(tmp_path / "out") == [b"good"]


# The factory


def test_the_file_holds_one_request_a_line_and_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    environ = {"OTEL_SERVICE_NAME": "edge", "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=1"}
    for service in (None, b"shop"):
        exporter = make_exporter("file", environ, Stats(), file=path)
        exporter.export(a_trace(2, service=service))
        assert exporter.close(10) == CloseReport(2, {})
    own, shop = read_all(path)
    attributes = json.loads(own)["resourceSpans"][0]["resource"]["attributes"]
    assert {"key": "service.name", "value": {"stringValue": "edge"}} in attributes
    assert b'"stringValue":"shop"' in shop
    expected = [encode_span(s) for s in a_trace(2).spans]
    resource = from_otlp_json(own, ExportTraceServiceRequest).resource_spans[0].resource
    pairs = [(a.key.encode(), a.value.string_value.encode()) for a in resource.attributes]
    message = ExportTraceServiceRequest.FromString(encode_request([(encode_resource(pairs), expected)]))
    assert from_otlp_json(own, ExportTraceServiceRequest) == message


def test_the_console_writes_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    exporter = make_exporter("console", {"OTEL_SERVICE_NAME": "edge"}, Stats())
    exporter.export(a_trace(1))
    assert exporter.close(10) == CloseReport(1, {})
    assert "  edge  " in capfd.readouterr().out


def test_otlp_goes_to_the_endpoint_of_the_environment() -> None:
    with receiving() as server:
        endpoint = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{server.server_port}/here"}
        exporter = make_exporter("otlp", endpoint, Stats())
        exporter.export(a_trace(1))
        assert exporter.close(10) == CloseReport(1, {})
    assert server.requests[0].path == "/here"


def test_spans_that_nobody_wants_are_counted_and_no_loss_to_complain_of() -> None:
    stats = Stats()
    exporter = make_exporter("none", {}, stats)
    exporter.export(a_trace(3))
    assert stats.get("spans_dropped", "not_wanted") == 3
    assert exporter.close(1.0) == CloseReport(0, {})
    assert exporter.state().failing_since is None


def test_what_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportConfigError, match="otlp, console, file"):
        make_exporter("pigeon", {}, Stats())
    with pytest.raises(ExportConfigError, match="--export-file PATH"):
        make_exporter("file", {}, Stats())
    with pytest.raises(ExportConfigError, match="No such file or directory"):
        make_exporter("file", {}, Stats(), file=tmp_path / "missing" / "traces.jsonl")
    with pytest.raises(ExportConfigError, match="http/protobuf or http/json or grpc"):
        make_exporter("otlp", {"OTEL_EXPORTER_OTLP_PROTOCOL": "pigeon"}, Stats())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_not_be_written_is_found_before_the_start(tmp_path: Path) -> None:
    file = tmp_path / "traces.jsonl"
    file.touch(0o400)
    for wrong in (file, Path("/proc/traces.jsonl")):
        with pytest.raises(ExportConfigError, match="can't be opened"):
            check_file(wrong)
