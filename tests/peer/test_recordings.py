"""What a real HAProxy said to an agent that recorded it, played to another: the same traces come of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion

from peer.conftest import StartAgent, StartHaproxy
from peer.http_client import keep_alive, request
from peer.origin import Origin
from peer.processes import LOOPBACK
from peer.test_generated import Running
from peer.tracing_agent import TracingAgent

REQUESTS = 12
SECRET = "Jo-7f4e2a91c3"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "haproxy_telemetry", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def shapes(agent: TracingAgent) -> Counter[tuple[tuple[str, str, str, str, int], ...]]:
    """For each trace its spans: the name, the kind, the parent's name, the status, and how many attributes it has."""
    found: Counter[tuple[tuple[str, str, str, str, int], ...]] = Counter()
    for trace in agent.traces:
        names = {span.span_id: span.name for span in trace.spans}
        spans = [
            (span.name, span.kind, names.get(span.parent_id, ""), span.status, len(span.attributes))
            for span in trace.spans
        ]
        found[tuple(sorted(spans))] += 1
    return found


@pytest.mark.parametrize("redact", [False, True], ids=["as it is", "placeholders"])
@pytest.mark.parametrize("profile", ["detailed", "standard"])
def test_what_a_haproxy_said_gives_the_same_traces_again(
    start_haproxy: StartHaproxy,
    start_agent: StartAgent,
    version: HaproxyVersion,
    origin: Origin,
    tmp_path: Path,
    profile: str,
    redact: bool,
) -> None:
    file = tmp_path / "flight.jsonl"
    flags = ["--record", str(file), *(["--record-redact"] if redact else [])]
    recorded = start_agent("--records", f"udp:{LOOPBACK}:0", *flags)
    [listening] = recorded.logged("listening")
    proxy = Running(
        start_haproxy, version, origin,
        profile=profile, agents=[f"{LOOPBACK}:{recorded.port}"], records=listening["records"],
    )  # fmt: skip
    for number in range(REQUESTS // 2):
        headers = [("traceparent", f"00-{number + 1:032x}-{number + 1:016x}-01"), ("user-agent", SECRET)]
        assert request(proxy.port, f"/users/{SECRET}?q={SECRET}", headers=headers).status == 200
    keep_alive(proxy.port, [f"/{number}" for number in range(REQUESTS // 2)])
    recorded.wait_for(lambda _: True, REQUESTS)
    assert recorded.stop() == 0

    again = start_agent("--records", f"udp:{LOOPBACK}:0")
    [listening] = again.logged("listening")
    to = ["--to", f"{LOOPBACK}:{again.port}", "--records-to", listening["records"]]
    played = run("replay", file, *to, "--speed", "max")
    assert played.returncode == 0, played.stderr
    again.wait_for(lambda _: True, REQUESTS)
    assert again.stop() == 0
    assert shapes(again) == shapes(recorded)
    assert sum(shapes(again).values()) == REQUESTS
    assert again.complaints() == recorded.complaints() == []

    words = run("decode", file)
    assert (words.returncode, words.stdout.count("NOTIFY stream")) == (0, words.stdout.count("ACK stream"))
    assert (SECRET in words.stdout) is not redact
    here = run("replay", file)
    assert here.returncode == 0, here.stderr
    assert re.search(rf"^{REQUESTS} traces$", here.stderr, re.MULTILINE), here.stderr
