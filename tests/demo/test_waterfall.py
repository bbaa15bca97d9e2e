from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.samples import BEGIN, MS, changed, id_of, whole_trace
from haproxy_telemetry.demo.records import SpanRecord
from haproxy_telemetry.demo.waterfall import DURATION_CELLS, Style, cells, cut, format_duration, printable, waterfall


def span(span_id: str, parent_id: str, start_ms: int, end_ms: int, name: str = "", service: str = "s") -> SpanRecord:
    return SpanRecord("t", span_id, parent_id, name or span_id, service, BEGIN + start_ms * MS, BEGIN + end_ms * MS)


def test_the_tree_the_bars_and_the_durations() -> None:
    spans = [span("c", "b", 50, 100), span("a", "", 0, 100), span("b", "a", 25, 100, service="two")]
    assert waterfall(spans, 40) == [
        " s   a     █████████████████████ 100ms",
        " two   b        ████████████████ 75.0ms",
        " s       c           ███████████ 50.0ms",
    ]


def test_every_line_fits_and_every_span_has_one_whatever_the_width() -> None:
    spans = whole_trace()
    for width in range(1, 200):
        lines = waterfall(spans, width)
        assert len(lines) == len(spans)
        assert max(cells(line) for line in lines) <= width


def test_narrow_terminals_lose_indentation_first_and_bars_next() -> None:
    spans = whole_trace()
    wide, narrow, tiny = waterfall(spans, 100), waterfall(spans, 52), waterfall(spans, 30)
    assert wide[1].index("Client") == wide[0].index("HAProxy") + 2
    assert narrow[1].index("Client") == narrow[0].index("HAProxy")
    assert "█" in narrow[1]
    assert "█" not in "".join(tiny)
    assert tiny[1].startswith(" haprox… Client sessi… ")
    assert tiny[1].endswith("100ms")


def test_the_own_services_spans_come_before_the_next_services() -> None:
    services = [line.split()[0] for line in waterfall(whole_trace(), 100)]
    assert services == ["haproxy-1"] * 9 + ["haproxy-2"] * 9 + ["fake-server"] * 2


def test_no_colour_but_when_asked_for_and_the_text_stays_the_same() -> None:
    spans = changed(whole_trace(), "haproxy-1", "HAProxy session", error=True)
    for width in (30, 100):
        plain, coloured = waterfall(spans, width), waterfall(spans, width, Style(colour=True))
        assert "\x1b" not in "".join(plain)
        assert "\x1b[" in coloured[0]
        assert [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in coloured] == plain


def test_an_error_is_marked_without_colour_too() -> None:
    lines = waterfall(changed(whole_trace(), "haproxy-2", "Server session", error=True), 100)
    assert [line.split()[0] for line in lines if line.startswith("!")] == ["!haproxy-2"]


def test_a_terminal_without_blocks_gets_ascii() -> None:
    for width in (20, 60, 100):
        "".join(waterfall([*whole_trace(), span("x", "", 0, 0)], width, Style(unicode=False))).encode("ascii")


def test_spans_of_a_broken_trace_are_all_drawn_once() -> None:
    circle = [span("a", "b", 0, 9), span("b", "a", 1, 8), span("lost", "nobody", 2, 3)]
    assert sorted(line.split()[1] for line in waterfall(circle, 60)) == ["a", "b", "lost"]
    twice = [span("a", "", 0, 9), span("a", "", 0, 9)]
    assert len(waterfall(twice, 60)) == 2


def test_names_from_the_network_cannot_move_the_cursor_nor_the_columns() -> None:
    lines = waterfall([span("a", "", 0, 9, name="x\x1b[2J\r\ny"), span("b", "a", 0, 9, name="名前")], 60)
    assert "".join(lines).isprintable()
    assert len({cells(line) for line in lines}) == 1


def test_no_spans_no_lines() -> None:
    assert waterfall([], 80) == []


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0µs"),
        (999_999, "999µs"),
        (1_000_000, "1.0ms"),
        (99_949_999, "99.9ms"),
        (99_950_000, "99ms"),
        (999_999_999, "999ms"),
        (1_000_000_000, "1.00s"),
        (999_994_000_000, "999.99s"),
        (999_999_000_000, "1000s"),
        (10**18, ">99999s"),
    ],
)
def test_durations(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text


@given(st.integers(min_value=0, max_value=2**63))
def test_a_duration_never_needs_more_than_its_column(nanoseconds: int) -> None:
    assert cells(format_duration(nanoseconds)) <= DURATION_CELLS


@given(st.text(), st.integers(min_value=0, max_value=20))
def test_a_cut_text_fits(text: str, limit: int) -> None:
    assert cells(cut(printable(text), limit)) <= limit


@given(
    st.lists(
        st.builds(
            SpanRecord,
            trace_id=st.just("t"),
            span_id=st.sampled_from("abcd"),
            parent_id=st.sampled_from(["", *"abcdx"]),
            name=st.text(max_size=12),
            service=st.text(max_size=8),
            start_ns=st.integers(0, 2**64 - 1),
            end_ns=st.integers(0, 2**64 - 1),
            error=st.booleans(),
        ),
        max_size=6,
    ),
    st.integers(1, 120),
    st.booleans(),
)
def test_any_spans_become_lines_that_fit(spans: list[SpanRecord], width: int, unicode: bool) -> None:
    lines = waterfall(spans, width, Style(unicode=unicode))
    assert len(lines) == len(spans)
    assert all(cells(line) <= width for line in lines)


def test_ids_of_the_samples_differ() -> None:
    assert len({one.span_id for one in whole_trace()}) == len(whole_trace())
    assert id_of("a", "b") != id_of("b", "a")
