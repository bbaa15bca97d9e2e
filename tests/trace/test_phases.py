"""HAProxy's timers, laid out: exact offsets, and the phase in which a stream ended lasts until its end."""

from __future__ import annotations

import pytest
from streams import GOOD, MS, START, timers

from haproxy_telemetry.trace.phases import attempt_start, phases, server_tried
from haproxy_telemetry.trace.stream import EndOfStream, Timers


def laid_out(end: EndOfStream) -> list[tuple[str, float, float]]:
    """Name, begin and end in milliseconds from the start."""
    return [(one.name.decode(), (one.start_ns - START) / MS, (one.end_ns - START) / MS) for one in phases(end)]


def ended(state: bytes, laps: Timers, server: bytes = b"s1", retries: int = 0) -> EndOfStream:
    return GOOD.replaced(termination=state, timers=laps, server=server, retries=retries)


def test_all_five() -> None:
    assert laid_out(GOOD) == [
        ("receive request", 0, 10),
        ("queue", 10, 30),
        ("connect", 30, 60),
        ("wait for response", 60, 100),
        ("transfer", 100, 250),
    ]
    assert [one.last for one in phases(GOOD)] == [False, False, False, False, True]
    assert [one.upstream for one in phases(GOOD)] == [False, True, True, True, True]


def test_no_time_in_a_queue_is_no_queue() -> None:
    names = [name for name, _, _ in laid_out(ended(b"----", timers(1, 0, 1, 1)))]
    assert names == ["receive request", "connect", "wait for response", "transfer"]


@pytest.mark.parametrize(
    ("end", "last"),
    [
        (ended(b"CR--", timers(None, None, None, None), b""), ("receive request", 0, 250)),
        (ended(b"PR--", timers(10, None, None, None), b""), ("receive request", 0, 10)),
        (ended(b"sQ--", timers(10, 239, None, None), b""), ("queue", 10, 250)),
        (ended(b"CQ--", timers(10, 100, None, None)), ("queue", 10, 250)),
        (ended(b"SC--", timers(10, 20, None, None)), ("connect", 30, 250)),
        (ended(b"sH--", timers(10, 20, 30, None)), ("wait for response", 60, 250)),
        (ended(b"CD--", timers(10, 20, 30, 40)), ("transfer", 100, 250)),
        (ended(b"PT--", timers(None, 251, None, None), b""), ("tarpit", 0, 250)),
        # 2.8 writes PR-- for a tarpit: it is known by its timers
        (ended(b"PR--", timers(None, 251, None, None), b""), ("tarpit", 0, 250)),
        (ended(b"SC--", timers(10, None, None, None), b""), ("receive request", 0, 10)),
        # the cache and the statistics page have timers, and no server
        (ended(b"LR--", timers(0, 0, 0, 0), b""), ("receive request", 0, 0)),
    ],
)
def test_where_a_stream_ended(end: EndOfStream, last: tuple[str, float, float]) -> None:
    assert laid_out(end)[-1] == last


def test_tcp_mode_has_no_request_and_no_response() -> None:
    end = ended(b"--", timers(None, 20, 30, None)).replaced(tcp=True)
    assert laid_out(end) == [("queue", 0, 20), ("connect", 20, 50), ("transfer", 50, 250)]


def test_timers_longer_than_the_stream_are_cut_to_it() -> None:
    end = GOOD.replaced(end_ns=START + 50 * MS)
    assert laid_out(end)[2:] == [("connect", 30, 50), ("wait for response", 50, 50), ("transfer", 50, 50)]


@pytest.mark.parametrize(
    ("end", "tried"),
    [
        (GOOD, True),
        (ended(b"SC--", timers(0, 0, None, None)), True),
        (ended(b"SC--", timers(0, None, None, None), b""), False),
        (ended(b"sQ--", timers(0, 9, None, None), b""), False),
        (ended(b"CQ--", timers(0, 9, None, None)), False),
        (ended(b"CQ--", timers(0, 9, None, None), retries=1), True),
        (ended(b"LR--", timers(0, 0, 0, 0), b""), False),
        (ended(b"LC--", timers(0, 0, None, None)), False),
        (ended(b"LH--", timers(0, 0, 0, None)), True),
    ],
)
def test_whether_a_server_was_tried(end: EndOfStream, tried: bool) -> None:
    assert server_tried(end) is tried
    assert any(phase.upstream for phase in phases(end)) is tried


def test_the_attempt_begins_behind_the_request() -> None:
    assert attempt_start(GOOD) == START + 10 * MS
    assert attempt_start(GOOD.replaced(end_ns=START + 5 * MS)) == START + 5 * MS
    assert attempt_start(ended(b"--", timers(None, 0, 0, None))) == START
    assert attempt_start(GOOD.replaced(tcp=True)) == START
