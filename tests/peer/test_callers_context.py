"""The caller's trace context and what the origin gets of it, by the lines that the project tells people to write."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex

import pytest

from peer.configurations import DETAILED, NINE_SPANS, traced
from peer.conftest import Proxy, StartAgent, StartHaproxy
from peer.http_client import keep_alive, request
from peer.origin import Origin
from peer.processes import free_port, wait_until
from peer.test_traces_of_requests import shown_upstream
from peer.tracing_agent import OTLP_FLAG_REMOTE, TracingAgent

SPAN = "00f067aa0ba902b7"


def new_trace() -> str:
    """A trace id in lower case with at least one letter: the shared agent's traces are told apart by it."""
    return f"a{token_hex(16)[1:]}"


def test_without_a_caller_a_trace_begins_here(proxy: Proxy) -> None:
    request(proxy.port, "/")
    trace_id, parent_id = shown_upstream(proxy.origin, "/")
    trace = proxy.agent.trace(trace_id)
    assert trace.parents() == NINE_SPANS
    assert trace.span("Server session").span_id == parent_id
    assert proxy.origin.received[0].values("tracestate") == []


@pytest.mark.parametrize("form", ["00-{}-{}-01", "00-{}-{}-03", "01-{}-{}-01-later"])
def test_a_callers_trace_goes_on(proxy: Proxy, form: str) -> None:
    caller = new_trace()
    request(proxy.port, "/", headers=[("traceparent", form.format(caller, SPAN)), ("tracestate", "a=1,b=2")])
    trace_id, parent_id = shown_upstream(proxy.origin, "/")
    assert trace_id == caller
    trace = proxy.agent.trace(caller)
    assert trace.parents() == {**NINE_SPANS, "HAProxy session": SPAN}
    assert trace.span("Server session").span_id == parent_id
    assert [bool(span.flags & OTLP_FLAG_REMOTE) for span in trace.spans] == [True] + [False] * 8
    assert proxy.origin.received[0].values("tracestate") == ["a=1,b=2"]
    assert {span.trace_state for span in trace.spans} == {"a=1,b=2"}


INVALID: dict[str, Callable[[str], str]] = {
    "upper case": lambda trace: f"00-{trace.upper()}-{SPAN}-01",
    "zero trace": lambda _: f"00-{'0' * 32}-{SPAN}-01",
    "zero span": lambda trace: f"00-{trace}-{'0' * 16}-01",
    "version ff": lambda trace: f"ff-{trace}-{SPAN}-01",
    "short": lambda trace: f"00-{trace[1:]}-{SPAN}-01",
    "version 00 with more": lambda trace: f"00-{trace}-{SPAN}-01-more",
    "not hexadecimal": lambda trace: f"00-{trace[1:]}g-{SPAN}-01",
    "empty": lambda _: "",
}


def test_a_new_trace_begins_where_the_callers_is_invalid(proxy: Proxy) -> None:
    for name, form in INVALID.items():
        caller, path = new_trace(), f"/{name.replace(' ', '-')}"
        request(proxy.port, path, headers=[("traceparent", form(caller)), ("tracestate", "a=1")])
        trace_id, parent_id = shown_upstream(proxy.origin, path)
        assert trace_id not in (caller, "0" * 32), name
        trace = proxy.agent.trace(trace_id)
        assert trace.parents() == NINE_SPANS, name
        assert trace.span("Server session").span_id == parent_id, name
        assert proxy.origin.received_at(path)[0].values("tracestate") == [], f"{name}: a state without its trace"


def test_a_caller_that_does_not_sample_is_obeyed(proxy: Proxy) -> None:
    unsampled = new_trace()
    request(proxy.port, "/unsampled", headers=[("traceparent", f"00-{unsampled}-{SPAN}-00")])
    [header] = proxy.origin.received_at("/unsampled")[0].values("traceparent")
    assert header.startswith(f"00-{unsampled}-")
    assert header.endswith("-00")
    assert header.split("-")[2] not in (SPAN, "0" * 16)
    request(proxy.port, "/sampled")
    proxy.agent.trace(shown_upstream(proxy.origin, "/sampled")[0])  # is exported after the other would have been
    assert unsampled not in {trace.trace_id for trace in proxy.agent.traces}


@pytest.mark.parametrize("scope", ["req", "txn"])
def test_both_scopes_that_configurations_read_are_there_by_default(
    start_haproxy: StartHaproxy, origin: Origin, agent: TracingAgent, scope: str
) -> None:
    port = free_port()
    start_haproxy(traced(port, origin.port, agent.port, scope=scope), {"spoe.cfg": DETAILED})
    request(port, "/", headers=[("tracestate", "a=1"), ("traceparent", f"00-{new_trace()}-{SPAN}-01")])
    trace_id, parent_id = shown_upstream(origin, "/")
    assert agent.trace(trace_id).span("Server session").span_id == parent_id
    assert origin.received[0].values("tracestate") == ["a=1"]


def test_a_callers_headers_survive_when_the_agent_is_down(start_haproxy: StartHaproxy, origin: Origin) -> None:
    port, caller = free_port(), f"00-{new_trace()}-{SPAN}-01"
    haproxy = start_haproxy(traced(port, origin.port, free_port(), check="inter 20ms"), {"spoe.cfg": DETAILED})
    wait_until(lambda: "tracing-agent/agent is DOWN" in haproxy.output, "the agent being down")
    headers = [("traceparent", caller), ("tracestate", "a=1")]
    responses = keep_alive(port, ["/1", "/2"], headers=headers)
    assert [response.status for response in responses] == [200, 200]
    assert [response.header("x-trace-id") for response in responses] == [None, None]
    assert [one.values("traceparent") for one in origin.received] == [[caller]] * 2
    assert [one.values("tracestate") for one in origin.received] == [["a=1"]] * 2


def test_without_a_unique_id_there_is_no_trace_and_the_log_says_once_how_to_mend_it(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    port, agent = free_port(), start_agent()
    start_haproxy(traced(port, origin.port, agent.port, unique_id=""), {"spoe.cfg": DETAILED})
    assert [response.status for response in keep_alive(port, ["/1", "/2", "/3"])] == [200] * 3
    wait_until(lambda: agent.totals()["dsl_problems.id_null"] == 3 * 9, "every message")
    [complaint] = agent.complaints()
    assert complaint["reason"] == "id_null"
    assert "unique-id-format %[uuid]" in complaint["so"]
    assert [one.values("traceparent") for one in origin.received] == [[]] * 3
    assert agent.stop() == 0
    assert agent.traces == []
