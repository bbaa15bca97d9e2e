"""Several workers behind a real HAProxy: each stream is one trace, whoever of them had it."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest
from haproxy_versions import HaproxyVersion

from haproxy_telemetry import haproxyconfig as hc
from peer.conftest import StartAgent, StartHaproxy
from peer.haproxy import Haproxy
from peer.load import send_many
from peer.processes import LOOPBACK, Process, free_port, free_ports_in_a_row, listening_ports, wait_until
from peer.tracing_agent import TracingAgent

WORKERS = 2
BURST = 2_000  # the file's queue holds the spans of so many, however slow the machine is

# All events on the old SPOE and the new one: what can be split at most. The others are asked a burst.
REQUESTS = {("detailed", 2, 6): 10_000, ("detailed", 3, 2): 10_000}

# An origin that answers at once, in the same HAProxy; threads enough for the workers.
ORIGIN = """
frontend fast
    bind {address}
    http-request return status 200 content-type text/plain string yes
"""

PATIENT = ("    timeout server 30s\n", "    timeout server 30s\n    timeout check 30s\n")


class Served(NamedTuple):
    port: int
    agent: TracingAgent
    haproxy: Haproxy


def serve(
    start_agent: StartAgent, start_haproxy: StartHaproxy, version: HaproxyVersion, profile: str, *more: str
) -> Served:
    """An agent of two workers, and the configuration that the generator writes for it."""
    first, records = free_ports_in_a_row(WORKERS), f"udp:{LOOPBACK}:{free_port()}"
    agent = start_agent("--workers", str(WORKERS), "--records", records, *more, port=first)
    port, origin = free_port(), f"{LOOPBACK}:{free_port()}"
    chosen = hc.Options(
        profile=hc.Profile(profile),
        version=hc.parse_version(version.full),
        agents=(hc.parse_agent(f"{LOOPBACK}:{first}"),),
        workers=WORKERS if profile != "zero-wait" else 1,
        records=hc.parse_records(records),
        cache=False,
        example=hc.Example(f"{LOOPBACK}:{port}", hc.parse_origin(origin)),
    )
    files = {file.name: file.text for file in hc.generate(chosen, "the test")}
    # What is not answered in time is not traced: on a busy machine that may be a while.
    files = {name: text.replace("timeout processing 20ms", "timeout processing 5s") for name, text in files.items()}
    config = files.pop(hc.PROXY).replace("global\n", f"global\n    nbthread {WORKERS}\n", 1)
    # A worker that cannot answer a check for a second counts as gone, and its streams' next events go to another.
    assert PATIENT[0] in config or profile == "zero-wait"
    config = config.replace(*PATIENT)
    config = config.replace("frontend traced", f"{ORIGIN.format(address=origin)}\nfrontend traced", 1)
    haproxy = start_haproxy(config, files)
    if profile != "zero-wait":
        wait_until(lambda: agent.totals().get("health_checks", 0) >= WORKERS, "health checks")
    return Served(port, agent, haproxy)


def traces(agent: TracingAgent) -> list[tuple[str, tuple[str, ...], bool]]:
    """Of each exported trace its id, its spans' names, and whether it is incomplete."""
    found = []
    for line in agent.exported().splitlines():
        spans = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
        names = tuple(sorted(span["name"] for span in spans))
        found.append((spans[0]["traceId"], names, b"haproxy.incomplete" in line))
    return found


def has_exported(agent: TracingAgent, records: int) -> bool:
    """Whether so many streams have ended, and all spans that there are have left."""
    totals = agent.totals()
    spans = totals.get("spans", 0)
    return bool(totals.get("records", 0) >= records and spans >= records and spans == totals.get("spans_exported"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("profile", ["standard", "detailed", "zero-wait"])
def test_no_request_is_split_over_the_workers(
    start_agent: StartAgent, start_haproxy: StartHaproxy, version: HaproxyVersion, profile: str
) -> None:
    requests = REQUESTS.get((profile, *version.number), BURST)
    served = serve(start_agent, start_haproxy, version, profile)
    for sent in range(BURST, requests + 1, BURST):
        assert send_many(served.port, BURST) == BURST
        wait_until(partial(has_exported, served.agent, sent), "all traces", patience=30)
    assert served.agent.stop() == 0
    [last] = served.agent.logged("stopped")
    assert {key: last[key] for key in last if "dropped" in key or "incomplete" in key} == {}
    assert last["records"] == requests
    found = traces(served.agent)
    assert len(found) == len({trace_id for trace_id, _, _ in found}) == requests
    assert len({(names, incomplete) for _, names, incomplete in found}) == 1
    assert {incomplete for _, _, incomplete in found} == {False}
    names = Counter(name for _, names, _ in found for name in names)
    assert set(names.values()) <= {requests, 2 * requests}  # GET and GET: the server's span and the client's
    if profile == "detailed":
        assert {"HAProxy session", "Client session", "Backend HTTP request", "Server session"} <= set(names)


# One that dies, and the others


def children(pid: int) -> list[int]:
    """The processes that it started and that live, in the order of their start."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it ended meanwhile
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return sorted(found)


def page(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection(LOOPBACK, port, timeout=30)
    connection.request("GET", path, headers={"Host": f"{LOOPBACK}:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def value(metrics: str, name: str) -> float:
    return sum(float(found) for found in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)", metrics, re.MULTILINE))


@pytest.mark.timeout(120)
def test_a_killed_worker_is_started_again_and_the_sums_never_go_down(
    start_agent: StartAgent, start_haproxy: StartHaproxy, version: HaproxyVersion
) -> None:
    pages = free_port()
    served = serve(start_agent, start_haproxy, version, "standard", "--admin", f"{LOOPBACK}:{pages}")
    agent, number = served.agent, 200
    assert send_many(served.port, number) == number
    wait_until(lambda: has_exported(agent, number), "all traces")

    before = page(pages, "/metrics")[1]
    assert value(before, "haproxy_telemetry_workers") == WORKERS
    assert value(before, "haproxy_telemetry_records_total") == number
    assert page(pages, "/readyz") == (200, "ok\n")
    status = json.loads(page(pages, "/status")[1])
    counters = {(one["name"], one["reason"]): one["count"] for one in status["counters"]}
    assert counters["records", ""] == number
    assert status["haproxies"]

    [first, second] = children(agent.pid)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: agent.logged("a worker ended and is started again"), "the line")
    wait_until(lambda: len(children(agent.pid)) == WORKERS, "another one")
    [line] = agent.logged("a worker ended and is started again")
    assert line["why"] == "was killed by SIGKILL"
    assert second in children(agent.pid)
    wait_until(lambda: page(pages, "/readyz")[0] == 200, "it listens", patience=30)
    assert page(pages, "/livez") == (200, "ok\n")

    assert send_many(served.port, number) == number
    wait_until(lambda: agent.totals().get("records", 0) >= 2 * number, "all records")
    after = page(pages, "/metrics")[1]
    assert value(after, "haproxy_telemetry_worker_restarts_total") == 1
    assert value(after, "haproxy_telemetry_records_total") == 2 * number
    assert value(after, "haproxy_telemetry_workers") == WORKERS
    assert agent.stop() == 0
    [last] = agent.logged("stopped")
    assert (last["records"], last["worker_restarts"]) == (2 * number, 1)
    found = traces(agent)
    assert len({trace_id for trace_id, _, _ in found}) == len(found)


def test_with_the_supervisor_its_workers_end(start_agent: StartAgent) -> None:
    agent = start_agent("--workers", "3", port=free_ports_in_a_row(3))
    workers = children(agent.pid)
    assert len(workers) == 3
    agent.send(signal.SIGKILL)
    agent.wait()
    wait_until(lambda: not any(is_running(pid) for pid in workers), "no worker is left")


def is_running(pid: int) -> bool:
    """Whether the process does anything; who has ended and is not yet taken note of does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_port_that_is_taken_ends_all_of_it_before_it_began(start_agent: StartAgent, tmp_path: Path) -> None:
    first = free_ports_in_a_row(3)
    start_agent(port=first + 1)
    command = [sys.executable, "-m", "haproxy_telemetry", "serve", "--workers", "3", "--listen", f"{LOOPBACK}:{first}"]
    process = Process([*command, "--export", "none", "--admin", "off"], tmp_path, "workers")
    assert process.wait(30) == 1
    assert process.output.splitlines()[-1] == (
        f"haproxy-telemetry: cannot listen on {LOOPBACK}:{first + 1}: another process listens there;"
        " name another with --listen, and in HAProxy's `server` line"
    )
    assert first not in listening_ports()


# Who looks on


def test_who_watches_sees_the_traces_of_all_workers(
    start_agent: StartAgent, start_haproxy: StartHaproxy, version: HaproxyVersion
) -> None:
    pages, number = free_port(), 50
    served = serve(start_agent, start_haproxy, version, "standard", "--admin", f"{LOOPBACK}:{pages}")
    watching = HTTPConnection(LOOPBACK, pages, timeout=30)
    watching.request("GET", "/tail", headers={"Host": f"{LOOPBACK}:{pages}"})
    answer = watching.getresponse()
    assert answer.readline().startswith(b"event: ")  # the hello: from here on it sees all
    assert send_many(served.port, number) == number
    seen: set[str] = set()
    while len(seen) < number:
        seen.update(re.findall(r'"traceId":"([0-9a-f]{32})"', answer.readline().decode()))
    watching.close()
    wait_until(partial(has_exported, served.agent, number), "all traces")
    assert seen == {trace_id for trace_id, _, _ in traces(served.agent)}


def are_in_viewer(totals: Mapping[str, int]) -> bool:
    return totals.get("viewer_spans_exported") == totals["spans"]


def test_the_viewer_has_the_traces_of_all_workers(
    start_agent: StartAgent, start_haproxy: StartHaproxy, version: HaproxyVersion
) -> None:
    viewer, number = free_port(), 50
    served = serve(start_agent, start_haproxy, version, "standard", "--viewer", f"{LOOPBACK}:{viewer}")
    assert send_many(served.port, number) == number
    wait_until(partial(has_exported, served.agent, number), "all traces")
    wait_until(lambda: are_in_viewer(served.agent.totals()), "all spans in the viewer")
