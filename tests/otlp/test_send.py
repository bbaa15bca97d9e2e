"""The exporter against a receiver that behaves, refuses, stalls and lies: every span is accounted for."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Mapping

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # it ships no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.ledger import CloseReport
from haproxy_telemetry.otlp.resource import ResourceTable, read_resource_attributes
from haproxy_telemetry.otlp.retry import Answer, Outcome, RetryPolicy
from haproxy_telemetry.otlp.send import OtlpExporter
from haproxy_telemetry.otlp.settings import read_batch_limits, read_otlp_settings
from haproxy_telemetry.otlp.transport import Groups, Transport
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.spans import FinishedTrace

from .receiver import Behaviour, Receiver, answer, drip, hang, raw, receiving
from .spans import a_span, a_trace

QUICK = RetryPolicy(first_s=0.01, most_s=0.02, budget_s=5.0)
SHORT = RetryPolicy(first_s=0.01, most_s=0.02, budget_s=0.1)
LONG_S = 10.0  # far more than any test needs


def exporter_to(
    url: str,
    stats: Stats,
    *,
    retry: RetryPolicy = QUICK,
    transport: Transport | None = None,
    environ: Mapping[str, str] | None = None,
) -> OtlpExporter:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_BSP_SCHEDULE_DELAY": "10",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100",
    } | dict(environ or {})
    resources = ResourceTable(read_resource_attributes(environ, "id"), stats)
    settings, limits = read_otlp_settings(environ), read_batch_limits(environ)
    return OtlpExporter(settings, limits, resources, stats, transport=transport, retry=retry)


def url_of(server: Receiver) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def run(
    *script: Behaviour, spans: int = 3, retry: RetryPolicy = QUICK, environ: Mapping[str, str] | None = None
) -> tuple[Receiver, CloseReport, Stats]:
    """Export a trace to a receiver with this script, close, and check the sum."""
    stats = Stats()
    with receiving(*script) as server:
        exporter = exporter_to(url_of(server), stats, retry=retry, environ=environ)
        exporter.export(a_trace(spans))
        server.wait_for_requests(1)
        report = exporter.close(LONG_S)
    balanced(report, stats, spans)
    return server, report, stats


def balanced(report: CloseReport, stats: Stats, spans: int) -> None:
    assert report.exported + sum(report.lost.values()) == spans
    assert stats.get("spans_exported") == report.exported
    for reason, lost in report.lost.items():
        assert stats.get("spans_dropped", reason) == lost


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# The receiver behaves


@pytest.mark.parametrize(("compression", "encoding"), [("gzip", "gzip"), ("none", None)])
def test_a_batch_arrives_as_the_specification_says(compression: str, encoding: str | None) -> None:
    server, report, _ = run(
        environ={
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=a%20b,content-type=text/plain",
            "OTEL_SERVICE_NAME": "edge",
        }
    )
    [request] = server.requests
    assert request.path == "/v1/traces"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers.get("content-encoding") == encoding
    assert request.headers["user-agent"] == f"haproxy-telemetry/{__version__}"
    assert request.headers["x-tenant"] == "a b"
    assert [span.span_id[-1] for span in request.spans] == [1, 2, 3]
    assert request.message.resource_spans[0].resource.attributes[0].value.string_value == "edge"
    assert report == CloseReport(3, {})


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_batch_in_json_arrives_and_says_the_same(compression: str) -> None:
    json = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_COMPRESSION": compression}
    server, report, _ = run(spans=40, environ=json)
    binary, _, _ = run(spans=40)
    [request] = server.requests
    assert request.headers["content-type"] == "application/json"
    assert request.path == "/v1/traces"
    assert request.spans == binary.spans
    assert report == CloseReport(40, {})


@pytest.mark.parametrize(
    ("body", "report"),
    [
        (b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}', CloseReport(1, {"rejected": 2})),
        (b'{"partialSuccess":{"rejectedSpans":2}}', CloseReport(1, {"rejected": 2})),
        (b'{"partialSuccess":{"rejectedSpans":"-2"}, "new": [1]}', CloseReport(3, {})),
        (b"{}", CloseReport(3, {})),
        (b'{"partialSuccess":' * 3000, CloseReport(3, {})),
    ],
)
def test_an_answer_in_json_is_understood_whatever_was_sent(body: bytes, report: CloseReport) -> None:
    for protocol in ("http/json", "http/protobuf"):
        assert run(answer(200, body), environ={"OTEL_EXPORTER_OTLP_PROTOCOL": protocol})[1] == report


def test_a_refusal_in_json_is_said_in_its_words(caplog: pytest.LogCaptureFixture) -> None:
    run(answer(403, b'{"code":7,"message":"no such\\ntenant","details":[]}'))
    assert "HTTP 403 (no such tenant)" in caplog.text


def test_batches_are_of_the_size_that_was_set_and_use_one_connection() -> None:
    stats = Stats()
    with receiving() as server:
        exporter = exporter_to(url_of(server), stats, environ={"OTEL_BSP_SCHEDULE_DELAY": "60000"})
        for first in range(0, 250, 10):
            exporter.export(a_trace(10, first=first + 1))
        server.wait_for_spans(200)
        report = exporter.close(LONG_S)  # the rest does not wait for its minute
        assert [len(request.spans) for request in server.requests] == [100, 100, 50]
    balanced(report, stats, 250)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_the_receiver_is_called_by_the_name_of_the_url(host: str) -> None:
    with receiving(host=host.strip("[]")) as server:
        exporter = exporter_to(f"http://{host}:{server.server_port}", Stats())
        exporter.export(a_trace(1))
        assert exporter.close(LONG_S) == CloseReport(1, {})
    [request] = server.requests
    assert {name.lower(): value for name, value in request.headers.items()}["host"] == f"{host}:{server.server_port}"


def test_spans_of_another_service_come_under_their_own_resource() -> None:
    stats = Stats()
    with receiving() as server:
        exporter = exporter_to(url_of(server), stats, environ={"OTEL_BSP_SCHEDULE_DELAY": "60000"})
        exporter.export(a_trace(1, first=1))
        exporter.export(a_trace(1, first=2, service=b"shop"))
        exporter.export(a_trace(1, first=3))
        report = exporter.close(LONG_S)
    own, shop = server.requests[0].message.resource_spans
    assert [span.span_id[-1] for span in own.scope_spans[0].spans] == [1, 3]
    assert [a.value.string_value for a in shop.resource.attributes if a.key == "service.name"] == ["shop"]
    balanced(report, stats, 3)


# The receiver refuses


def test_a_partial_success_is_not_sent_again_and_its_loss_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=2, error_message="too old")
    body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    server, report, _ = run(answer(200, body))
    assert len(server.requests) == 1
    assert report == CloseReport(1, {"rejected": 2})
    assert "too old" in caplog.text


def test_more_rejected_spans_than_were_sent_are_not_believed() -> None:
    partial = ExportTracePartialSuccess(rejected_spans=1_000_000)
    body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    assert run(answer(200, body))[1] == CloseReport(0, {"rejected": 3})


def test_a_warning_without_rejected_spans_loses_nothing() -> None:
    partial = ExportTracePartialSuccess(error_message="use the new endpoint")
    body = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
    _, report, stats = run(answer(200, body))
    assert report == CloseReport(3, {})
    assert stats.get("export_warnings") == 1


def test_a_final_refusal_is_not_sent_again_and_its_reason_is_said(caplog: pytest.LogCaptureFixture) -> None:
    server, report, _ = run(answer(400, Status(code=3, message="bad span id").SerializeToString()))
    assert len(server.requests) == 1
    assert report == CloseReport(0, {"http_400": 3})
    assert "HTTP 400 (bad span id)" in caplog.text


def test_a_redirect_is_a_refusal_and_is_not_followed() -> None:
    server, report, _ = run(answer(307, Location="http://127.0.0.1:1/v1/traces"))
    assert len(server.requests) == 1
    assert report.lost == {"http_307": 3}


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_retryable_refusal_is_sent_again_unchanged(status: int) -> None:
    server, report, _ = run(answer(status), answer(status), answer(200))
    assert len(server.requests) == 3
    assert server.requests[0].message == server.requests[2].message
    assert report == CloseReport(3, {})


def test_retry_after_is_waited_for() -> None:
    began = time.monotonic()
    _, report, _ = run(answer(429, Retry_After="1"), answer(200))
    assert time.monotonic() - began >= 1.0
    assert report == CloseReport(3, {})


def test_the_budget_of_a_batch_ends_its_retries() -> None:
    server, report, _ = run(answer(503), retry=SHORT)
    assert len(server.requests) > 1
    assert report == CloseReport(0, {"retries_exhausted": 3})


def test_a_long_retry_after_keeps_the_next_batch_waiting() -> None:
    """The batch is given up, but the receiver is left alone as long as it asked."""
    stats = Stats()
    with receiving(answer(429, Retry_After="1"), answer(200)) as server:
        exporter = exporter_to(url_of(server), stats, retry=SHORT)
        exporter.export(a_trace(1, first=1))
        server.wait_for_requests(1)
        told = time.monotonic()
        exporter.export(a_trace(1, first=2))
        server.wait_for_requests(2)
        assert time.monotonic() - told >= 0.9
        report = exporter.close(LONG_S)
    assert report == CloseReport(1, {"retries_exhausted": 1})


# The receiver lies, stalls, or is not there


@pytest.mark.parametrize("body", [b"{", b"[1]", b"<html>\xff", b"\x0a\xff", b"\xff" * 1000, b"\xff" * 200_000])
def test_success_with_a_garbage_body_is_success(body: bytes) -> None:
    _, report, stats = run(answer(200, body))
    assert report == CloseReport(3, {})
    assert stats.get("export_answers_unreadable") == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        raw(b""),
        raw(b"\x00\xff not HTTP at all\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 500 + b"\r\n"),
        raw(b"HTTP/1.1 200 " + b"O" * 70_000),
    ],
    ids=["nothing", "no HTTP", "500 headers", "endless line"],
)
def test_an_answer_that_is_none_is_a_lost_connection_and_tried_again(behaviour: Behaviour) -> None:
    server, report, _ = run(behaviour, answer(200))
    assert len(server.requests) == 2
    assert report == CloseReport(3, {})


@pytest.mark.parametrize(
    "behaviour",
    [
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"),
        drip,
    ],
    ids=["cut", "bad chunk", "no gzip", "drip"],
)
def test_a_success_that_breaks_off_is_not_sent_twice(behaviour: Behaviour) -> None:
    """The status has said that the receiver has the spans."""
    server, report, stats = run(behaviour, answer(200), environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "200"})
    assert len(server.requests) == 1
    assert report == CloseReport(3, {})
    assert stats.get("export_answers_unreadable") == 1


def test_a_refusal_that_breaks_off_is_judged_by_its_status() -> None:
    server, report, _ = run(raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nonly"), answer(200))
    assert len(server.requests) == 2
    assert report == CloseReport(3, {})


def test_a_connection_that_the_receiver_has_ended_is_not_used_again() -> None:
    """It may end an idle one without a word: what is sent then would be lost, or sent twice."""
    stats = Stats()
    with receiving(answer(200), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), answer(200)) as server:
        exporter = exporter_to(url_of(server), stats)
        for number in (1, 2, 3):
            exporter.export(a_trace(1, first=number))
            server.wait_for_requests(number)
            time.sleep(0.1)  # for the end to come over
        assert exporter.close(LONG_S) == CloseReport(3, {})
    assert stats.get("export_requests") == 3


def test_a_receiver_that_stalls_is_left_and_tried_again() -> None:
    server, report, _ = run(hang, answer(200), environ={"OTEL_EXPORTER_OTLP_TIMEOUT": "200"})
    assert len(server.requests) == 2
    assert report == CloseReport(3, {})


def test_a_receiver_that_comes_up_late_gets_everything_and_both_ends_are_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "haproxy_telemetry.export")
    stats, port = Stats(), free_port()
    exporter = exporter_to(f"http://127.0.0.1:{port}", stats)
    exporter.export(a_trace(2))
    until(lambda: stats.get("export_requests") >= 3)
    with receiving(port=port) as server:
        server.wait_for_spans(2)
        report = exporter.close(LONG_S)
    assert report == CloseReport(2, {})
    began, ended = [record.message for record in caplog.records]
    assert "can't be delivered" in began
    assert "refused" in began
    assert "delivered again" in ended


def test_a_key_in_the_query_is_sent_but_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stats = Stats()
    with receiving(answer(503), answer(400)) as server:
        exporter = exporter_to(url_of(server) + "?key=s3cret", stats)
        exporter.export(a_trace(1))
        server.wait_for_requests(2)
        report = exporter.close(LONG_S)
    assert server.requests[0].path == "/v1/traces?key=s3cret"
    assert report.lost == {"http_400": 1}
    assert "/v1/traces" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_loss_is_logged_once_and_then_counted(caplog: pytest.LogCaptureFixture) -> None:
    stats = Stats()
    with receiving(answer(400)) as server:
        exporter = exporter_to(url_of(server), stats)
        for number in range(1, 4):
            exporter.export(a_trace(1, first=number))
            server.wait_for_requests(number)
        report = exporter.close(LONG_S)
    assert report == CloseReport(0, {"http_400": 3})
    assert len(caplog.records) == 1


# The queue


class Stuck:
    """A transport whose requests end when the test says so."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.released = threading.Event()

    def body(self, groups: Groups) -> bytes:
        return b""

    def post(self, body: bytes, timeout_s: float | None) -> Outcome:
        self.entered.set()
        self.released.wait(30)
        return Answer(200, None, b"")

    def close(self) -> None:
        """Nothing is open."""


def test_what_does_not_fit_into_the_queue_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    stats, stuck = Stats(), Stuck()
    environ = {"OTEL_BSP_MAX_QUEUE_SIZE": "20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"}
    exporter = exporter_to("http://127.0.0.1:1", stats, transport=stuck, environ=environ)
    exporter.export(a_trace(10))
    assert stuck.entered.wait(10)  # ten in flight, none in the queue
    for _ in range(7):
        exporter.export(a_trace(5))
    stuck.released.set()
    report = exporter.close(LONG_S)
    assert report == CloseReport(30, {"queue_full": 15})
    balanced(report, stats, 45)
    assert caplog.text.count("queue_full") == 1


def test_closing_with_a_request_under_way_ends_in_time_and_counts_it_as_lost() -> None:
    stats, stuck = Stats(), Stuck()
    exporter = exporter_to("http://127.0.0.1:1", stats, transport=stuck)
    exporter.export(a_trace(2))
    assert stuck.entered.wait(10)
    exporter.export(a_trace(3))
    report = exporter.close(0.05)
    assert report == CloseReport(0, {"shutdown": 5})
    stuck.released.set()  # it succeeds too late: counted once is counted
    exporter._deliverer.join(10)
    assert exporter.close(0) == report
    balanced(report, stats, 5)


def test_closing_ends_a_backoff_with_one_last_attempt() -> None:
    stats, patient = Stats(), RetryPolicy(first_s=1000.0, most_s=1000.0, budget_s=10_000.0)
    with receiving(answer(503), answer(200)) as server:
        exporter = exporter_to(url_of(server), stats, retry=patient)
        exporter.export(a_trace(2))
        server.wait_for_requests(1)
        assert exporter.close(LONG_S) == CloseReport(2, {})
    balanced(exporter.close(0), stats, 2)


def test_closing_with_the_receiver_away_counts_everything_as_lost() -> None:
    stats, patient = Stats(), RetryPolicy(first_s=1000.0, most_s=1000.0, budget_s=10_000.0)
    environ = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10", "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    exporter = exporter_to(f"http://127.0.0.1:{free_port()}", stats, retry=patient, environ=environ)
    for _ in range(7):
        exporter.export(a_trace(5))
    report = exporter.close(LONG_S)
    assert report == CloseReport(0, {"shutdown": 35})
    balanced(report, stats, 35)


def test_a_receiver_that_wants_to_be_left_alone_is_also_while_closing() -> None:
    stats = Stats()
    with receiving(answer(503, Retry_After="100")) as server:
        patient = RetryPolicy(budget_s=1000.0)
        exporter = exporter_to(url_of(server), stats, retry=patient)
        exporter.export(a_trace(2))
        server.wait_for_requests(1)
        report = exporter.close(LONG_S)
    assert len(server.requests) == 1
    assert report == CloseReport(0, {"shutdown": 2})


def test_traces_after_closing_are_counted_as_lost() -> None:
    stats = Stats()
    with receiving() as server:
        exporter = exporter_to(url_of(server), stats)
        assert exporter.close(LONG_S) == CloseReport(0, {})
        exporter.export(a_trace(2))
    assert exporter.close(0) == CloseReport(0, {"shutdown": 2})


def test_a_span_that_cannot_be_encoded_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    stats = Stats()
    good, bad = a_span(1), a_span(2, start_ns=-1)
    with receiving() as server:
        exporter = exporter_to(url_of(server), stats)
        exporter.export(FinishedTrace(None, (bad, good, bad)))
        server.wait_for_spans(1)
        report = exporter.close(LONG_S)
    assert report == CloseReport(1, {"encode_error": 2})
    assert caplog.text.count("encode_error") == 1


def test_a_bug_in_the_transport_costs_a_batch_and_not_the_thread() -> None:
    class Broken(Stuck):
        def post(self, body: bytes, timeout_s: float | None) -> Outcome:
            if not self.entered.is_set():
                self.entered.set()
                raise AssertionError("a bug")
            return Answer(200, None, b"")

    stats, broken = Stats(), Broken()
    exporter = exporter_to("http://127.0.0.1:1", stats, transport=broken)
    exporter.export(a_trace(2))
    assert broken.entered.wait(10)
    until(lambda: stats.get("spans_dropped", "internal_error") == 2)
    exporter.export(a_trace(3))
    report = exporter.close(LONG_S)
    assert report == CloseReport(3, {"internal_error": 2})


def test_many_threads_and_failures_lose_no_span_uncounted() -> None:
    """The event loop is one thread, but the sum must hold however the two sides interleave."""
    stats = Stats()
    script = [answer(200), answer(503), answer(400), raw(b""), answer(200)] * 20
    with receiving(*script) as server:
        exporter = exporter_to(url_of(server), stats, environ={"OTEL_BSP_MAX_QUEUE_SIZE": "300"})

        def feed() -> None:
            for number in range(200):
                exporter.export(a_trace(3, first=number + 1))

        threads = [threading.Thread(target=feed) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report = exporter.close(LONG_S)
    balanced(report, stats, 4 * 200 * 3)
    assert set(report.lost) <= {"queue_full", "http_400"}


def until(met: object, timeout_s: float = 10.0) -> None:
    assert callable(met)
    deadline = time.monotonic() + timeout_s
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def test_the_state_tells_success_from_failure() -> None:
    stats = Stats()
    with receiving(answer(400), answer(200)) as server:
        exporter = exporter_to(url_of(server), stats)
        assert exporter.state()[:4] == (0, None, None, None)
        exporter.export(a_trace(2))
        server.wait_for_requests(1)
        wait_until_counted(stats, "spans_dropped", "http_400", 2)
        failed = exporter.state()
        exporter.export(a_trace(2))
        server.wait_for_requests(2)
        exporter.close(LONG_S)
    assert failed.last_success is None
    assert failed.failing_since == failed.last_failure
    assert failed.failing_since is not None
    worked = exporter.state()
    assert worked.last_success is not None
    assert (worked.queue, worked.failing_since, worked.last_failure) == (0, None, failed.last_failure)


def wait_until_counted(stats: Stats, what: str, reason: str, number: int) -> None:
    deadline = time.monotonic() + LONG_S
    while stats.get(what, reason) < number:
        assert time.monotonic() < deadline
        time.sleep(0.005)
