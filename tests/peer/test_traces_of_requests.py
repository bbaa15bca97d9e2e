"""What requests leave behind: real HAProxy, the real agent, all eight events."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory

from haproxy_versions import HaproxyVersion

from peer.configurations import DETAILED, FOLLOWING, NINE_SPANS, traced
from peer.conftest import Proxy, StartAgent, StartHaproxy
from peer.http_client import Response, http2_streams, keep_alive, request
from peer.origin import Origin
from peer.processes import free_port
from peer.tracing_agent import Trace, TracingAgent


def trace_of(proxy: Proxy, response: Response) -> Trace:
    """The trace of an answer, by the id that HAProxy put into it."""
    trace_id = response.header("x-trace-id")
    assert trace_id is not None, response
    return proxy.agent.trace(trace_id)


def shown_upstream(origin: Origin, path: str) -> tuple[str, str]:
    """Trace id and parent's id that the origin was told for a path: lower case, complete, sampled."""
    [header] = origin.received_at(path)[0].values("traceparent")
    version, trace_id, parent_id, flags = header.split("-")
    assert (version, len(trace_id), len(parent_id), int(flags, 16) & 1) == ("00", 32, 16, 1)
    assert all(c in "0123456789abcdef" for c in trace_id + parent_id)
    return trace_id, parent_id


def test_a_request_has_nine_spans_with_their_parents_and_links(proxy: Proxy) -> None:
    trace = trace_of(proxy, request(proxy.port, "/items?page=2", headers=[("user-agent", "a client")]))
    assert trace.parents() == NINE_SPANS
    assert trace.names == list(NINE_SPANS)
    assert trace.links() == FOLLOWING
    assert {span.trace_id for span in trace.spans} == {trace.trace_id}
    assert [span.service for span in trace.spans] == ["haproxy"] * 9
    assert [span.status for span in trace.spans] == ["unset"] * 9
    assert all(trace.root.start_ns <= span.start_ns <= span.end_ns <= trace.root.end_ns for span in trace.spans)
    kinds = {span.name: span.kind for span in trace.spans if span.kind != "internal"}
    assert kinds == {"HAProxy session": "server", "Server session": "client"}


def test_spans_say_what_http_was_about(proxy: Proxy) -> None:
    trace = trace_of(proxy, request(proxy.port, "/items?page=2", headers=[("user-agent", "a client")]))
    unique_id = trace.root.attributes["haproxy.unique_id"]
    assert trace.root.attributes == {
        "haproxy.unique_id": unique_id,
        "haproxy.frontend.name": "web",
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/items",
        "url.query": "page=REDACTED",
        "server.address": "127.0.0.1",
        "client.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "a client",
        "http.response.status_code": 200,
    }
    assert trace.span("Server session").attributes == {
        "http.request.method": "GET",
        "url.full": f"http://127.0.0.1:{proxy.port}/items?page=REDACTED",
        "haproxy.backend.name": "origin",
        "haproxy.server.name": "origin",
        "server.address": "127.0.0.1",
        "server.port": proxy.origin.port,
        "http.response.status_code": 200,
    }


def test_a_post_reaches_the_origin_with_its_body_and_its_trace(proxy: Proxy) -> None:
    response = request(proxy.port, "/upload", "POST", body=b"x" * 100_000)
    assert (response.status, len(response.body)) == (200, 100_000)
    trace = trace_of(proxy, response)
    assert trace.parents() == NINE_SPANS
    assert trace.root.attributes["http.request.method"] == "POST"
    assert shown_upstream(proxy.origin, "/upload") == (trace.trace_id, trace.span("Server session").span_id)


def test_a_404_is_the_clients_mistake_and_no_servers(proxy: Proxy) -> None:
    trace = trace_of(proxy, request(proxy.port, "/404"))
    assert trace.root.attributes["http.response.status_code"] == 404
    failed = {span.name: span.attributes["error.type"] for span in trace.spans if span.status == "error"}
    assert failed == {"Server session": "404"}


def test_a_500_is_an_error_of_both_sides(proxy: Proxy) -> None:
    trace = trace_of(proxy, request(proxy.port, "/500"))
    assert trace.parents() == NINE_SPANS
    failed = {span.name: span.attributes["error.type"] for span in trace.spans if span.status == "error"}
    assert failed == {"Server session": "500", "HAProxy session": "500"}


def test_each_request_of_a_kept_connection_has_a_trace_of_its_own(proxy: Proxy) -> None:
    responses = keep_alive(proxy.port, ["/1", "/2", "/3"])
    traces = [trace_of(proxy, response) for response in responses]
    assert [trace.parents() for trace in traces] == [NINE_SPANS] * 3
    assert [trace.root.attributes["url.path"] for trace in traces] == ["/1", "/2", "/3"]
    assert len({trace.trace_id for trace in traces}) == 3
    assert len({trace.span("Client session").attributes["network.peer.port"] for trace in traces}) == 1


def test_streams_of_http2_that_run_at_once_are_kept_apart(
    start_haproxy: StartHaproxy, origin: Origin, agent: TracingAgent
) -> None:
    port = free_port()
    start_haproxy(traced(port, origin.port, agent.port, bind="proto h2"), {"spoe.cfg": DETAILED})
    paths = [f"/together?n=3&stream={number}" for number in range(3)]
    responses = http2_streams(port, paths)
    assert [response.status for response in responses] == [200] * 3
    traces = [agent.trace(response.header("x-trace-id") or "") for response in responses]
    assert [trace.parents() for trace in traces] == [NINE_SPANS] * 3
    assert [trace.root.attributes["url.query"] for trace in traces] == ["n=REDACTED&stream=REDACTED"] * 3
    told = [shown_upstream(origin, path) for path in paths]
    assert told == [(trace.trace_id, trace.span("Server session").span_id) for trace in traces]
    assert [trace.root.attributes["network.protocol.version"] for trace in traces] == ["2.0"] * 3


def test_two_haproxies_and_the_origin_make_one_trace(
    start_haproxy: StartHaproxy, origin: Origin, agent: TracingAgent
) -> None:
    first_port, second_port = free_port(), free_port()
    second = traced(second_port, origin.port, agent.port)
    start_haproxy(second, {"spoe.cfg": DETAILED}, {"SERVICE_NAME": "inner"})
    first = traced(first_port, second_port, agent.port)
    start_haproxy(first, {"spoe.cfg": DETAILED}, {"SERVICE_NAME": "outer"})
    trace_id = request(first_port, "/chain").header("x-trace-id")
    both = agent.wait_for(lambda trace: trace.trace_id == trace_id, 2)
    inner, outer = sorted(both, key=lambda trace: trace.root.service)
    assert {span.service for span in inner.spans} == {"inner"}
    assert {span.service for span in outer.spans} == {"outer"}
    assert outer.parents() == NINE_SPANS
    assert inner.parents() == {**NINE_SPANS, "HAProxy session": outer.span("Server session").span_id}
    assert shown_upstream(origin, "/chain") == (trace_id, inner.span("Server session").span_id)


def test_every_request_is_whole_when_its_frames_take_several_connections(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    """Eight clients at once; HAProxy sends the events of a request by whatever connection is free."""
    port, agent = free_port(), start_agent()
    start_haproxy(traced(port, origin.port, agent.port), {"spoe.cfg": DETAILED})
    with ThreadPoolExecutor(8) as clients:
        rounds = list(clients.map(lambda n: keep_alive(port, [f"/{n}/{i}" for i in range(5)]), range(40)))
    responses = [response for round_ in rounds for response in round_]
    assert [response.status for response in responses] == [200] * 200
    traces = agent.wait_for(lambda _: True, 200)
    assert len(traces) == 200
    assert {trace.trace_id for trace in traces} == {response.header("x-trace-id") for response in responses}
    assert all(trace.parents() == NINE_SPANS for trace in traces)
    totals = agent.totals()
    assert totals["frames_answered"] == 1600
    assert totals["handshakes"] > 1
    assert agent.complaints() == []


def test_the_way_to_the_agent_can_be_a_unix_socket(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    port = free_port()
    with TemporaryDirectory() as folder:  # short: a socket's path has 107 characters at most
        agent = start_agent(listen=f"unix:{folder}/spop.sock")
        start_haproxy(traced(port, origin.port, f"unix@{folder}/spop.sock"), {"spoe.cfg": DETAILED})
        response = request(port, "/")
        assert agent.trace(response.header("x-trace-id") or "").parents() == NINE_SPANS
        assert agent.stop() == 0
    assert agent.complaints() == []


def test_messages_larger_than_a_frame_arrive_whole_up_to_3_0(
    version: HaproxyVersion, start_haproxy: StartHaproxy, origin: Origin, agent: TracingAgent
) -> None:
    """Up to 3.0 HAProxy sends such a message in pieces, later not at all: the request goes on without SPOE (err 3)."""
    port, long = free_port(), "".join(f"{number:04}," for number in range(1600))
    small = DETAILED.replace("    option var-prefix", "    max-frame-size 256\n    option var-prefix")
    start_haproxy(traced(port, origin.port, agent.port), {"spoe.cfg": small})
    response = request(port, "/", headers=[("user-agent", long)])
    assert response.status == 200
    if version.number >= (3, 1):
        assert response.header("x-error") == "3"
        return
    assert response.header("x-error") is None
    trace_id, parent_id = shown_upstream(origin, "/")
    trace = agent.trace(trace_id)
    assert trace.parents() == NINE_SPANS
    assert trace.root.attributes["user_agent.original"] == long
    assert trace.span("Server session").span_id == parent_id
