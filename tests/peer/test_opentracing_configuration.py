"""A configuration as users of spoa-opentracing have it, read leniently and strictly, and what tells the two apart."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from peer.configurations import FOLLOWING, NINE_SPANS, traced
from peer.conftest import StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin
from peer.processes import free_port
from peer.tracing_agent import Trace, TracingAgent

# Messages named after their events, values without names, a version put together of two samples, one `finish` with
# several values and several `finish`, a message that an acl decides on, three messages for the last event.
OPENTRACING = """\
[otel]
spoe-agent opentracing-agent
    messages opentracing:client_session opentracing:frontend_tcp_request opentracing:frontend_http_request
    messages opentracing:backend_tcp_request opentracing:backend_http_request
    messages opentracing:server_session opentracing:tcp_response
    messages opentracing:http_response opentracing:http_response-error opentracing:server_session_end
    messages opentracing:client_session_end
    option var-prefix otel
    option set-on-error err
    timeout hello      500ms
    timeout idle       10s
    timeout processing 500ms
    use-backend tracing-agent

spoe-message opentracing:client_session
    args id=unique-id
    args span=str("HAProxy session") baggage=str("request_id") unique-id
    args span=str("Client session") child-of=str("HAProxy session")
    args   tag=str("source") src str(":") src_port
    event on-client-session

spoe-message opentracing:frontend_tcp_request
    args id=unique-id span=str("Frontend TCP request") child-of=str("Client session")
    args   tag=str("frontend") fe_name log=str("event") str("accepted") log=str("port") dst_port
    event on-frontend-tcp-request

spoe-message opentracing:frontend_http_request
    args id=unique-id
    args span=str("Frontend HTTP request") follows-from=str("Frontend TCP request")
    args   tag=str("http.method") method tag=str("http.url") url tag=str("http.version") str("HTTP/") req.ver
    args   finish=str("Frontend TCP request")
    event on-frontend-http-request

spoe-message opentracing:backend_tcp_request
    args id=unique-id
    args span=str("Backend TCP request") follows-from=str("Frontend HTTP request") tag=str("queue") int(0)
    args   finish=str("Frontend HTTP request")
    event on-backend-tcp-request

spoe-message opentracing:backend_http_request
    args id=unique-id
    args span=str("Backend HTTP request") follows-from=str("Backend TCP request") finish=str("Backend TCP request")
    event on-backend-http-request

spoe-message opentracing:server_session
    args id=unique-id
    args span=str("Server session") child-of=str("HAProxy session")
    args   tag=str("server") be_name str("/") srv_name
    args   finish=str("Backend HTTP request")
    event on-server-session

spoe-message opentracing:tcp_response
    args id=unique-id span=str("TCP response") child-of=str("Server session")
    event on-tcp-response

spoe-message opentracing:http_response
    args id=unique-id
    args span=str("HTTP response") follows-from=str("TCP response") tag=str("http.status_code") status
    args   finish=str("TCP response")
    event on-http-response

spoe-message opentracing:http_response-error
    acl failed status ge 500
    args id=unique-id span=str("HTTP response") tag=str("error") bool(true)
    event on-http-response if failed

spoe-message opentracing:server_session_end
    args id=unique-id finish=str("HTTP response") str("Server session")
    event on-http-response

spoe-message opentracing:client_session_end
    args id=unique-id finish=str("Client session") finish=str("never was") finish=str("*")
    event on-http-response
"""


# The mistakes: a reference to a span that is not there, and an argument that nobody knows.
MISTAKEN = """\
[otel]
spoe-agent opentracing-agent
    messages opentracing:one opentracing:two opentracing:three
    option var-prefix otel
    timeout hello      500ms
    timeout idle       10s
    timeout processing 500ms
    use-backend tracing-agent
spoe-message opentracing:one
    args id=unique-id span=str("one") tag=str("k") int(1) span=str("lost") child-of=str("nobody")
    event on-frontend-http-request
spoe-message opentracing:two
    args id=unique-id span=str("two") child-of=str("one") colour=str("red") tag=str("k") int(2)
    event on-frontend-http-request
spoe-message opentracing:three
    args id=unique-id finish=str("*")
    event on-backend-http-request
"""


@pytest.fixture(scope="module", params=["lenient", "strict"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracingAgent]:
    arguments = ["--strict-dsl"] if request.param == "strict" else []
    agent = TracingAgent(tmp_path_factory.mktemp("reader"), *arguments)
    yield agent
    assert agent.stop() == 0
    assert agent.complaints() == []


def exchange(start_haproxy: StartHaproxy, origin: Origin, agent: TracingAgent, spoe: str, path: str) -> Trace:
    """Send one request through a HAProxy with this SPOE file; return its trace."""
    port = free_port()
    start_haproxy(traced(port, origin.port, agent.port), {"spoe.cfg": spoe})
    response = request(port, path)
    trace_id = response.header("x-trace-id")
    assert trace_id is not None, response
    return agent.trace(trace_id)


def test_a_configuration_of_spoa_opentracing_gives_its_nine_spans(
    start_haproxy: StartHaproxy, origin: Origin, reader: TracingAgent
) -> None:
    trace = exchange(start_haproxy, origin, reader, OPENTRACING, "/500")
    reached = origin.received[0].values("host")[0].partition(":")[2]
    assert trace.parents() == NINE_SPANS
    assert trace.links() == FOLLOWING
    tags = {key: value for span in trace.spans for key, value in span.attributes.items()}
    source = tags.pop("source")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", str(source))
    assert tags == {
        "frontend": "web",
        "http.method": "GET",
        "http.url": "/500",
        "http.version": "HTTP/1.1",
        "queue": 0,
        "server": "origin/origin",
        "http.status_code": 500,
    }
    [(event, fields)] = trace.span("Frontend TCP request").events
    assert (event, fields["port"]) == ("accepted", str(reached))
    assert [span.name for span in trace.spans if span.status == "error"] == ["HTTP response"]


def test_leniently_a_mistake_costs_only_itself(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    agent = start_agent()
    trace = exchange(start_haproxy, origin, agent, MISTAKEN, "/")
    assert trace.parents() == {"one": "", "lost": "one", "two": "one"}
    assert trace.span("two").attributes == {"k": 2}
    assert sorted(line["reason"] for line in agent.complaints()) == ["unknown_argument", "unknown_reference"]


def test_strictly_a_mistake_ends_the_frame(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    agent = start_agent("--strict-dsl")
    trace = exchange(start_haproxy, origin, agent, MISTAKEN, "/")
    assert trace.parents() == {"one": ""}
    assert trace.root.attributes == {"k": 1}
    assert {line["reason"] for line in agent.complaints()} <= {"unknown_argument", "unknown_reference"}
