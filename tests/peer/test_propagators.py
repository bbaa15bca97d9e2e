"""Context in other headers than W3C's, through real HAProxies: made by HAProxy itself, and made by the agent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from haproxy_versions import HaproxyVersion

from peer.configurations import DEFAULTS, agents, behind
from peer.conftest import StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin, Received
from peer.processes import LOOPBACK, free_port, wait_until
from peer.test_generated import RecordSocket, Running
from w3c_cases import CASES

TRACE, SPAN = "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1"
OTHER, OTHER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SHORT = "64fe8b2a57d3eff7"
W3C = [("traceparent", f"00-{OTHER}-{OTHER_SPAN}-01"), ("tracestate", "a=1")]

# What a caller sends, and whose trace goes on with which parent, sampled or not; None: a new one begins, sampled, and
# False: not.
CALLERS: dict[str, list[tuple[list[tuple[str, str]], tuple[str, str, bool] | Literal[False] | None]]] = {
    "b3": [
        ([], None),
        ([("b3", f"{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90")], (TRACE, SPAN, True)),
        ([("b3", f"{TRACE}-{SPAN}-0")], (TRACE, SPAN, False)),
        ([("b3", f"{TRACE}-{SPAN}-0-05e3ac9a4f6e3b90")], (TRACE, SPAN, False)),
        ([("b3", f"{TRACE}-{SPAN}-d")], (TRACE, SPAN, True)),
        ([("b3", f"{TRACE}-{SPAN}")], (TRACE, SPAN, True)),
        ([("b3", f"{SHORT}-{SPAN}-1")], (SHORT.zfill(32), SPAN, True)),
        ([("b3", f"{TRACE.upper()}-{SPAN.upper()}-1")], (TRACE, SPAN, True)),
        ([("b3", "0")], False),
        ([("b3", "1")], None),
        ([("b3", "d")], None),
        ([("x-b3-sampled", "0")], False),
        ([("b3", "0"), ("x-b3-traceid", OTHER), ("x-b3-spanid", SPAN)], (OTHER, SPAN, True)),
        ([("b3", f"{'0' * 32}-{SPAN}-1")], None),
        ([("b3", f"{TRACE}-{'0' * 16}-1")], None),
        ([("b3", f"{TRACE[1:]}-{SPAN}-1")], None),
        ([("b3", f"{TRACE}-{SPAN}-x")], None),
        ([("b3", f"{TRACE}-{SPAN}-1-{SPAN}-more")], None),
        ([("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1")], (TRACE, SPAN, True)),
        ([("b3", "rubbish"), ("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)], (TRACE, SPAN, True)),
        ([("b3", f"{TRACE}-{SPAN}-0"), ("x-b3-traceid", OTHER), ("x-b3-spanid", SPAN)], (TRACE, SPAN, False)),
    ],
    "b3multi": [
        ([], None),
        ([("X-B3-TraceId", TRACE), ("X-B3-SpanId", SPAN), ("X-B3-Sampled", "1"), ("X-B3-ParentSpanId", OTHER_SPAN)],
         (TRACE, SPAN, True)),
        ([("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "0")], (TRACE, SPAN, False)),
        ([("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "False")], (TRACE, SPAN, False)),
        ([("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)], (TRACE, SPAN, True)),
        ([("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "0"), ("x-b3-flags", "1")],
         (TRACE, SPAN, True)),
        ([("x-b3-traceid", SHORT), ("x-b3-spanid", SPAN)], (SHORT.zfill(32), SPAN, True)),
        ([("x-b3-traceid", TRACE)], None),
        ([("x-b3-sampled", "false")], False),
        ([("x-b3-sampled", "0"), ("x-b3-flags", "1")], None),
        ([("x-b3-traceid", TRACE), ("x-b3-sampled", "0")], None),
        ([("x-b3-traceid", "0" * 16), ("x-b3-spanid", SPAN)], None),
    ],
    "jaeger": [
        ([], None),
        ([("uber-trace-id", f"{TRACE}:{SPAN}:0:1")], (TRACE, SPAN, True)),
        ([("uber-trace-id", f"{TRACE}:{SPAN}:{OTHER_SPAN}:03")], (TRACE, SPAN, True)),
        ([("uber-trace-id", f"{TRACE}:{SPAN}:0:0")], (TRACE, SPAN, False)),
        ([("uber-trace-id", f"{TRACE}%3A{SPAN}%3a0%3A1")], (TRACE, SPAN, True)),
        ([("uber-trace-id", "abc:1:0:1")], ("abc".zfill(32), "1".zfill(16), True)),
        ([("uber-trace-id", f"0:{SPAN}:0:1")], None),
        ([("uber-trace-id", f"{TRACE}:0:0:1")], None),
        ([("uber-trace-id", f"{TRACE}:{SPAN}:0")], None),
        ([("uber-trace-id", f"0x{TRACE[2:]}:{SPAN}:0:1")], None),
    ],
}  # fmt: skip

SENT = {
    "b3": re.compile(r"b3=(?P<t>[0-9a-f]{32})-(?P<s>[0-9a-f]{16})-(?P<f>[01])"),
    "b3multi": re.compile(r"x-b3-sampled=(?P<f>[01]) x-b3-spanid=(?P<s>[0-9a-f]{16}) x-b3-traceid=(?P<t>[0-9a-f]{32})"),
    "jaeger": re.compile(r"uber-trace-id=(?P<t>[0-9a-f]{32}):(?P<s>[0-9a-f]{16}):0+:0(?P<f>[01])"),
}


def sent(received: Received, name: str) -> tuple[str, str, bool]:
    """The trace, the span and the decision in the headers of this format; there are none of another."""
    prefixes = ("b3", "x-b3", "uber", "traceparent")
    context = " ".join(sorted(f"{key}={value}" for key, value in received.headers if key.startswith(prefixes)))
    found = SENT[name].fullmatch(context)
    assert found, context
    return found["t"], found["s"], found["f"] == "1"


# HAProxy makes the context


@pytest.fixture
def records() -> Iterator[RecordSocket]:
    receiver = RecordSocket()
    yield receiver
    receiver.close()


@pytest.mark.parametrize("name", list(CALLERS))
def test_haproxy_itself_reads_and_writes_each_format(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket, name: str
) -> None:
    running = Running(start_haproxy, version, origin, records=records.address, propagators=name)
    for headers, expected in CALLERS[name]:
        assert request(running.port, headers=headers).status == 200
        record = records.one()
        trace_id, span_id, sampled = sent(origin.received[-1], name)
        assert record["up"] == f"00-{trace_id}-{span_id}-0{int(sampled)}", headers
        if not expected:
            assert record["tp"] == "", headers
            assert trace_id not in (TRACE, OTHER)
            assert sampled is (expected is None), headers
        else:
            assert record["tp"] == f"00-{expected[0]}-{expected[1]}-0{int(expected[2])}", headers
            assert (trace_id, sampled) == (expected[0], expected[2])


@pytest.mark.parametrize(("ratio", "trust"), [(0.0, "always"), (0.3, "{ hdr(x-from) in }"), (1.0, "never")])
def test_a_decision_without_ids_comes_before_the_ratio_of_those_who_are_believed(
    start_haproxy: StartHaproxy,
    version: HaproxyVersion,
    origin: Origin,
    records: RecordSocket,
    ratio: float,
    trust: str,
) -> None:
    running = Running(
        start_haproxy, version, origin, records=records.address, propagators="b3", ratio=ratio, trust=trust
    )
    for said, inside in [("1", "in"), ("0", "in"), ("0", "out"), ("d", "in"), ("1", "out")]:
        request(running.port, headers=[("b3", said), ("x-from", inside)])
        _, _, sampled = sent(origin.received[-1], "b3")
        record = records.one()
        assert record["up"].endswith(f"-0{int(sampled)}")
        if trust == "always" or (inside == "in" and trust != "never"):
            assert sampled is (said != "0")
            assert record["ts"] == ""
        elif ratio in (0.0, 1.0):
            assert sampled is (ratio == 1.0)
        else:
            assert sampled is (int(record["up"].split("-")[1][18:], 16) >= THRESHOLD)


THRESHOLD = round((1 - 0.3) * 2**56) & ~0xFFFFFFFFFF
"""Of a ratio of 0.3, with four hexadecimal digits: `b333` (OpenTelemetry's consistent probability sampling)."""


def test_of_several_formats_the_first_counts_and_all_are_sent(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket
) -> None:
    running = Running(
        start_haproxy, version, origin, records=records.address, propagators="jaeger,b3,b3multi,tracecontext"
    )
    b3, uber = ("b3", f"{TRACE}-{SPAN}-0"), ("uber-trace-id", "abc:1:0:1")
    for headers, caller, state in [
        ([*W3C, b3, uber], "abc".zfill(32), []),
        ([*W3C, b3], TRACE, []),
        ([*W3C, b3, ("uber-trace-id", "0:0:0:0")], TRACE, []),
        ([*W3C, ("b3", "rubbish")], OTHER, ["a=1"]),
        (W3C, OTHER, ["a=1"]),
    ]:
        assert request(running.port, headers=headers).status == 200
        up, received = records.one()["up"], origin.received[-1]
        _, trace, span, flags = up.split("-")
        assert trace == caller
        assert received.values("traceparent") == [up]
        assert received.values("tracestate") == state
        assert received.values("b3") == [f"{trace}-{span}-{flags[1]}"]
        assert received.values("uber-trace-id") == [f"{trace}:{span}:0:{flags}"]
        multi = [received.values(f"x-b3-{part}") for part in ("traceid", "spanid", "sampled")]
        assert multi == [[trace], [span], [flags[1]]]


def test_callers_of_other_formats_are_believed_or_linked_as_trust_says(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket
) -> None:
    running = Running(
        start_haproxy, version, origin, records=records.address, propagators="b3", trust="{ hdr(x-from) in }"
    )
    told = f"00-{TRACE}-{SPAN}-01"
    for inside, tp, link in (("in", told, ""), ("out", "", told)):
        request(running.port, headers=[("b3", f"{TRACE}-{SPAN}-1"), ("x-from", inside), ("tracestate", "a=1")])
        record = records.one()
        assert (record["tp"], record["link"], record["ts"]) == (tp, link, "")
        assert origin.received[-1].values("tracestate") == ["a=1"], "W3C is not among them: untouched"


def test_with_none_the_requests_headers_stay_as_they_are(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket
) -> None:
    running = Running(start_haproxy, version, origin, records=records.address, propagators="none")
    headers = [*W3C, ("b3", f"{TRACE}-{SPAN}-1")]
    request(running.port, headers=headers)
    record = records.one()
    assert record["tp"] == record["link"] == ""
    assert [origin.received[-1].values(name) for name, _ in headers] == [[value] for _, value in headers]


def test_w3cs_cases(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket
) -> None:
    """A tracestate goes on as it came, valid or not: HAProxy does not read it. It goes where its trace ends."""
    running = Running(start_haproxy, version, origin, records=records.address)
    for case in CASES:
        headers = [("TraceParent", value) for value in case.traceparent]
        headers += [("TraceState", value) for value in case.tracestate]
        assert request(running.port, headers=headers).status == 200, case.name
        record, received = records.one(), origin.received[-1]
        [up] = received.values("traceparent")
        _, trace_id, span_id, flags = up.split("-")
        assert record["up"] == up
        assert flags == (case.flags or "01"), case.name
        assert span_id not in ("0" * 16, OTHER_SPAN)
        if case.flags is None:
            assert trace_id not in (OTHER, "0" * 32), case.name
            assert received.values("tracestate") == [], case.name
        else:
            assert trace_id == case.traceparent[0].strip().split("-")[1], case.name
            assert [value.strip() for value in case.tracestate] == received.values("tracestate"), case.name


# The agent makes the context

MESSAGES = """\
[otel]
spoe-agent otel
    messages opentracing:request opentracing:backend
    option var-prefix otel
    timeout hello 500ms
    timeout idle 20s
    timeout processing 500ms
    use-backend agents
spoe-message opentracing:request
    args id=unique-id
    args traceparent=req.fhdr(traceparent) tracestate=req.fhdr(tracestate) baggage=req.fhdr(baggage)
    args b3=req.fhdr(b3) x-b3-traceid=req.fhdr(x-b3-traceid) x-b3-spanid=req.fhdr(x-b3-spanid)
    args x-b3-sampled=req.fhdr(x-b3-sampled) x-b3-flags=req.fhdr(x-b3-flags) uber-trace-id=req.fhdr(uber-trace-id)
    args uberctx-tenant=req.fhdr(uberctx-tenant)
    args span=str("request")
    event on-frontend-http-request
spoe-message opentracing:backend
    args id=unique-id span=str("backend") child-of=str("request") finish=str("*")
    event on-backend-http-request
"""

VARIABLES = {
    "traceparent": "traceparent", "tracestate": "tracestate", "baggage": "baggage", "b3": "b3",
    "x-b3-traceid": "x_b3_traceid", "x-b3-spanid": "x_b3_spanid", "x-b3-sampled": "x_b3_sampled",
    "uber-trace-id": "uber_trace_id", "uberctx-tenant": "uberctx_tenant", "uberctx-k": "uberctx_k",
}  # fmt: skip


def asking(port: int, next_hop: int, agent: int) -> str:
    """A HAProxy that sends each header that the agent tells, and none of the caller's."""
    rules = []
    for header, name in VARIABLES.items():
        found = f"{{ var(txn.otel.{name}) -m found }}"
        rules.append(f"    http-request set-header {header} %[var(txn.otel.{name})] if {found}")
        rules.append(f"    http-request del-header {header} unless {found}")
    lines = "\n".join(rules)
    return f"""{DEFAULTS}
frontend web
    bind {LOOPBACK}:{port}
    unique-id-format %[uuid]
    log-format "ids %[var(txn.otel.trace_id)] %[var(txn.otel.span_id)] %[var(txn.otel.sampled)]."
    filter spoe engine otel config spoe.cfg
{lines}
    http-request del-header x-b3-parentspanid
    http-request del-header x-b3-flags
    http-after-response set-header x-sampled yes if {{ var(txn.otel.sampled) -m bool }}
    http-after-response set-header x-span-id %[var(txn.otel.span_id)] if {{ var(txn.otel.span_id) -m found }}
    default_backend origin
{behind(next_hop)}
{agents(agent)}"""


@pytest.mark.parametrize("name", list(CALLERS))
def test_the_agent_reads_and_writes_each_format(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin, name: str
) -> None:
    agent, port = start_agent(env={"OTEL_PROPAGATORS": name}), free_port()
    haproxy = start_haproxy(asking(port, origin.port, agent.port), {"spoe.cfg": MESSAGES})
    parents: dict[str, str] = {}
    lines: list[str] = []
    for headers, expected in CALLERS[name]:
        response = request(port, headers=headers)
        trace_id, span_id, sampled = sent(origin.received[-1], name)
        assert response.header("x-span-id") == span_id
        assert response.header("x-sampled") == ("yes" if sampled else None)
        lines.append(f"ids {trace_id} {span_id} {int(sampled)}.")
        if not expected:
            assert trace_id not in (TRACE, OTHER), headers
            assert sampled is (expected is None), headers
        else:
            assert (trace_id, sampled) == (expected[0], expected[2]), headers
        if sampled:
            parents[span_id] = expected[1] if expected else ""
    wait_until(lambda: all(line in haproxy.output for line in lines), "the log with the ids")
    traces = agent.wait_for(lambda _: True, len(parents))
    # The span "Server session" never begins here, so the first span has the id that went upstream.
    assert {trace.root.span_id: trace.root.parent_id for trace in traces} == parents


def test_the_agent_sends_all_formats_at_once(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    agent, port = start_agent(env={"OTEL_PROPAGATORS": "b3,jaeger,tracecontext,b3multi,baggage"}), free_port()
    start_haproxy(asking(port, origin.port, agent.port), {"spoe.cfg": MESSAGES})
    w3c = [*W3C, ("baggage", "k=v"), ("uberctx-tenant", "a%20b")]
    for headers, trace_id, state in [(w3c, OTHER, ["a=1"]), ([*w3c, ("b3", f"{TRACE}-{SPAN}-1")], TRACE, [])]:
        request(port, headers=headers)
        received = origin.received[-1]
        [up] = received.values("traceparent")
        span = up.split("-")[2]
        assert up == f"00-{trace_id}-{span}-01"
        assert received.values("tracestate") == state
        assert received.values("baggage") == ["k=v,tenant=a%20b"]
        assert [received.values(f"uberctx-{name}") for name in ("tenant", "k")] == [["a%20b"], ["v"]]
        assert received.values("b3") == [f"{trace_id}-{span}-1"]
        assert received.values("x-b3-spanid") == [span]
        assert received.values("uber-trace-id") == [f"{trace_id}:{span}:{'0' * 16}:01"]
        assert agent.trace(trace_id).root.span_id == span


def test_with_none_nothing_is_sent_and_the_ids_are_told(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin
) -> None:
    agent, port = start_agent(env={"OTEL_PROPAGATORS": "none"}), free_port()
    start_haproxy(asking(port, origin.port, agent.port), {"spoe.cfg": MESSAGES})
    response = request(port, headers=[*W3C, ("b3", f"{TRACE}-{SPAN}-1")])
    assert not {key for key, _ in origin.received[-1].headers} & set(VARIABLES)
    [trace] = agent.wait_for(lambda _: True)
    assert (trace.root.span_id, trace.root.parent_id) == (response.header("x-span-id"), "")
    assert agent.totals()["context_ignored.traceparent"] == 1
