"""What Prometheus reads: both formats, parsed by prometheus_client's own parsers, whatever a client sent."""

from __future__ import annotations

import random

from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from haproxy_telemetry.metrics.prometheus import MeasuredCollector
from haproxy_telemetry.metrics.traffic import Rules, Traffic
from haproxy_telemetry.stats import Stats
from prometheus_tool import nothing_to_say

from .ended import GOOD, SPAN_ID, TRACE_ID, ended, hostile, traffic_of

NAMES = {
    "http_server_request_duration_seconds",
    "http_client_request_duration_seconds",
    "http_server_active_requests",
    "haproxy_received_size_bytes",
    "haproxy_sent_size_bytes",
    "haproxy_queue_duration_seconds",
    "haproxy_connect_duration_seconds",
    "haproxy_session_duration_seconds",
}


def registry(traffic: Traffic) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(MeasuredCollector(traffic))
    return made


def openmetrics_of(made: CollectorRegistry) -> str:
    text: bytes = openmetrics.generate_latest(made)  # type: ignore[no-untyped-call]  # theirs
    return text.decode()


def families_of(text: str) -> dict[str, Family]:
    return {one.name: one for one in parse_openmetrics(text)}  # type: ignore[no-untyped-call]  # theirs


def busy() -> Traffic:
    chance = random.Random(3)
    traffic = traffic_of(ended(), ended(tcp=True), *(hostile(chance) for _ in range(100)))
    traffic.active(GOOD.request, 1)
    return traffic


def test_both_formats_have_every_metric_and_the_same_numbers() -> None:
    made = registry(busy())
    plain = {f.name: f for f in parse_text(generate_latest(made).decode())}
    modern = families_of(openmetrics_of(made))
    assert plain.keys() == modern.keys() == NAMES
    for name, family in modern.items():
        counts = [s.value for s in family.samples if s.name.endswith("_count")]
        assert counts == [s.value for s in plain[name].samples if s.name.endswith("_count")]
    assert (
        sum(s.value for s in modern["http_server_request_duration_seconds"].samples if s.name.endswith("_count")) == 101
    )


def test_buckets_add_up_to_the_count() -> None:
    [family] = [f for f in registry(traffic_of(ended())).collect() if f.name == "haproxy_queue_duration_seconds"]
    bounds = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert (bounds["0.01"], bounds["0.025"], bounds["+Inf"]) == (0.0, 1.0, 1.0)


def test_an_exemplar_leads_to_the_span() -> None:
    family = families_of(openmetrics_of(registry(traffic_of(ended()))))["http_server_request_duration_seconds"]
    [found] = [s.exemplar for s in family.samples if s.exemplar]
    assert found.labels == {"trace_id": TRACE_ID.hex(), "span_id": SPAN_ID.hex()}
    assert found.value == 0.25


def test_no_name_can_break_a_line() -> None:
    traffic = Traffic(Stats(), 1, Rules(max_series=20))
    for number in range(100):
        name = b'%d"} 1\n# HELP x\r\x0b\x1c\x85\xe2\x80\xa8\xff\\' % number
        traffic.ended(ended(frontend=name, backend=name, server=name))
    text = openmetrics_of(registry(traffic))
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.splitlines() == text.rstrip("\n").split("\n")
    families = families_of(text)
    samples = [s for s in families["http_server_request_duration_seconds"].samples if s.name.endswith("_count")]
    assert (len(samples), sum(s.value for s in samples)) == (20, 100)
    assert [s.value for s in samples if s.labels == {"otel_metric_overflow": "true"}] == [81]


def test_registering_collects_nothing() -> None:
    assert list(registry(traffic_of()).collect()) == []


def test_promtool_has_nothing_to_say() -> None:
    nothing_to_say(generate_latest(registry(busy())))
