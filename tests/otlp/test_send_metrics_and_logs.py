"""Metrics and logs on their way: intervals, temporality, settings, and that each loss is counted."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse

from admin.pages import World
from haproxy_telemetry.exporters import ExportConfigError, Outlets, open_outlets, read_outlets
from haproxy_telemetry.metrics.points import NumberData
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.stats import Stats
from metrics.ended import GOOD, SPAN_ID, TRACE_ID, ended

from .receiver import Receiver, answer, receiving

SLOW = {"OTEL_METRIC_EXPORT_INTERVAL": "3600000", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}
QUICK = SLOW | {"OTEL_METRIC_EXPORT_INTERVAL": "20"}


def opened(server: Receiver, stats: Stats, environ: dict[str, str], max_series: int = 2000) -> Outlets:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}"}
    return open_outlets(read_outlets(endpoint | environ), stats, max_series)


def feed(outlets: Outlets, number: int) -> None:
    assert outlets.traffic is not None
    assert outlets.logs is not None
    for _ in range(number):
        outlets.traffic.ended(ended())
        outlets.logs.export(ended())


def counts(metric: Any) -> int:
    return sum(point.count for point in metric.histogram.data_points)


def test_the_last_values_are_sent_at_the_end_and_every_record_as_a_log() -> None:
    stats = Stats()
    with receiving() as server:
        outlets = opened(server, stats, SLOW | {"OTEL_SERVICE_NAME": "edge"})
        feed(outlets, 7)
        assert outlets.traffic is not None
        outlets.traffic.active(GOOD.request, 1)
        outlets.close(10)
    assert {request.path for request in server.requests} == {"/v1/metrics", "/v1/logs"}
    assert counts(server.metrics["http.server.request.duration"]) == 7
    assert server.metrics["http.server.active_requests"].sum.data_points[0].as_int == 1
    assert [(one.trace_id, one.span_id) for one in server.logs] == [(TRACE_ID, SPAN_ID)] * 7
    measured = [request.message.resource_metrics[0].resource for request in server.requests if request.metrics]
    logged = [request.message.resource_logs[0].resource for request in server.requests if request.logs]
    assert all(one == measured[0] for one in measured + logged)
    assert stats.get("log_records_exported") == 7
    assert stats.get("metric_points_exported") == 7  # a series of each metric but that of tcp mode


def numbers_of(metric: Any) -> dict[tuple[str, ...], float]:
    """A number's points by the values of their attributes."""
    points = [*metric.sum.data_points, *metric.gauge.data_points]
    return {tuple(a.value.string_value for a in p.attributes): p.as_int or p.as_double for p in points}


def test_the_agents_own_metrics_leave_with_the_traffics_and_from_the_same_counters_as_the_page() -> None:
    world = World(export=ExportState(5, 1700000000.0, None, None, 100))
    world.stats.count("frames_answered", "", 7)
    world.stats.count("spans_exported", "", 10)
    for reason, number in (("queue_full", 2), ("http_400", 3), ("trace_full", 4)):
        world.stats.count("spans_dropped", reason, number)
    with receiving() as server:
        outlets = opened(server, Stats(), SLOW)
        feed(outlets, 1)
        outlets.also(world.own())
        outlets.close(10)
    assert "http.server.request.duration" in server.metrics
    told = world.own().collect()
    assert {data.metric.name.decode() for data in told if data.points} <= set(server.metrics)
    for data in told:
        if isinstance(data, NumberData) and data.points:
            sent = numbers_of(server.metrics[data.metric.name.decode()])
            assert sent == {tuple(str(v)[2:-1] for _, v in p.attributes): p.value for p in data.points}
    assert numbers_of(server.metrics["haproxy_telemetry.frames"]) == {("NOTIFY",): 7, ("ACK",): 7}
    assert numbers_of(server.metrics["otel.sdk.exporter.span.exported"]) == {(): 10, ("http_400",): 3}
    assert numbers_of(server.metrics["otel.sdk.processor.span.processed"]) == {(): 13, ("queue_full",): 2}
    assert numbers_of(server.metrics["otel.sdk.processor.span.queue.capacity"]) == {(): 100}
    assert server.metrics["haproxy_telemetry.spans_exported"].sum.is_monotonic
    assert server.metrics["haproxy_telemetry.last_export_timestamp"].gauge.data_points[0].as_double == 1700000000.0
    assert server.metrics["haproxy_telemetry.last_export_timestamp"].unit == "s"


def test_with_delta_the_agents_counters_are_differences_too() -> None:
    world = World()
    world.stats.count("records", "", 3)
    with receiving() as server:
        outlets = opened(server, Stats(), QUICK | {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"})
        outlets.also(world.own())
        server.wait_for_requests(2)
        world.stats.count("records", "", 4)
        outlets.close(10)
    found = [
        (metric.sum.aggregation_temporality, point.as_int)
        for request in server.requests
        for metric in request.metrics
        if metric.name == "haproxy_telemetry.records"
        for point in metric.sum.data_points
    ]
    assert found == [(1, 3), (1, 4)]


def test_cumulative_values_come_again_in_every_interval_and_their_exemplars_do_not() -> None:
    with receiving() as server:
        outlets = opened(server, Stats(), QUICK)
        feed(outlets, 2)
        server.wait_for_requests(6)
        outlets.close(10)
    found = [m.histogram for r in server.requests for m in r.metrics if m.name == "http.server.request.duration"]
    full = [histogram for histogram in found if histogram.data_points[0].count == 2]
    assert len(full) > 1
    assert {histogram.aggregation_temporality for histogram in found} == {2}
    assert len({histogram.data_points[0].start_time_unix_nano for histogram in found}) == 1


@pytest.mark.parametrize("preference", ["delta", "LowMemory"])
def test_differences_add_up_and_do_not_overlap(preference: str) -> None:
    with receiving() as server:
        environ = QUICK | {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": preference}
        outlets = opened(server, Stats(), environ)
        assert outlets.traffic is not None
        outlets.traffic.active(GOOD.request, 1)
        for number in range(1, 4):
            feed(outlets, number)
            server.wait_for_requests(len(server.requests) + 3)
        outlets.close(10)
    found = [m for r in server.requests for m in r.metrics if m.name == "http.server.request.duration"]
    assert sum(counts(metric) for metric in found) == 6
    assert {metric.histogram.aggregation_temporality for metric in found} == {1}
    times = [(p.start_time_unix_nano, p.time_unix_nano) for m in found for p in m.histogram.data_points]
    assert all(start < end for start, end in times)
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
    active = server.metrics["http.server.active_requests"].sum
    assert (active.aggregation_temporality, active.data_points[0].as_int) == (2, 1)


def test_two_thousand_series_arrive_and_the_rest_as_overflow() -> None:
    stats = Stats()
    with receiving() as server:
        outlets = opened(server, stats, SLOW)
        assert outlets.traffic is not None
        for number in range(2500):
            outlets.traffic.ended(ended(frontend=b"f%d" % number))
        outlets.close(20)
    points = server.metrics["http.server.request.duration"].histogram.data_points
    assert (len(points), sum(point.count for point in points)) == (2000, 2500)
    [overflow] = [p for p in points if [a.key for a in p.attributes] == ["otel.metric.overflow"]]
    assert (overflow.count, overflow.attributes[0].value.bool_value) == (501, True)
    assert stats.get("metric_points_dropped", "queue_full") == 0


def test_what_a_receiver_refuses_is_counted_by_signal() -> None:
    stats = Stats()
    with receiving(answer(404)) as server:
        outlets = opened(server, stats, SLOW)
        feed(outlets, 3)
        outlets.close(10)
    assert stats.get("log_records_dropped", "http_404") == 3
    assert stats.get("metric_points_dropped", "http_404") == 6
    assert stats.get("spans_dropped", "http_404") == 0


def test_rejected_log_records_are_counted() -> None:
    partial = ExportLogsPartialSuccess(rejected_log_records=2, error_message="too old")
    body = ExportLogsServiceResponse(partial_success=partial).SerializeToString()
    stats = Stats()
    with receiving(answer(200, body)) as server:
        outlets = opened(server, stats, SLOW | {"OTEL_METRICS_EXPORTER": "none"})
        assert outlets.traffic is None
        assert outlets.logs is not None
        for _ in range(5):
            outlets.logs.export(ended())
        outlets.close(10)
    assert (stats.get("log_records_exported"), stats.get("log_records_dropped", "rejected")) == (3, 2)


def test_a_log_that_cannot_be_encoded_costs_itself() -> None:
    stats = Stats()
    with receiving() as server:
        outlets = opened(server, stats, SLOW)
        assert outlets.logs is not None
        outlets.logs.export(ended().replaced(trace_id=b"short"))
        outlets.logs.export(ended())
        outlets.close(10)
    assert len(server.logs) == 1
    assert stats.get("log_records_dropped", "encode_error") == 1


# Settings


def test_without_settings_prometheus_may_read_and_nothing_is_sent() -> None:
    settings = read_outlets({})
    assert (settings.measure, settings.prometheus, settings.metrics, settings.logs) == (True, True, None, None)
    assert (settings.interval_s, settings.delta, settings.exemplars) == (60.0, False, "trace_based")


@pytest.mark.parametrize(
    ("value", "measure", "prometheus", "otlp"),
    [
        ("otlp", True, False, True),
        ("prometheus, otlp", True, True, True),
        ("none", False, False, False),
        (" ", True, True, False),
    ],
)
def test_exporters_are_chosen_by_name(value: str, measure: bool, prometheus: bool, otlp: bool) -> None:
    settings = read_outlets({"OTEL_METRICS_EXPORTER": value})
    assert (settings.measure, settings.prometheus, settings.metrics is not None) == (measure, prometheus, otlp)


def test_each_signal_has_variables_of_its_own() -> None:
    base = "OTEL_EXPORTER_OTLP_"
    settings = read_outlets(
        SLOW
        | {
            base + "ENDPOINT": "http://general:4318/x",
            base + "LOGS_ENDPOINT": "http://logs:4318/in",
            base + "METRICS_TIMEOUT": "2000",
            base + "LOGS_COMPRESSION": "none",
            base + "METRICS_HEADERS": "a=1",
            base + "HEADERS": "b=2",
            base + "TRACES_PROTOCOL": "nonsense that is the traces' own affair",
            "OTEL_METRIC_EXPORT_TIMEOUT": "4000",
            "OTEL_BLRP_EXPORT_TIMEOUT": "5000",
            "OTEL_BLRP_SCHEDULE_DELAY": "250",
        }
    )
    assert settings.metrics is not None
    assert settings.logs is not None
    assert (settings.metrics.url, settings.logs.url) == ("http://general:4318/x/v1/metrics", "http://logs:4318/in")
    assert (settings.metrics.timeout_s, settings.logs.timeout_s) == (2.0, 10.0)
    assert (settings.metrics.budget_s, settings.logs.budget_s) == (4.0, 5.0)
    assert (settings.metrics.headers, settings.logs.headers) == ({"a": "1"}, {"b": "2"})
    assert (settings.metrics.gzip, settings.logs.gzip) == (True, False)
    assert settings.log_limits.max_age_s == 0.25


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_METRICS_EXPORTER", "otpl"),
        ("OTEL_METRICS_EXPORTER", "otlp,"),
        ("OTEL_METRICS_EXPORTER", "otlp,none"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_LOGS_EXPORTER", "OTLP"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "60s"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "-1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cummulative"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "traces_based"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "htpp/protobuf"),
        ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzp"),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector"),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BLRP_EXPORT_TIMEOUT", "1e3"),
    ],
)
def test_a_value_that_cannot_be_obeyed_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(ExportConfigError) as caught:
        read_outlets(SLOW | {variable: value})
    assert caught.value.variable == variable
    assert caught.value.fix
