"""What a stream counts in, and as what; and that a hostile client can neither hide nor make series."""

from __future__ import annotations

import random

import pytest

from haproxy_telemetry.metrics import catalog
from haproxy_telemetry.metrics.points import OVERFLOW, HistogramData
from haproxy_telemetry.metrics.traffic import LONGEST_VALUE, Rules, Traffic
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.stream import EndedStream

from .ended import GOOD, MS, SPAN_ID, TRACE_ID, ended, hostile, numbers, series, timers, total, traffic_of

AT_SERVER = {b"haproxy.frontend.name": b"web", b"haproxy.backend.name": b"origin"}


def one(traffic: Traffic, metric: object) -> dict[bytes, object]:
    """The attributes of a metric's only series."""
    [attributes] = series(traffic, metric)  # type: ignore[arg-type]  # of the catalog
    return dict(attributes)


def test_a_request_counts_as_the_conventions_say() -> None:
    traffic = traffic_of(ended())
    assert (
        one(traffic, catalog.SERVER_DURATION)
        == {
            b"http.request.method": b"GET",
            b"url.scheme": b"http",
            b"network.protocol.version": b"1.1",
            b"http.response.status_code": 200,
        }
        | AT_SERVER
    )
    assert one(traffic, catalog.CLIENT_DURATION) == {
        b"http.request.method": b"GET",
        b"server.address": GOOD.server_address,
        b"server.port": GOOD.server_port,
        b"http.response.status_code": 200,
        b"haproxy.backend.name": b"origin",
        b"haproxy.server.name": b"s1",
    }


def test_times_and_sizes_are_the_records() -> None:
    traffic = traffic_of(ended(), ended())
    sums = {}
    for metric in catalog.ALL:
        for point in series(traffic, metric).values():
            sums[metric.name.decode()] = (point.total, round(point.sum, 9))
    assert sums == {
        "http.server.request.duration": (2, 0.5),
        "http.client.request.duration": (2, 0.48),
        "haproxy.received.size": (2, 2.0 * GOOD.bytes_received),
        "haproxy.sent.size": (2, 2.0 * GOOD.bytes_sent),
        "haproxy.queue.duration": (2, 0.04),
        "haproxy.connect.duration": (2, 0.06),
    }


@pytest.mark.parametrize("status", [500, 503])
def test_a_failed_request_has_its_error(status: int) -> None:
    traffic = traffic_of(ended(status=status))
    for metric in (catalog.SERVER_DURATION, catalog.CLIENT_DURATION):
        assert one(traffic, metric)[b"error.type"] == b"%d" % status


def test_a_refused_connection_is_an_error_of_its_phase() -> None:
    traffic = traffic_of(ended(status=503, termination=b"SC--", timers=timers(10, 0, None, None)))
    assert one(traffic, catalog.CONNECT)[b"error.type"] == b"connect_error"
    assert b"error.type" not in one(traffic, catalog.QUEUE)
    assert b"http.response.status_code" not in one(traffic, catalog.CLIENT_DURATION)


def test_a_stream_that_ended_in_the_queue_waited_there_and_asked_no_server() -> None:
    traffic = traffic_of(ended(status=503, termination=b"sQ--", server=b"", timers=timers(10, 240, None, None)))
    [point] = series(traffic, catalog.QUEUE).values()
    assert dict(point.attributes)[b"error.type"] == b"queue_timeout"
    assert point.sum == 0.24
    assert series(traffic, catalog.CLIENT_DURATION) == {}
    assert total(traffic, catalog.SERVER_DURATION) == 1


def test_a_slot_that_was_free_at_once_is_a_wait_of_nothing() -> None:
    [point] = series(traffic_of(ended(timers=timers(10, 0, 30, 40))), catalog.QUEUE).values()
    assert (point.total, point.sum) == (1, 0.0)


def test_what_haproxy_answers_by_itself_has_no_backend_and_asks_no_server() -> None:
    by_itself = ended(termination=b"LR--", server=b"", backend=b"web", timers=timers(10, None, None, None))
    traffic = traffic_of(by_itself)
    assert b"haproxy.backend.name" not in one(traffic, catalog.SERVER_DURATION)
    for metric in (catalog.CLIENT_DURATION, catalog.QUEUE, catalog.CONNECT):
        assert series(traffic, metric) == {}


def test_tcp_streams_are_no_requests() -> None:
    traffic = traffic_of(ended(tcp=True, method=b"", target=b"", status=0, timers=timers(None, 0, 3, None)))
    assert one(traffic, catalog.SESSION) == AT_SERVER | {b"haproxy.server.name": b"s1"}
    assert one(traffic, catalog.RECEIVED) == AT_SERVER
    for metric in (catalog.SERVER_DURATION, catalog.CLIENT_DURATION):
        assert series(traffic, metric) == {}


def test_the_price_of_tracing_is_what_the_events_took_and_nothing_where_there_was_none() -> None:
    traffic = traffic_of(ended(spoe_ns=0), ended(spoe_ns=3 * MS), ended(spoe_ns=20 * MS, spoe_error=1), ended())
    fine, failed = series(traffic, catalog.SPOE).items()
    assert dict(fine[0]) == {b"haproxy.frontend.name": b"web"}
    assert (fine[1].counts[:4], fine[1].total, fine[1].sum) == ((1, 0, 0, 1), 2, 0.003)
    assert dict(failed[0]) == {b"haproxy.frontend.name": b"web", b"haproxy.spoe.error": 1}
    assert (failed[1].total, failed[1].sum) == (1, 0.02)


def test_methods_are_called_as_the_spans_call_them() -> None:
    traffic = Traffic(Stats(), 1, Rules(known_methods=frozenset((b"PURGE",))))
    for method in (b"PURGE", b"GET"):
        traffic.ended(ended(method=method))
        traffic.active(GOOD.request.replaced(method=method), 1)
    for metric in (catalog.SERVER_DURATION, catalog.CLIENT_DURATION, catalog.SENT):
        assert {dict(attributes)[b"http.request.method"] for attributes in series(traffic, metric)} == {
            b"PURGE",
            b"_OTHER",
        }
    assert {dict(found)[b"http.request.method"] for found in numbers(traffic, catalog.ACTIVE)} == {b"PURGE", b"_OTHER"}


def test_a_route_is_taken_from_the_server_span() -> None:
    traffic = traffic_of(ended(extra=((b"http.route", b"/users/{id}"),)))
    assert one(traffic, catalog.SERVER_DURATION)[b"http.route"] == b"/users/{id}"


def test_every_attribute_of_a_series_is_in_the_catalog() -> None:
    chance = random.Random(1)
    streams = [
        *(hostile(chance) for _ in range(50)),
        ended(extra=((b"http.route", b"/"),)),
        ended(tcp=True),
        ended(spoe_ns=20 * MS, spoe_error=1),
        ended(status=503, termination=b"SC--", timers=timers(1, 0, None, None)),
    ]
    traffic = traffic_of(*streams)
    traffic.active(GOOD.request, 1)
    seen: set[bytes] = set()
    for data in traffic.collect():
        for point in data.points:
            assert {key for key, _ in point.attributes} <= set(data.metric.attributes)
        seen.add(data.metric.name)
    assert seen == {metric.name for metric in catalog.ALL}


# Requests that are under way


def test_active_requests_go_up_and_down() -> None:
    traffic = traffic_of()
    for change in (1, 1, -1):
        traffic.active(GOOD.request, change)
    traffic.active(GOOD.request.replaced(method=b"BREW", scheme=b"gopher"), 1)
    assert list(numbers(traffic, catalog.ACTIVE).items()) == [
        (((b"http.request.method", b"GET"), (b"url.scheme", b"http"), (b"haproxy.frontend.name", b"web")), 1),
        (((b"http.request.method", b"_OTHER"), (b"haproxy.frontend.name", b"web")), 1),
    ]


# Exemplars


@pytest.mark.parametrize(
    ("kind", "exported", "leads"),
    [
        ("trace_based", True, True),
        ("trace_based", False, False),
        ("always_on", False, True),
        ("always_off", True, False),
    ],
)
def test_exemplars_lead_to_traces_that_are_there(kind: str, exported: bool, leads: bool) -> None:
    traffic = Traffic(Stats(), 1, Rules(exemplars=kind))
    stream = ended(exported=exported)
    traffic.ended(stream)
    [point] = series(traffic, catalog.SERVER_DURATION).values()
    found = [one for one in point.exemplars if one]
    assert [(one.trace_id, one.span_id, one.value, one.time_ns) for one in found] == (
        [(TRACE_ID, SPAN_ID, 0.25, stream.seen_ns)] if leads else []
    )


# Hostile clients


def test_a_hostile_client_makes_few_series_and_every_request_counts() -> None:
    chance = random.Random(7)
    traffic = traffic_of(*(hostile(chance) for _ in range(2000)))
    found = series(traffic, catalog.SERVER_DURATION)
    assert len(found) <= 16  # four statuses, a version or none, a scheme or none
    assert {dict(attributes)[b"http.request.method"] for attributes in found} == {b"_OTHER"}
    assert OVERFLOW not in found
    assert total(traffic, catalog.SERVER_DURATION) == total(traffic, catalog.RECEIVED) == 2000


def test_forged_names_end_in_the_overflow_series() -> None:
    """Anybody who reaches the socket for records can say anything."""
    stats = Stats()
    traffic = Traffic(stats, 1, Rules(max_series=50))

    def forged(number: int) -> EndedStream:
        name = b"%d\r\n\x00\xff" % number + b"x" * 60_000
        return ended(frontend=name, backend=name, server=name, server_address=name)

    for number in range(1000):
        traffic.active(forged(number).end.request, 1)
        traffic.ended(forged(number))
    for data in traffic.collect():
        assert len(data.points) == 50
        assert OVERFLOW in {point.attributes for point in data.points}
        assert all(len(v) <= LONGEST_VALUE for p in data.points for _, v in p.attributes if isinstance(v, bytes))
        if isinstance(data, HistogramData):
            assert sum(point.total for point in data.points) == 1000
    assert stats.get("metric_overflows") > 0


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    [point] = series(traffic_of(ended(end_ns=GOOD.start_ns - 5 * MS)), catalog.SERVER_DURATION).values()
    assert point.sum == 0.0
