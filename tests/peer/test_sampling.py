"""Sampling behind a real HAProxy: the flag that the origin sees, and what is exported, trace by trace.

The choice is exact: it follows from the trace id, which the origin sees.
"""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion

from peer.configurations import REQUEST_SIDE, traced
from peer.conftest import StartAgent, StartHaproxy
from peer.haproxy import Haproxy
from peer.http_client import keep_alive, request
from peer.origin import Origin
from peer.processes import LOOPBACK, PATIENCE, free_port, wait_until
from peer.test_generated import Running
from peer.tracing_agent import TracingAgent

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-0([01])")
NUMBER = 60
THRESHOLDS = {"0": (2**56, ""), "0.1": (0xE6660000000000, "ot=th:e666"), "1": (0, "ot=th:0")}
"""The threshold of each ratio, by OpenTelemetry's specification, and how it is written."""

SPAN = "00f067aa0ba902b7"
PROFILES = ["detailed", "standard", "zero-wait"]


def upstream(origin: Origin) -> dict[str, tuple[bool, list[str]]]:
    """For each trace that the origin was told of: whether it is sampled, and its tracestate. All are valid."""
    told = {}
    for one in origin.received:
        [header] = one.values("traceparent")
        match = TRACEPARENT.fullmatch(header)
        assert match, header
        told[match[1]] = (match[2] == "1", one.values("tracestate"))
    return told


def chosen(trace_id: str, threshold: int) -> bool:
    return int(trace_id[18:], 16) >= threshold


def exported(agent: TracingAgent) -> dict[str, str]:
    """Let the agent end; return the traces that it exported, with their tracestate."""
    assert agent.stop() == 0
    return {trace.trace_id: trace.root.trace_state for trace in agent.traces}


def paths(number: int = NUMBER) -> list[str]:
    return [f"/{one}" for one in range(number)]


@pytest.mark.parametrize("ratio", THRESHOLDS)
def test_where_the_agent_makes_the_context_flag_and_export_follow_its_sampler(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin, ratio: str
) -> None:
    threshold, written = THRESHOLDS[ratio]
    # `traceidratio` even at 1, which as a default would leave the tracestate alone.
    agent = start_agent(env={"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio})
    port = free_port()
    start_haproxy(traced(port, origin.port, agent.port), {"spoe.cfg": REQUEST_SIDE})
    assert {answer.status for answer in keep_alive(port, paths())} == {200}
    told = upstream(origin)
    assert len(told) == NUMBER
    for trace_id, (sampled, state) in told.items():
        assert sampled is chosen(trace_id, threshold)
        assert state == ([written] if sampled else [])
    dropped = agent.totals().get("traces_dropped.unsampled", 0)
    kept = {trace_id: written for trace_id, (sampled, _) in told.items() if sampled}
    assert dropped == NUMBER - len(kept)
    assert exported(agent) == kept


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("ratio", THRESHOLDS)
def test_where_haproxy_makes_it_its_ratio_is_the_flag_and_the_agent_exports_the_same_traces(
    start_haproxy: StartHaproxy,
    start_agent: StartAgent,
    version: HaproxyVersion,
    origin: Origin,
    ratio: str,
    profile: str,
) -> None:
    threshold = THRESHOLDS[ratio][0]
    written = THRESHOLDS[ratio][1] if ratio == "0.1" else ""
    records = free_port()
    agent = start_agent("--records", f"udp:{LOOPBACK}:{records}")
    running = Running(
        start_haproxy,
        version,
        origin,
        profile=profile,
        ratio=float(ratio),
        agents=[f"{LOOPBACK}:{agent.port}"],
        records=f"udp:{LOOPBACK}:{records}",
    )
    assert {answer.status for answer in keep_alive(running.port, paths())} == {200}
    told = upstream(origin)
    assert len(told) == NUMBER
    for trace_id, (sampled, state) in told.items():
        assert sampled is chosen(trace_id, threshold)
        assert state == ([written] if sampled and written else [])
    wait_until(lambda: agent.totals().get("records", 0) == NUMBER, "all records")
    assert exported(agent) == {trace_id: written for trace_id, (sampled, _) in told.items() if sampled}


def test_a_caller_is_obeyed_by_haproxy_whatever_its_ratio(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin
) -> None:
    running = Running(start_haproxy, version, origin, profile="zero-wait", ratio=0.5)
    for number, flags in enumerate(["00", "01"] * 4):
        caller = f"{number + 1:032x}"
        headers = [("traceparent", f"00-{caller}-{SPAN}-{flags}"), ("tracestate", "a=1")]
        request(running.port, f"/{number}", headers=headers)
        [header] = origin.received_at(f"/{number}")[0].values("traceparent")
        assert (header[3:35], header[-2:]) == (caller, flags)
        assert origin.received_at(f"/{number}")[0].values("tracestate") == ["a=1"]


def test_rules_and_tail_decide_and_sighup_changes_the_ratio(
    start_haproxy: StartHaproxy, start_agent: StartAgent, version: HaproxyVersion, origin: Origin, tmp_path: Path
) -> None:
    """HAProxy samples nothing: what is exported is what the tail keeps, until the file says otherwise."""
    config = tmp_path / "agent.toml"
    sampling = '[sampling]\ndrop = ["/health"]\nsampler = "{}"\n[sampling.tail]\nerrors = true\n'
    config.write_text(sampling.format("parentbased_always_on"))
    records = free_port()
    agent = start_agent("--config", str(config), "--records", f"udp:{LOOPBACK}:{records}")
    running = Running(
        start_haproxy,
        version,
        origin,
        profile="standard",
        ratio=0.0,
        agents=[f"{LOOPBACK}:{agent.port}"],
        records=f"udp:{LOOPBACK}:{records}",
        lines="http-request return status 500 if { path_end /broken }",
    )

    def ask(*wanted: str) -> list[str]:
        before = agent.totals().get("records", 0)
        seen = len(agent.traces)
        keep_alive(running.port, list(wanted))
        wait_until(lambda: agent.totals().get("records", 0) == before + len(wanted), "the records")
        wait_until(lambda: agent.totals().get("traces_dropped.rule", 0) == dropped(), "the drops")
        agent.wait_for(lambda trace: trace.root.attributes["url.path"] == wanted[-1], 1)
        return [str(trace.root.attributes["url.path"]) for trace in agent.traces[seen:]]

    def dropped() -> int:
        return 1 if origin.received_at("/health") else 0

    assert ask("/fine", "/health", "/broken") == ["/broken"]
    assert {trace.root.trace_state for trace in agent.traces} == {"ot=th:0"}

    config.write_text(sampling.format("parentbased_always_onn"))
    agent.send(signal.SIGHUP)
    wait_until(lambda: agent.logged("the new settings are wrong, the old ones stay") != [], "the complaint")
    assert "did you mean" in str(agent.complaints()[-1]) or "expected one of" in str(agent.complaints()[-1])
    assert ask("/fine2", "/api/broken") == ["/api/broken"]

    config.write_text(sampling.format("always_on") + "[trace]\nttl = 60\n")
    agent.send(signal.SIGHUP)
    wait_until(lambda: agent.logged("these settings have changed too and need a restart") != [], "the reload")
    [again] = agent.logged("settings read again")
    assert again["changed"] == "sampling.sampler"
    assert agent.complaints()[-1]["settings"] == "trace.ttl"
    assert ask("/fine3", "/fine4") == ["/fine3", "/fine4"]


RULES = """
[sampling]
sampler = "always_off"
drop = ["/health"]

[sampling.tail]
errors = true
slow_ms = 60000
retries = true
aborts = true

[[sampling.rules]]
tag = "tenant=noisy"
action = "drop"

[[sampling.rules]]
method = "PUT"
action = "keep"

[[sampling.rules]]
path = "/rate"
network = ["127.0.0.0/8"]
action = "rate"
per_second = 2

[[sampling.rules]]
path = "/rate"
action = "keep"

[[sampling.rules]]
path = "/half"
action = "ratio"
ratio = 0.5

[[sampling.rules]]
path = "/reports"
frontend = "trac*"
slow_ms = 100
"""

RETRYING = """
backend retrying
    mode http
    timeout connect 5s
    timeout server 10s
    retries 1
    retry-on all-retryable-errors
    server origin {address}
"""


def test_every_rule_and_every_reason_of_the_tail_behind_one_haproxy(
    start_haproxy: StartHaproxy, start_agent: StartAgent, version: HaproxyVersion, origin: Origin, tmp_path: Path
) -> None:
    """The sampler keeps nothing and HAProxy's flag is `-00`: what leaves is kept by a rule or by the tail."""
    (tmp_path / "agent.toml").write_text(RULES)
    records = free_port()
    agent = start_agent("--config", str(tmp_path / "agent.toml"), "--records", f"udp:{LOOPBACK}:{records}")

    def start(config: str, files: Mapping[str, str]) -> Haproxy:
        return start_haproxy(config + RETRYING.format(address=f"{LOOPBACK}:{origin.port}"), files)

    running = Running(
        start,  # type: ignore[arg-type]  # of the fixture's arguments these two are given
        version, origin, profile="standard", processing="1s", tags='tag=str("tenant") req.fhdr(x-tenant)',
        agents=[f"{LOOPBACK}:{agent.port}"], records=f"udp:{LOOPBACK}:{records}",
        lines="use_backend retrying if { path /close }",
    )  # fmt: skip
    port = running.port
    wait_until(lambda: agent.totals().get("health_checks", 0) > 0, "a health check")
    began = time.monotonic()
    keep_alive(port, [f"/rate/{number}" for number in range(12)])
    took = time.monotonic() - began
    for path, method, tenant in [
        ("/put", "PUT", "good"), ("/put-noisy", "PUT", "noisy"), ("/get", "GET", "good"), ("/health", "PUT", "good"),
        ("/503", "GET", "good"), ("/close", "GET", "good"), ("/reports?ms=150", "GET", "good"),
        ("/reports/quick", "GET", "good"), ("/other?ms=150", "GET", "good"),
    ]:  # fmt: skip
        request(port, path, method, headers=[("x-tenant", tenant)])
    with socket.create_connection((LOOPBACK, port), PATIENCE) as leaving:
        leaving.sendall(b"GET /stream?chunks=50&ms=10 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert leaving.recv(100).startswith(b"HTTP/1.1 200")
    keep_alive(port, [f"/half/{number}" for number in range(NUMBER)])
    wait_until(lambda: agent.totals().get("records", 0) == 12 + 9 + 1 + NUMBER, "all records")
    assert agent.stop() == 0
    kept = sorted(str(trace.root.attributes["url.path"]) for trace in agent.traces)
    rated = [path for path in kept if path.startswith("/rate/")]
    assert 2 <= len(rated) <= 2 * (int(took) + 1)
    halves = {
        one.path for one in origin.received
        if one.path.startswith("/half/") and chosen(one.values("traceparent")[0][3:35], 2**55)
    }  # fmt: skip
    assert {path for path in kept if path.startswith("/half/")} == halves
    others = [path for path in kept if not path.startswith(("/rate/", "/half/"))]
    assert others == ["/503", "/close", "/put", "/reports", "/stream"]
    states = {str(trace.root.attributes["url.path"]): trace.root.trace_state for trace in agent.traces}
    assert {states[path] for path in ("/503", "/close", "/reports", "/stream")} == {"ot=th:0"}


BRIEF = "    timeout connect 5s\n    timeout client 10s\n    timeout server 10s"

LATE = """
[sampling.tail]
errors = true
ratio = 0.5

[[sampling.rules]]
backend = "no*"
action = "drop"

[[sampling.rules]]
backend = "signal"
action = "keep"
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_rules_by_backend_and_the_tails_share_of_the_rest_decide_about_the_export_alone(
    start_haproxy: StartHaproxy,
    start_agent: StartAgent,
    version: HaproxyVersion,
    origin: Origin,
    tmp_path: Path,
    profile: str,
) -> None:
    """Both are known when the flag has gone: the origin is told of sampled traces, whatever becomes of them."""
    (tmp_path / "agent.toml").write_text(LATE)
    records = free_port()
    agent = start_agent("--config", str(tmp_path / "agent.toml"), "--records", f"udp:{LOOPBACK}:{records}")

    def start(config: str, files: Mapping[str, str]) -> Haproxy:
        named = (f"backend {name}\n    server s {LOOPBACK}:{origin.port}\n" for name in ("noise", "signal"))
        return start_haproxy("\n".join([config, "defaults\n    mode http", BRIEF, *named]), files)

    running = Running(
        start,  # type: ignore[arg-type]  # of the fixture's arguments these two are given
        version, origin, profile=profile, processing="1s",
        agents=[f"{LOOPBACK}:{agent.port}"], records=f"udp:{LOOPBACK}:{records}",
        lines="use_backend %[path,field(2,/)] if { path_beg /noise/ /signal/ }",
    )  # fmt: skip
    if profile != "zero-wait":
        wait_until(lambda: agent.totals().get("health_checks", 0) > 0, "a health check")
    asked = [f"/{kind}/{number}" for kind in ("noise", "signal", "rest") for number in range(NUMBER)]
    keep_alive(running.port, asked)
    assert request(running.port, "/503").status == 503
    wait_until(lambda: agent.totals().get("records", 0) == len(asked) + 1, "all records")
    assert agent.stop() == 0
    [stopped] = agent.logged("stopped")
    assert {sampled for sampled, _ in upstream(origin).values()} == {True}
    ids = {one.path: one.values("traceparent")[0][3:35] for one in origin.received}
    rest = {path for path in ids if path.startswith("/rest/") and chosen(ids[path], 2**55)}
    kept = {str(trace.root.attributes["url.path"]): trace for trace in agent.traces}
    assert {path for path in kept if path.startswith("/rest/")} == rest
    assert set(kept) - rest == {path for path in ids if path.startswith("/signal/")} | {"/503"}
    assert {path: trace.trace_id for path, trace in kept.items()} == {path: ids[path] for path in kept}
    assert {kept[path].root.trace_state for path in rest} == {"ot=th:8"}
    assert {kept[path].root.trace_state for path in set(kept) - rest} == {"ot=th:0"}
    assert (stopped["traces_dropped.rule"], stopped["traces_dropped.tail"]) == (NUMBER, NUMBER - len(rest))
