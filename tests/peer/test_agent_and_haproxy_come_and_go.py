"""Starts, ends and reloads under way: no client's request may fail for it, and traces flow again after it."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

from haproxy_versions import HaproxyVersion

from peer.configurations import DETAILED, NINE_SPANS, ONE_EVENT, traced
from peer.conftest import Proxy, StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin
from peer.processes import free_port, wait_until
from peer.tracing_agent import TracingAgent
from peer.traffic import Traffic


def spoe_without_hangs(version: HaproxyVersion) -> str:
    """All events, but on 2.6 the first alone: for a later one it loses `timeout processing` and holds the client up.

    A request whose agent goes between two of its events stays until another time-out (2.8 mended it): see
    `test_each_event_of_a_request_has_the_time_limit`.
    """
    return DETAILED if version.number > (2, 6) else ONE_EVENT


def test_no_request_fails_when_the_agent_is_killed_and_traces_flow_again_when_it_is_back(
    version: HaproxyVersion, start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    port, first = free_port(), start_agent()
    config = traced(port, origin.port, first.port, check="inter 50ms")
    start_haproxy(config, {"spoe.cfg": spoe_without_hangs(version)})
    with Traffic(port) as traffic:
        first.wait_for(lambda _: True, 20)
        first.send(signal.SIGKILL)
        first.wait()
        traffic.wait_for_more(50)
        second = start_agent(port=first.port)
        spans = len(first.traces[0].spans)
        second.wait_for(lambda trace: len(trace.spans) == spans, 20)
    assert first.complaints() == []
    # A request that the restart cut in two goes on speaking of spans that the second agent has not seen.
    assert {line.get("reason") for line in second.complaints()} <= {"unknown_reference"}


def test_no_request_fails_when_the_agent_is_asked_to_end(
    version: HaproxyVersion, start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    port, agent = free_port(), start_agent()
    config = traced(port, origin.port, agent.port, check="inter 50ms")
    start_haproxy(config, {"spoe.cfg": spoe_without_hangs(version)})
    with Traffic(port) as traffic:
        agent.wait_for(lambda _: True, 20)
        assert agent.stop(signal.SIGTERM) == 0
        traffic.wait_for_more(50)
    assert agent.complaints() == []
    [last] = agent.logged("stopped")
    assert last["exported"] == sum(len(trace.spans) for trace in agent.traces)
    assert last["lost"] == 0


def test_health_checks_are_answered_and_never_spoken_of(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    port, agent = free_port(), start_agent()
    haproxy = start_haproxy(traced(port, origin.port, agent.port, check="inter 10ms"), {"spoe.cfg": DETAILED})
    wait_until(lambda: agent.totals().get("health_checks", 0) >= 10, "ten health checks")
    assert "DOWN" not in haproxy.output
    spoken = [line for line in agent.log if line["level"] != "debug" and line["msg"] not in ("listening", "totals")]
    assert spoken == []
    assert agent.totals().get("handshakes", 0) == 0


def test_an_answer_that_haproxy_makes_itself_leaves_an_incomplete_trace_after_a_time(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    """No event tells of a deny; the spans that are open then end at the last event that came."""
    port, agent = free_port(), start_agent(env={"HAPROXY_TELEMETRY_TRACE_TTL": "0.5"})
    start_haproxy(traced(port, origin.port, agent.port, rules="http-request deny"), {"spoe.cfg": DETAILED})
    response = request(port, "/")
    assert response.status == 403
    trace = agent.trace(response.header("x-trace-id") or "")
    assert trace.parents() == {name: NINE_SPANS[name] for name in list(NINE_SPANS)[:4]}
    incomplete = [span.name for span in trace.spans if span.attributes.get("haproxy.incomplete") is True]
    assert incomplete == ["HAProxy session", "Client session", "Frontend HTTP request"]
    assert {span.status for span in trace.spans} == {"unset"}
    assert trace.root.end_ns == max(span.start_ns for span in trace.spans)
    assert agent.complaints() == []


def test_a_request_in_flight_has_its_whole_trace_when_haproxy_is_reloaded(
    proxy: Proxy, start_haproxy: StartHaproxy, agent: TracingAgent
) -> None:
    with ThreadPoolExecutor(1) as client:
        slow = client.submit(request, proxy.port, "/slow?ms=400")
        wait_until(lambda: proxy.origin.received_at("/slow?ms=400"), "the request at the origin")
        config = traced(proxy.port, proxy.origin.port, agent.port)
        start_haproxy(config, {"spoe.cfg": DETAILED}, {"SERVICE_NAME": "new"}, ["-sf", str(proxy.haproxy.pid)])
        response = slow.result()
    assert response.status == 200
    old = agent.trace(response.header("x-trace-id") or "")
    assert (old.root.service, old.parents()) == ("haproxy", NINE_SPANS)
    assert proxy.haproxy.wait() == 0
    new = agent.trace(request(proxy.port, "/").header("x-trace-id") or "")
    assert (new.root.service, new.parents()) == ("new", NINE_SPANS)
