from __future__ import annotations

from dataclasses import replace

import pytest

from demo.samples import (
    BEGIN,
    MS,
    NINE,
    SECOND,
    TRACE,
    TWO,
    changed,
    haproxy_spans,
    id_of,
    origin_spans,
    refused_trace,
    stream_trace,
    whole_trace,
    without,
)
from haproxy_telemetry.demo.checker import Expectation, check_shape, check_trace
from haproxy_telemetry.terminal.records import SpanRecord

CHAIN = Expectation(NINE, ("haproxy-1", "haproxy-2"), "fake-server")
STREAMS = replace(CHAIN, shape=TWO)
REFUSAL = Expectation(TWO, ("haproxy-1",), "")
CALLER = "00f067aa0ba902b7"
OTHER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def kinds(spans: list[SpanRecord], expected: Expectation = CHAIN) -> list[str]:
    return sorted({problem.kind for problem in check_trace(spans, expected)})


def test_a_whole_trace_has_no_problem() -> None:
    assert check_trace(whole_trace(), CHAIN) == []
    assert check_trace(stream_trace(), STREAMS) == []
    assert check_trace(refused_trace(), REFUSAL) == []


def test_the_order_in_which_spans_came_does_not_matter() -> None:
    assert check_trace(whole_trace()[::-1], CHAIN) == []


def test_a_callers_span_is_the_parent_and_not_in_the_trace() -> None:
    with_caller = replace(CHAIN, caller_span_id=CALLER, trace_id=TRACE)
    assert check_trace(whole_trace(CALLER), with_caller) == []
    assert kinds(whole_trace(CALLER)) == ["parent-missing", "roots"]
    assert kinds(whole_trace(), with_caller) == ["roots"]


def test_a_trace_that_did_not_keep_the_callers_id() -> None:
    assert kinds(whole_trace(CALLER), replace(CHAIN, caller_span_id=CALLER, trace_id=OTHER_TRACE)) == ["trace-id"]


def test_nothing_came() -> None:
    assert kinds([]) == ["no-spans"]


W = whole_trace()
SERVER_1 = id_of("haproxy-1", "Server session")
BROKEN = {
    "two trace ids": (changed(W, "haproxy-2", "TCP response", trace_id=OTHER_TRACE), ["trace-ids"]),
    "a span came twice": ([*W, W[3]], ["span-count", "span-id-twice"]),
    "one of the nine is missing": (without(W, "haproxy-2", "Client session"), ["parent-missing", "span-count"]),
    "a leaf is missing": (without(W, "haproxy-1", "HTTP response"), ["span-count"]),
    "a name that nobody knows": (
        changed(W, "haproxy-1", "HTTP response", name="HTTP reply"),
        ["span-count", "span-unknown"],
    ),
    "a service is missing": ([s for s in W if s.service != "fake-server"], ["service-missing"]),
    "the middle service is missing": (
        [s for s in W if s.service != "haproxy-2"],
        ["parent-missing", "service-missing"],
    ),
    "a foreign service": (changed(W, "haproxy-1", "HTTP response", service="other"), ["service-unknown", "span-count"]),
    "two roots": (changed(W, "haproxy-2", "HAProxy session", parent_id=""), ["parent-wrong", "roots"]),
    "no root": (changed(W, "haproxy-1", "HAProxy session", parent_id=SERVER_1), ["parent-circle", "roots"]),
    "the second HAProxy hangs under another span of the first": (
        changed(W, "haproxy-2", "HAProxy session", parent_id=id_of("haproxy-1", "HAProxy session")),
        ["parent-wrong"],
    ),
    "the fake server hangs under the first HAProxy": (
        changed(W, "fake-server", "GET", parent_id=SERVER_1),
        ["parent-wrong"],
    ),
    "the fake server has no span of kind server": (changed(W, "fake-server", "GET", kind="internal"), ["span-count"]),
    "a parent within a HAProxy": (
        changed(W, "haproxy-1", "TCP response", parent_id=id_of("haproxy-1", "HAProxy session")),
        ["parent-wrong"],
    ),
    "a parent that nobody sent": (changed(W, "fake-server", "work", parent_id="ab" * 8), ["parent-missing"]),
    "it ends before it starts": (changed(W, "fake-server", "work", end_ns=BEGIN), ["times"]),
    "no time at all": (changed(W, "fake-server", "work", start_ns=0, end_ns=0), ["times"]),
    "a clock that is a minute behind": (
        changed(W, "fake-server", "work", start_ns=BEGIN - 60 * SECOND),
        ["times"],
    ),
    "a phase is missing": (without(W, "haproxy-1", "transfer"), ["span-count"]),
    "a phase of another span": (
        changed(W, "haproxy-1", "connect", parent_id=id_of("haproxy-1", "HAProxy session")),
        ["parent-wrong"],
    ),
    "the first span is no server's": (changed(W, "haproxy-1", "HAProxy session", kind="internal"), ["kind"]),
    "its record did not come": (changed(W, "haproxy-2", "HAProxy session", attributes={}), ["record-missing"]),
    "nobody told its end": (
        changed(W, "haproxy-2", "HAProxy session", attributes={"haproxy.incomplete": True}),
        ["incomplete"],
    ),
    "it takes an hour": (changed(W, "haproxy-1", "HTTP response", end_ns=BEGIN + 3600 * SECOND), ["times"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_trace_is_told_what_is_wrong_with_it(case: str) -> None:
    spans, expected = BROKEN[case]
    assert kinds(spans) == expected


S = stream_trace()
BROKEN_STREAMS = {
    "no client's span": (without(S, "haproxy-1", "CLIENT"), ["parent-missing", "span-count"]),
    "two servers' spans": (changed(S, "haproxy-1", "CLIENT", kind="server"), ["span-count"]),
    "the second HAProxy hangs under the first one's server's span": (
        changed(S, "haproxy-2", "SERVER", parent_id=id_of("haproxy-1", "SERVER")),
        ["parent-wrong"],
    ),
    "the fake server hangs under the first HAProxy": (
        changed(S, "fake-server", "GET", parent_id=id_of("haproxy-1", "CLIENT")),
        ["parent-wrong"],
    ),
    "a span of another profile": (
        changed(S, "haproxy-1", "transfer", name="TCP response"),
        ["span-count", "span-unknown"],
    ),
    "the nine spans": (whole_trace(), ["span-unknown"]),
}


@pytest.mark.parametrize("case", BROKEN_STREAMS)
def test_a_broken_trace_of_streams_is_told_what_is_wrong_with_it(case: str) -> None:
    spans, expected = BROKEN_STREAMS[case]
    assert kinds(spans, STREAMS) == expected


def test_a_wait_in_a_queue_is_a_phase_that_may_be_there() -> None:
    client = id_of("haproxy-2", "CLIENT")
    queue = replace(without(S, "x", "x")[0], span_id="ab" * 8, parent_id=client, name="queue", service="haproxy-2")
    queue = replace(queue, kind="internal")
    assert kinds([*S, queue], STREAMS) == []
    assert kinds([*S, replace(queue, parent_id=id_of("haproxy-2", "SERVER"))], STREAMS) == ["parent-wrong"]


def test_haproxys_own_answer_says_so_and_nobody_was_asked() -> None:
    spans = refused_trace()
    assert kinds(changed(spans, "haproxy-1", "SERVER", attributes={"haproxy.termination.state": "----"}), REFUSAL) == [
        "termination"
    ]
    assert kinds(spans, STREAMS) == ["service-missing", "span-count"]
    assert kinds(stream_trace(), REFUSAL) == ["service-unknown", "span-unknown", "termination"]


def test_a_problem_names_the_span_and_says_what_it_should_be() -> None:
    spans = changed(W, "haproxy-1", "TCP response", parent_id=id_of("haproxy-1", "HAProxy session"))
    assert [str(problem) for problem in check_trace(spans, CHAIN)] == [
        "haproxy-1/TCP response: its parent must be Server session"
    ]


def test_processes_of_a_busy_machine_may_stamp_a_little_apart() -> None:
    early = changed(W, "fake-server", "GET", start_ns=BEGIN + 15 * MS - 50 * MS)
    assert check_trace(early, CHAIN) == []


def test_without_haproxy_the_fake_server_stands_alone() -> None:
    alone = replace(CHAIN, haproxies=())
    assert check_trace(origin_spans("", 0), alone) == []
    assert kinds(whole_trace(), alone) == ["service-unknown"]


def test_one_haproxy_is_a_chain_as_well() -> None:
    spans = haproxy_spans("haproxy-2", "", 0) + origin_spans(id_of("haproxy-2", "Server session"), 10)
    assert check_trace(spans, replace(CHAIN, haproxies=("haproxy-2",))) == []


def test_a_long_circle_of_parents_ends() -> None:
    first, second = id_of("haproxy-1", "Client session"), id_of("haproxy-1", "Frontend TCP request")
    spans = without(changed(W, "haproxy-1", "Client session", parent_id=second), "haproxy-1", "receive request")
    circle = [problem.about for problem in check_shape(spans) if problem.kind == "parent-circle"]
    assert circle == ["haproxy-1/Client session", "haproxy-1/Frontend TCP request"]
    assert first != second
