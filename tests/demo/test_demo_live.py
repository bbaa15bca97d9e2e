"""The command itself, on every HAProxy that can be had: what it says, and what it leaves behind.

The traces of ``--json`` are judged here once more, by a drawing of their own.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import haproxy_versions
import pytest
from haproxy_versions import HaproxyVersion

from demo.samples import DRAWING
from demo.test_children import wait_gone

VERSIONS = haproxy_versions.discover().versions
DEMO = [sys.executable, "-m", "haproxy_telemetry", "demo"]
SECONDS = 50

pytestmark = pytest.mark.skipif(not VERSIONS, reason="no HAProxy on this machine")


def as_program(version: HaproxyVersion, folder: Path) -> str:
    """``--haproxy`` takes one path; some versions are started by a loader with arguments."""
    program = folder / "haproxy"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(version.command)} "$@"\n')
    program.chmod(0o755)
    return str(program)


def once(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, "--once", *arguments],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(params=VERSIONS, ids=lambda version: version.name)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return as_program(request.param, tmp_path)


@pytest.fixture
def newest(tmp_path: Path) -> str:
    return as_program(VERSIONS[-1], tmp_path)


class Staying:
    """A demo that stays, and its children."""

    def __init__(self, program: str, folder: Path) -> None:
        self.output = folder / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [*DEMO, "--haproxy", program], stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait_for(self, text: str) -> str:
        deadline = time.monotonic() + SECONDS
        while text not in (said := self.output.read_text()):
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)
        return said

    def url(self) -> str:
        said = self.wait_for("Ctrl-C stops everything\n")
        return said.split("curl -i ")[1].split()[0]

    def children(self) -> dict[int, str]:
        pid = self.process.pid
        listed = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid=,args="], capture_output=True, text=True)
        pairs = [line.split(None, 1) for line in listed.stdout.splitlines()]
        return {int(number): arguments for number, arguments in pairs}


@pytest.fixture
def staying(newest: str, tmp_path: Path) -> Iterator[Staying]:
    demo = Staying(newest, tmp_path)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()


def by_service_and_name(trace: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(span["service"], span["name"]): span for span in trace["spans"]}


@pytest.mark.timeout(120)
def test_every_request_is_one_trace_over_three_services(program: str) -> None:
    done = once("--json", "--haproxy", program)
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["problems"]) == (0, True, []), done.stderr

    *traced, plain = told["traces"]
    assert len(traced) == 5
    for trace in traced:
        spans = by_service_and_name(trace)
        assert len(spans) == len(trace["spans"]) == 21
        for haproxy in ("haproxy-1", "haproxy-2"):
            for name, parent, _, _ in DRAWING:
                if parent is not None:
                    assert spans[haproxy, name]["parent_id"] == spans[haproxy, parent]["span_id"]
        first, second = spans["haproxy-1", "HAProxy session"], spans["haproxy-2", "HAProxy session"]
        origin = spans["fake-server", trace["request"]["method"]]
        assert second["parent_id"] == spans["haproxy-1", "Server session"]["span_id"]
        assert origin["parent_id"] == spans["haproxy-2", "Server session"]["span_id"]
        assert {span["kind"] for span in (first, second, origin)} == {"server"}
        assert first["attributes"]["http.response.status_code"] == trace["request"]["status"]

    assert [trace["request"]["status"] for trace in traced] == [200, 200, 200, 404, 500]
    assert len({trace["trace_id"] for trace in told["traces"]}) == 6
    assert {span["service"] for span in plain["spans"]} == {"fake-server"}


@pytest.mark.timeout(120)
def test_attributes_and_errors_follow_the_conventions(newest: str) -> None:
    told = json.loads(once("--json", "--haproxy", newest).stdout)
    get, called, _, missing, error = [by_service_and_name(trace) for trace in told["traces"][:5]]

    root = called["haproxy-1", "HAProxy session"]["attributes"]
    assert root["http.request.method"] == "GET"
    assert (root["url.path"], root["url.query"], root["url.scheme"]) == ("/api/items", "page=2", "http")
    assert (root["server.address"], root["client.address"]) == ("127.0.0.1", "127.0.0.1")
    assert "url.query" not in get["haproxy-1", "HAProxy session"]["attributes"]
    client = called["haproxy-2", "Server session"]
    assert client["kind"] == "client"
    assert client["attributes"]["server.port"] == told["ports"]["fake-server"]
    assert client["attributes"]["haproxy.server.name"] == "next"

    def failed(spans: dict[tuple[str, str], dict[str, Any]]) -> set[str]:
        return {name for (service, name), span in spans.items() if span["error"] and service == "haproxy-1"}

    assert failed(get) == set()
    assert failed(missing) == {"Server session"}
    assert failed(error) == {"Server session", "HAProxy session"}
    assert error["haproxy-1", "HAProxy session"]["attributes"]["error.type"] == "500"

    traceparent = told["traces"][1]["request"]["traceparent"].split("-")
    assert told["traces"][1]["trace_id"] == traceparent[1]
    assert called["haproxy-1", "HAProxy session"]["parent_id"] == traceparent[2]


@pytest.mark.timeout(120)
def test_people_get_ticks_and_a_waterfall_and_no_colours_in_a_file(newest: str) -> None:
    done = once("--haproxy", newest, env={"COLUMNS": "80"})
    assert done.returncode == 0, done.stdout
    assert "✔ sent 6 requests: 5 of 5 traces complete, 21 spans each, 0 broken parents" in done.stdout
    assert "✔ without SPOE: answered, and no trace of HAProxy" in done.stdout
    assert "█" in done.stdout
    assert "\x1b" not in done.stdout
    assert "Ctrl-C" not in done.stdout


@pytest.mark.timeout(120)
def test_busy_ports_get_the_next_free_ones_and_a_line(newest: str) -> None:
    """Whether the ports are busy by this test or by somebody else does not matter."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", 7000))
            listener.listen()
        except OSError:
            pass
        done = once("--json", "--haproxy", newest)
    told = json.loads(done.stdout)
    assert told["ok"]
    assert told["ports"]["agent"] != 7000
    assert f"port 7000 is busy: the agent is on {told['ports']['agent']} instead" in done.stderr


@pytest.mark.timeout(120)
def test_somebodys_own_telemetry_settings_do_not_break_it(newest: str) -> None:
    foreign = {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "HAPROXY_TELEMETRY_LISTEN": "127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }
    done = once("--haproxy", newest, env=foreign)
    assert done.returncode == 0, done.stdout


def test_no_haproxy_is_an_error_with_the_fix_for_people_and_programs(tmp_path: Path) -> None:
    done = once("--json", "--haproxy", str(tmp_path / "none"))
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["traces"]) == (1, False, [])
    assert "cannot be started" in told["error"]
    assert "apt install haproxy" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(120)
def test_a_haproxy_that_ends_at_once_is_an_error_with_its_words(newest: str, tmp_path: Path) -> None:
    """It checks the configuration well, and then does not run."""
    program = tmp_path / "fails"
    program.write_text(f'#!/bin/sh\n[ "$1" = -db ] && {{ echo "no licence"; exit 3; }}\nexec {newest} "$@"\n')
    program.chmod(0o755)
    done = once("--haproxy", str(program))
    assert done.returncode == 1
    assert "✘ haproxy-2 ended with exit code 3.\n  | no licence" in done.stdout


@pytest.mark.timeout(120)
def test_a_broken_trace_is_told_and_fails(newest: str, tmp_path: Path) -> None:
    """The second HAProxy runs with a spoe.cfg that names another span."""
    source = Path(__file__).parents[2] / "demo"
    for name in ("haproxy.cfg", "spoe.cfg"):
        (tmp_path / name).write_text((source / name).read_text().replace('"TCP response"', '"TCP answer"'))
    program = tmp_path / "other"
    program.write_text(
        f'#!/bin/sh\n[ "$SERVICE_NAME$1" = haproxy-2-db ] && set -- -db -f {tmp_path}/haproxy.cfg\nexec {newest} "$@"\n'
    )
    program.chmod(0o755)
    done = once("--json", "--timeout", "3", "--haproxy", str(program))
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (1, False)
    kinds = {problem["kind"] for trace in told["traces"][:5] for problem in trace["problems"]}
    assert kinds == {"span-count", "span-unknown"}
    assert told["traces"][5]["ok"]
    assert "0 of 5 traces complete" in done.stderr


@pytest.mark.timeout(120)
def test_it_stays_for_other_requests_and_ctrl_c_stops_everything(staying: Staying) -> None:
    url = staying.url()
    children = staying.children()
    assert len(children) == 4
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}mine?a=b", timeout=10) as response:
        trace_id = response.headers["x-trace-id"]
        assert json.load(response)["traceparent"].split("-")[1] == trace_id
    said = staying.wait_for(trace_id)
    assert said.split("Ctrl-C stops everything")[1].split()[1:4] == ["GET", "/mine", "200"]

    staying.process.send_signal(signal.SIGINT)
    assert staying.process.wait(15) == 0
    wait_gone(list(children))
    assert "Traceback" not in staying.output.read_text()


@pytest.mark.timeout(120)
def test_a_killed_demo_leaves_no_process_behind(staying: Staying) -> None:
    staying.url()
    children = staying.children()
    assert len(children) == 4
    staying.process.kill()
    staying.process.wait()
    wait_gone(list(children))


@pytest.mark.timeout(120)
def test_a_child_that_dies_later_ends_the_demo_with_an_error(staying: Staying) -> None:
    staying.url()
    children = staying.children()
    agent = next(pid for pid, arguments in children.items() if " serve " in arguments)
    os.kill(agent, signal.SIGKILL)
    assert staying.process.wait(15) == 1
    assert "✘ agent was killed by SIGKILL" in staying.output.read_text()
    wait_gone(list(children))


@pytest.mark.timeout(120)
def test_ctrl_c_while_it_starts_leaves_nothing_and_claims_nothing(staying: Staying) -> None:
    staying.wait_for("✔ HAProxy")
    staying.process.send_signal(signal.SIGINT)
    assert staying.process.wait(15) in (0, 130)
    assert staying.children() == {}


def test_json_needs_an_end() -> None:
    done = subprocess.run([*DEMO, "--json"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert "--json needs --once" in done.stderr
