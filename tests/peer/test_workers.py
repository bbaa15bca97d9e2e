"""Several workers behind a real HAProxy: each stream is one trace, whoever of them had it."""

from __future__ import annotations

import json
from collections import Counter
from typing import NamedTuple

import pytest
from haproxy_versions import HaproxyVersion

from haproxy_telemetry import haproxyconfig as hc
from peer.conftest import StartAgent, StartHaproxy
from peer.haproxy import Haproxy
from peer.load import send_many
from peer.processes import LOOPBACK, free_port, free_ports_in_a_row, wait_until
from peer.tracing_agent import TracingAgent

WORKERS = 2
REQUESTS = 10_000

# An origin that answers at once, in the same HAProxy; threads enough for the workers.
ORIGIN = """
frontend fast
    bind {address}
    http-request return status 200 content-type text/plain string yes
"""


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


@pytest.mark.timeout(120)
@pytest.mark.parametrize("profile", ["standard", "detailed", "zero-wait"])
def test_no_request_of_ten_thousand_is_split_over_the_workers(
    start_agent: StartAgent, start_haproxy: StartHaproxy, version: HaproxyVersion, profile: str
) -> None:
    served = serve(start_agent, start_haproxy, version, profile)
    assert send_many(served.port, REQUESTS) == REQUESTS
    wait_until(lambda: served.agent.totals().get("records", 0) >= REQUESTS, "all records")
    assert served.agent.stop() == 0
    [last] = served.agent.logged("stopped")
    assert {key: last[key] for key in last if "dropped" in key or "incomplete" in key} == {}
    assert last["records"] == REQUESTS
    found = traces(served.agent)
    assert len(found) == len({trace_id for trace_id, _, _ in found}) == REQUESTS
    assert len({(names, incomplete) for _, names, incomplete in found}) == 1
    assert {incomplete for _, _, incomplete in found} == {False}
    names = Counter(name for _, names, _ in found for name in names)
    assert set(names.values()) <= {REQUESTS, 2 * REQUESTS}  # GET and GET: the server's span and the client's
    if profile == "detailed":
        assert {"HAProxy session", "Client session", "Backend HTTP request", "Server session"} <= set(names)
