"""Which traces are wanted, what belongs together, and events as they come over the wire."""

from __future__ import annotations

import json

import pytest

from haproxy_telemetry.terminal.otlpjson import BadTraceError, parse_trace, span_records
from haproxy_telemetry.terminal.records import SpanRecord
from haproxy_telemetry.watch import events
from haproxy_telemetry.watch.choose import Choice, parse_duration, parse_filter
from haproxy_telemetry.watch.events import Event, EventTooLongError, parse_events
from haproxy_telemetry.watch.settle import MOST_TRACES, SETTLE_S, Settling

MS = 1_000_000


def span(name: str = "GET", service: str = "edge", error: bool = False, ms: int = 10, **more: object) -> SpanRecord:
    attributes = {key.replace("_", "."): value for key, value in more.items()}
    return SpanRecord("a" * 32, "b" * 16, "", name, service, 0, ms * MS, "server", error, attributes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("service=edge", True),
        ("service=ed", False),
        ("service=e*", True),
        ("name=GET /items/*", True),
        ("status=503", True),
        ("status=5*", True),
        ("status=error", True),
        ("status=ok", False),
        ("url.path=/items/7", True),
        ("url.path=/items/7?x=1", False),
        ("tls=true", True),
        ("missing=*", False),
        ("missing=", False),
        ("http.response.status=a=b", True),
    ],
)
def test_a_filter_holds_for_a_span_that_has_it(text: str, holds: bool) -> None:
    one = SpanRecord(
        "a",
        "b",
        "",
        "GET /items/{id}",
        "edge",
        0,
        1,
        "server",
        True,
        {"http.response.status_code": 503, "url.path": "/items/7", "tls": True, "http.response.status": "a=b"},
    )
    assert parse_filter(text).holds(one) is holds


def test_each_of_several_filters_needs_a_span() -> None:
    both = Choice(filters=(parse_filter("service=edge"), parse_filter("name=render")))
    assert both.wants([span(), span("render", "app")])
    assert not both.wants([span()])


def test_errors_and_slow_ones() -> None:
    assert Choice(errors=True).wants([span(), span(error=True)])
    assert not Choice(errors=True).wants([span()])
    assert Choice(slow_ns=10 * MS).wants([span(ms=10)])
    assert not Choice(slow_ns=10 * MS + 1).wants([span(ms=10)])
    assert not Choice().wants([])


@pytest.mark.parametrize("text", ["", "x", "=1", " =1"])
def test_what_is_no_filter_says_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="expected key=value"):
        parse_filter(text)


@pytest.mark.parametrize(
    ("text", "ns"), [("500ms", 500 * MS), ("1.5s", 1500 * MS), ("20us", 20_000), ("2m", 120_000 * MS)]
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "5", "ms", "-1s", "1 h", "1e3s"])
def test_what_is_no_duration_says_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="500ms"):
        parse_duration(text)


# Settling


def test_what_belongs_to_one_trace_comes_out_together_once_it_grows_no_more() -> None:
    settling = Settling()
    settling.add("a", [1], 10.0)
    settling.add("b", [2], 10.1)
    settling.add("a", [3], 10.2)
    assert settling.patience(10.2) == pytest.approx(SETTLE_S - 0.1)
    assert settling.due(10.1 + SETTLE_S) == [[2]]
    assert settling.due(10.2 + SETTLE_S) == [[1, 3]]
    assert settling.patience(99.0) is None


def test_the_whole_of_a_trace_takes_the_place_of_its_parts() -> None:
    settling = Settling()
    settling.add("a", [1], 0.0, whole=True)
    settling.add("a", [1, 2], 0.1, whole=True)
    assert settling.rest() == [[1, 2]]
    assert settling.rest() == []


def test_traces_that_wait_are_bounded_and_none_is_lost() -> None:
    settling = Settling()
    for number in range(MOST_TRACES + 3):
        settling.add(str(number), [number], 0.0)
    assert settling.due(0.0) == [[0], [1], [2]]


# Events


def test_events_are_read_as_the_standard_says() -> None:
    lines = [
        b"retry: 5\n",
        b"\n",
        b": still here\n",
        b"\n",
        b"event: trace\r\n",
        b"id: 7\n",
        b"data: {\n",
        b"data:}\n",
        b"\n",
        b"data: x\n",
        b"\n",
        b"data: cut",
    ]
    assert list(parse_events(lines)) == [Event("trace", b"{\n}"), Event("message", b"x")]


def test_an_event_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LONGEST_EVENT", 100)
    with pytest.raises(EventTooLongError):
        list(parse_events([b"data: " + b"x" * 30] * 4))


# OTLP JSON


def test_spans_of_otlp_json_with_numbers_as_texts_and_enums_as_names() -> None:
    one = {
        "traceId": "AB",
        "spanId": "CD",
        "name": "n",
        "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": "5",
        "endTimeUnixNano": 9,
        "status": {"code": "STATUS_CODE_ERROR"},
        "attributes": [
            {"key": "i", "value": {"intValue": "7"}},
            {"key": "a", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"boolValue": True}]}}},
            {"key": "none"},
        ],
    }
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "edge"}}]}
    text = json.dumps({"result": {"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [one]}]}]}})
    [found] = span_records(parse_trace(text))
    assert (found.trace_id, found.span_id, found.parent_id, found.service, found.kind, found.error) == (
        "ab",
        "cd",
        "",
        "edge",
        "client",
        True,
    )
    assert found.attributes == {"i": 7, "a": "x,True", "none": None}
    assert found.duration_ns == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"resourceSpans": 1}',
        '{"resourceSpans": [1]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}',
        '{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 1, "spanId": 2, "attributes": [[]]}]}]}]}',
    ],
)
def test_what_is_no_trace_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BadTraceError):
        span_records(parse_trace(text))
