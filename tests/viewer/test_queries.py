"""The words of a URL: durations, times, ids, tags; what cannot be obeyed is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.viewer.queries import (
    MAX_LIMIT,
    MAX_NS,
    QueryError,
    Search,
    jaeger_search,
    page_search,
    parse_duration,
    parse_time,
    parse_trace_id,
    v3_search,
)

MS = 10**6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2s", 1200 * MS),
        ("100ms", 100 * MS),
        ("1m30s", 90_000 * MS),
        ("500us", 500_000),
        ("7\u00b5s", 7000),
        ("2h", 7_200_000 * MS),
        ("2d", 172_800_000 * MS),
        (".5s", 500 * MS),
        ("0", 0),
    ],
)
def test_durations_are_written_as_go_writes_them(text: str, expected: int) -> None:
    assert parse_duration("d", text) == expected


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "-1s", "1s ", "1.2.3s", "nan", "1e3s", "\u0661s", "9" * 30 + "h"])
def test_what_is_no_duration_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(QueryError, match=r"^minDuration: expected a duration"):
        parse_duration("minDuration", text)


@pytest.mark.parametrize("text", ["5b8aa5a2d2c872e8321cf37308d69df2", "5B8AA5A2D2C872E8321CF37308D69DF2"])
def test_a_trace_id_has_32_digits(text: str) -> None:
    assert parse_trace_id(text).hex() == "5b8aa5a2d2c872e8321cf37308d69df2"


def test_zeros_in_front_of_a_trace_id_may_be_missing() -> None:
    assert parse_trace_id("321cf37308d69df2").hex() == "0" * 16 + "321cf37308d69df2"
    assert parse_trace_id("1").hex() == "0" * 31 + "1"


@pytest.mark.parametrize("text", ["", "x", "0" * 33, "0x12", "12 "])
def test_what_is_no_trace_id_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse_trace_id(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-25T10:00:00Z", 1795600800 * 10**9),
        ("2026-11-25T10:00:00.123456789Z", 1795600800 * 10**9 + 123456789),
        ("2026-11-25T12:00:00.5+02:00", 1795600800 * 10**9 + 500 * MS),
        ("2026-11-25T12:00:00 02:00", 1795600800 * 10**9),
        ("1960-01-01T00:00:00Z", 0),
    ],
)
def test_times_are_those_of_rfc_3339(text: str, expected: int) -> None:
    assert parse_time("t", text) == expected


@pytest.mark.parametrize("text", ["", "now", "2026-11-25", "2026-13-25T10:00:00Z", "2026-11-25T10:00:00", "1795600800"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse_time("t", text)


def test_the_pages_search() -> None:
    asked = {
        "service": "a",
        "operation": "b",
        "tags": '{"k":"v","n":5,"t":true}',
        "status": "error",
        "minDuration": "1ms",
        "maxDuration": "2s",
        "start": "1000",
        "end": "2000",
        "limit": "7",
        "incomplete": "1",
    }
    assert page_search(asked) == Search(
        "a",
        "b",
        {"k": "v", "n": "5", "t": "true"},
        10**6,
        2 * 10**6,
        min_trace_ns=MS,
        max_trace_ns=2000 * MS,
        errors=True,
        incomplete=True,
        limit=7,
    )
    assert page_search({}) == Search()
    assert page_search({"limit": "99999999"}).limit == MAX_LIMIT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tags", "{"),
        ("tags", "[1]"),
        ("tags", '{"a":{}}'),
        ("tags", "[" * 5000),
        ("status", "broken"),
        ("start", "-1"),
        ("start", "9" * 19),
        ("end", "x"),
        ("limit", "1.5"),
        ("minDuration", "soon"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, value: str) -> None:
    with pytest.raises(QueryError, match=f"^{name}: "):
        page_search({name: value})


def test_a_lookback_counts_from_the_end_or_from_now() -> None:
    now = 10**18
    assert jaeger_search({"lookback": "1h"}, now).start_ns == now - 3600 * 10**9
    assert jaeger_search({"lookback": "1h", "end": "7200000000"}, now).start_ns == 3600 * 10**9
    custom = jaeger_search({"lookback": "custom", "start": "5", "end": "9"}, now)
    assert (custom.start_ns, custom.end_ns) == (5000, 9000)
    assert jaeger_search({}, now) == Search(limit=100)


def test_version_3_takes_both_of_its_spellings() -> None:
    camel = {
        "query.serviceName": "s",
        "query.operationName": "o",
        "query.startTimeMin": "1970-01-01T00:00:01Z",
        "query.startTimeMax": "1970-01-01T00:00:02Z",
        "query.searchDepth": "3",
        "query.durationMin": "1s",
        "query.durationMax": "2s",
        "query.attributes": '{"a":"b"}',
    }
    snake = {
        "query.service_name": "s",
        "query.operation_name": "o",
        "query.start_time_min": "1970-01-01T00:00:01Z",
        "query.start_time_max": "1970-01-01T00:00:02Z",
        "query.num_traces": "3",
        "query.duration_min": "1s",
        "query.duration_max": "2s",
        "query.attributes": '{"a":"b"}',
    }
    assert v3_search(camel) == v3_search(snake)
    assert v3_search(camel).limit == 3
    assert v3_search(camel).start_ns == 10**9
    with pytest.raises(QueryError, match=r"query\.filter"):
        v3_search({"query.filter": "{}"})


WORDS = st.sampled_from(
    [
        "service",
        "tags",
        "start",
        "end",
        "limit",
        "lookback",
        "minDuration",
        "tag",
        "query.startTimeMin",
        "query.attributes",
    ]
)


@given(st.dictionaries(WORDS, st.text() | st.sampled_from(["{}", "1s", "5", '{"a":1}', "2026-11-25T10:00:00Z"])))
def test_any_words_are_a_search_or_an_error(asked: dict[str, str]) -> None:
    for parse in (page_search, v3_search, lambda words: jaeger_search(words, 10**18)):
        try:
            search = parse(asked)
        except QueryError:
            continue
        assert 0 <= search.start_ns <= MAX_NS
        assert 0 <= search.limit <= MAX_LIMIT
