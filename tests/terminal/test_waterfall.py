from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.samples import BEGIN, MS, changed, id_of, whole_trace
from haproxy_telemetry.terminal.records import PHASES, SpanRecord, is_phase
from haproxy_telemetry.terminal.waterfall import (
    DURATION_CELLS,
    Style,
    cells,
    cut,
    format_duration,
    printable,
    waterfall,
)


def span(span_id: str, parent_id: str, start_ms: int, end_ms: int, name: str = "", service: str = "s") -> SpanRecord:
    return SpanRecord("t", span_id, parent_id, name or span_id, service, BEGIN + start_ms * MS, BEGIN + end_ms * MS)


def test_the_tree_the_bars_and_the_durations() -> None:
    spans = [span("c", "b", 50, 100), span("a", "", 0, 100), span("b", "a", 25, 100, service="two")]
    assert waterfall(spans, 40) == [
        " s   a     █████████████████████ 100ms",
        " two   b        ████████████████ 75.0ms",
        " s       c           ███████████ 50.0ms",
    ]


def nine_spans() -> list[SpanRecord]:
    return [one for one in whole_trace() if not is_phase(one)]


def test_every_line_fits_and_every_span_has_one_whatever_the_width() -> None:
    spans = nine_spans()
    for width in range(1, 200):
        lines = waterfall(spans, width)
        assert len(lines) == len(spans)
        assert max(cells(line) for line in lines) <= width


def phases(*lasted: tuple[str, int, int]) -> list[SpanRecord]:
    """A request of 100 ms with these phases, in any order."""
    parts = [span(name, "a", start, end) for name, start, end in lasted]
    return [*reversed(parts), span("a", "", 0, 100)]


def test_phases_share_a_line_whose_bar_is_of_their_initials() -> None:
    spans = phases(("receive request", 0, 10), ("queue", 10, 30), ("connect", 30, 31), ("wait for response", 31, 80),
                   ("transfer", 80, 100))  # fmt: skip
    assert waterfall(spans, 65) == [
        " s a                                         ████████████ 100ms",
        " s   receive, queue, connect, wait, transfer rqqcwwwwwttt",
    ]


def test_phases_that_took_no_time_are_left_out_unless_one_broke() -> None:
    spans = phases(("receive request", 0, 0), ("connect", 0, 0))
    assert len(waterfall(spans, 80)) == 1
    broken = [replace(one, error=one.name == "connect") for one in spans]
    assert [line.split() for line in waterfall(broken, 80)][1] == ["!s", "connect", "c"]


def test_a_span_with_the_name_of_a_phase_and_parts_of_its_own_has_a_line_of_its_own() -> None:
    spans = [*phases(("queue", 0, 50)), span("job", "queue", 10, 20)]
    assert [line.split()[1] for line in waterfall(spans, 80)] == ["a", "queue", "job"]


def test_a_clients_span_says_to_whom_and_an_error_why() -> None:
    client = replace(span("GET", "", 0, 9), kind="client", attributes={"haproxy.server.name": "app1"})
    failed = replace(client, error=True, attributes={**client.attributes, "error.type": "connect_error"})
    assert waterfall([client], 80)[0].startswith(" s GET → app1 █")
    assert waterfall([failed], 80)[0].startswith("!s GET → app1 (connect_error) █")
    assert waterfall([failed], 80, Style(unicode=False))[0].startswith("!s GET -> app1 (connect_error) #")


def test_narrow_terminals_lose_indentation_first_and_bars_next() -> None:
    spans = nine_spans()
    wide, narrow, tiny = waterfall(spans, 100), waterfall(spans, 52), waterfall(spans, 30)
    assert wide[1].index("Client") == wide[0].index("HAProxy") + 2
    assert narrow[1].index("Client") == narrow[0].index("HAProxy")
    assert "█" in narrow[1]
    assert "█" not in "".join(tiny)
    assert tiny[1].startswith(" haprox… Client sessi… ")
    assert tiny[1].endswith("100ms")


def test_the_own_services_spans_come_before_the_next_services() -> None:
    services = [line.split()[0] for line in waterfall(whole_trace(), 100)]
    assert services == ["haproxy-1"] * 11 + ["haproxy-2"] * 11 + ["fake-server"] * 2


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
            name=st.text(max_size=12) | st.sampled_from(PHASES),
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
    assert len(lines) <= len(spans)
    assert sum(not is_phase(span) for span in spans) <= len(lines)
    assert all(cells(line) <= width for line in lines)


def test_ids_of_the_samples_differ() -> None:
    assert len({one.span_id for one in whole_trace()}) == len(whole_trace())
    assert id_of("a", "b") != id_of("b", "a")
