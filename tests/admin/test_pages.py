"""The three pages over their socket: what they say, in which format, and to whom."""

from __future__ import annotations

import pytest
from prometheus_client import Metric as Family
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from haproxy_telemetry.acktimes import BOUNDS_NS, AckTimes
from haproxy_telemetry.admin.pages import accepts_openmetrics
from haproxy_telemetry.metrics.prometheus import family_name, kind_of
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.own import catalog
from metrics.ended import TRACE_ID, ended, traffic_of
from prometheus_tool import nothing_to_say

from .pages import OPENMETRICS, World, ask, served


def families(body: bytes) -> dict[str, Family]:
    parsed = parse_openmetrics(body.decode())  # type: ignore[no-untyped-call]  # theirs
    return {family.name: family for family in parsed}


def busy() -> World:
    world = World(export=ExportState(5, 1700000000.0, None, None, 100))
    world.stats.count("frames_answered", "", 7)
    world.stats.count("spans_dropped", "queue_full", 2)
    world.stats.count("spans_dropped", "http_400", 3)
    world.ack_times.add(60_000, 4)
    world.ack_times.add(3_000_000_000, 1)
    return world


def test_health_pages_say_ok() -> None:
    with served(World(heart=World().heart)) as address:
        assert ask(address, "/readyz")[::2] == (200, b"ok\n")


def test_an_agent_that_does_not_listen_says_why() -> None:
    with served(World(listening=False)) as address:
        assert ask(address, "/readyz?verbose")[::2] == (503, b"the agent does not listen\n")


def test_every_metric_of_the_catalog_is_there_and_no_other() -> None:
    with served(busy()) as address:
        found = families(ask(address, "/metrics", accept=OPENMETRICS)[2])
    assert {(name, family.type) for name, family in found.items()} == {
        (family_name(metric), kind_of(metric)) for metric in catalog.ALL
    }
    for metric in catalog.ALL:
        family = found[family_name(metric)]
        assert family.documentation == metric.description.decode()
        labels = {name.decode().replace(".", "_") for name in metric.attributes}
        assert {label for sample in family.samples for label in sample.labels} <= labels | {"le"}


def test_values_are_those_of_the_agent_at_the_time_of_asking() -> None:
    world = busy()
    with served(world) as address:
        ask(address, "/metrics")
        world.stats.count("frames_answered")
        found = {f.name: f for f in parse_text(ask(address, "/metrics")[2].decode())}
    values = {
        (s.name.removeprefix("haproxy_telemetry_"), *s.labels.values()): s.value
        for f in found.values()
        for s in f.samples
    }
    assert values["frames_answered_total",] == 8
    assert values["handshakes_total",] == 0
    assert (values["spans_dropped_total", "queue_full"], values["spans_dropped_total", "http_400"]) == (2, 3)
    assert (values["live_traces",], values["open_connections",], values["engines",]) == (3, 2, 1)
    assert (values["export_queue_spans",], values["last_export_timestamp_seconds",]) == (5, 1700000000)
    assert values["build_info", "1.2.3"] == 1
    assert (values["frames_total", "NOTIFY"], values["frames_total", "ACK"]) == (8, 8)
    buckets = [values["ack_seconds_bucket", bound] for bound in ("5e-05", "0.0001", "0.1", "+Inf")]
    assert (buckets, values["ack_seconds_count",]) == ([0, 4, 4, 5], 5)
    assert values["ack_seconds_sum",] == pytest.approx(3.00024)


def test_a_time_on_a_bound_is_within_it() -> None:
    times = AckTimes()
    times.add(BOUNDS_NS[0], 1)
    times.add(BOUNDS_NS[-1] + 1, 1)
    assert (times.counts[0], times.counts[-1]) == (1, 1)


def test_accept_chooses_the_format_and_exemplars_are_in_openmetrics() -> None:
    with served(World(), traffic_of(ended())) as address:
        _, plain_fields, plain = ask(address, "/metrics")
        _, fields, modern = ask(address, "/metrics", accept=OPENMETRICS)
    assert plain_fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert fields["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert (TRACE_ID.hex().encode() in plain, TRACE_ID.hex().encode() in modern) == (False, True)
    assert b"http_server_request_duration_seconds_count" in plain
    assert modern.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("Application/OpenMetrics-Text ; version=0.0.1", True),
        ("text/html, application/openmetrics-text;q=0.5", True),
        ("application/openmetrics-text;q=0.0", False),
        ("application/openmetrics-text-not", False),
        (";;,,;q=", False),
    ],
)
def test_accept_is_read_as_http_has_it(accept: str, wanted: bool) -> None:
    assert accepts_openmetrics(accept) is wanted


def test_nothing_can_be_changed_and_nothing_else_is_there() -> None:
    with served(World()) as address:
        assert ask(address, "/")[0] == 404
        assert ask(address, "/../etc/passwd")[0] == 404
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            status, fields, _ = ask(address, "/metrics", method)
            assert (status, fields["allow"]) == (405, "GET, HEAD")
        status, fields, body = ask(address, "/readyz", "HEAD")
    assert (status, fields["content-length"], body) == (200, "3", b"")


def test_promtool_has_nothing_to_say() -> None:
    with served(busy(), traffic_of(ended())) as address:
        nothing_to_say(ask(address, "/metrics")[2])
