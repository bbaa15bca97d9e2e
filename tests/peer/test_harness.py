"""The harness itself: that what live tests rest on does what they think it does."""

import subprocess
import sys
from pathlib import Path

import pytest
from haproxy_versions import Found, HaproxyVersion

from haproxy_telemetry.spop import Connected, HealthChecked, Scope, SetVar
from peer.configurations import DEFAULTS, agents, behind, spoe
from peer.conftest import StartHaproxy
from peer.http_client import http2_streams, keep_alive, request
from peer.origin import Origin
from peer.processes import LOOPBACK, free_port, wait_until
from peer.recording_agent import RecordingAgent


def proxy(port: int, origin: int, lines: str = "", bind: str = "") -> str:
    """A frontend with further lines, before the origin."""
    return f"""{DEFAULTS}
frontend web
    bind {LOOPBACK}:{port} {bind}
    {lines}
    default_backend origin
{behind(origin)}"""


def test_at_least_two_versions_of_haproxy_are_there(found: Found) -> None:
    assert len(found.versions) >= 2, "\n".join(found.lines())


def test_every_version_that_can_be_had_is_there(found: Found) -> None:
    if found.skipped:
        pytest.skip("; ".join(f"{one.source}: {one.reason}" for one in found.skipped))


def test_the_program_started_is_the_version_asked_for(version: HaproxyVersion, start_haproxy: StartHaproxy) -> None:
    port = free_port()
    shown = "    stats show-version\n" if version.number >= (3, 4) else ""
    start_haproxy(f"{DEFAULTS}\nfrontend page\n    bind {LOOPBACK}:{port}\n    stats enable\n    stats uri /\n{shown}")
    assert f"HAProxy version {version.name}" in request(port).body.decode()


def test_requests_reach_the_origin_and_answers_come_back(start_haproxy: StartHaproxy, origin: Origin) -> None:
    port = free_port()
    start_haproxy(proxy(port, origin.port))
    assert request(port, "/hello").body == b"/hello"
    assert request(port, "/upload", "POST", [("x-one", "1")], b"a body").body == b"a body"
    assert [request(port, path).status for path in ("/404", "/500", "/stream?chunks=2&ms=1")] == [404, 500, 200]
    upload = origin.received_at("/upload")[0]
    assert (upload.method, upload.body, upload.values("x-one")) == ("POST", b"a body", ["1"])


def test_a_connection_is_kept_for_three_requests(start_haproxy: StartHaproxy, origin: Origin) -> None:
    port = free_port()
    haproxy = start_haproxy(proxy(port, origin.port, "log-format %cp"))
    assert [one.body for one in keep_alive(port, ["/1", "/2", "/3"])] == [b"/1", b"/2", b"/3"]
    wait_until(lambda: len(client_ports(haproxy.output)) == 3, "three log lines")
    assert len(set(client_ports(haproxy.output))) == 1


def client_ports(output: str) -> list[str]:
    return [line.strip() for line in output.splitlines() if line.strip().isdigit()]


def test_http2_streams_run_at_the_same_time(start_haproxy: StartHaproxy, origin: Origin) -> None:
    port = free_port()
    start_haproxy(proxy(port, origin.port, bind="proto h2"))
    paths = [f"/together?n=3&stream={number}" for number in range(3)]
    assert [(one.status, one.body.decode()) for one in http2_streams(port, paths)] == [(200, path) for path in paths]


def test_an_agent_sees_messages_and_sets_variables(start_haproxy: StartHaproxy, origin: Origin) -> None:
    port = free_port()
    lines = "filter spoe engine engine config spoe.cfg\n    http-request set-header x-answer %[var(txn.agent.answer)]"
    with RecordingAgent(lambda _: [SetVar(Scope.TXN, b"answer", b"42")]) as agent:
        config = proxy(port, origin.port, lines) + agents(agent.port)
        start_haproxy(config, {"spoe.cfg": spoe("ask | method=method path | on-frontend-http-request")})
        wait_until(lambda: any(isinstance(event, HealthChecked) for _, event in agent.events), "a health check")
        request(port, "/asked")
        assert [(m.name, m.arguments) for m in agent.messages] == [(b"ask", ((b"method", b"GET"), (b"", b"/asked")))]
        assert any(isinstance(event, Connected) for _, event in agent.events)
    assert origin.received_at("/asked")[0].values("x-answer") == ["42"]


def test_a_program_that_ends_at_once_is_reported_with_its_words(start_haproxy: StartHaproxy) -> None:
    with pytest.raises(AssertionError, match="unknown keyword 'nonsense'"):
        start_haproxy(proxy(free_port(), free_port(), "nonsense"))


def test_nothing_is_left_when_the_test_run_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, time; from peer.processes import Process;"
        f"print(Process(['sleep', '60'], pathlib.Path({str(tmp_path)!r}), 'child').pid, flush=True); time.sleep(60)"
    )
    tests = Path(__file__).parent.parent
    run = subprocess.Popen([sys.executable, "-c", script], cwd=tests, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    child = int(run.stdout.readline())
    wait_until(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n", "the program in place of its starter")
    run.kill()
    run.communicate()
    wait_until(lambda: not is_running(child), "the end of the child")


def is_running(pid: int) -> bool:
    """A zombie that nobody waits for yet does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
