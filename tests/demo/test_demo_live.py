"""The command itself, on every HAProxy that can be had: what it says, and what it leaves behind.

The traces of ``--json`` are judged here once more, by a drawing of their own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import haproxy_versions
import pytest
from haproxy_versions import HaproxyVersion

from demo.samples import DRAWING, REFUSED, STREAM, UPSTREAM
from demo.test_children import wait_gone
from haproxy_telemetry.demo.files import PROFILES, demo_files, options_of

VERSIONS = haproxy_versions.discover().versions
DEMO = [sys.executable, "-m", "haproxy_telemetry", "demo"]
SECONDS = 100  # other demos may be starting

pytestmark = [
    pytest.mark.skipif(not VERSIONS, reason="no HAProxy on this machine"),
    pytest.mark.xdist_group("demo"),  # every worker of its own would start all demos, on the same ports
]


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


Runs = dict[tuple[str, str], "Future[subprocess.CompletedProcess[str]]"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """A demo of every profile with every version, two at a time; most of a demo is waiting."""
    pool = ThreadPoolExecutor(2)
    env = {"COLUMNS": "100"}
    try:
        yield {
            (version.name, profile): pool.submit(
                once, "--json", "--profile", profile, "--haproxy", program, "--timeout", "25", env=env
            )
            for version in VERSIONS
            for program in [as_program(version, tmp_path_factory.mktemp(version.name))]
            for profile in PROFILES
        }
    finally:
        pool.shutdown(cancel_futures=True)


def told_by(runs: Runs, version: str, profile: str) -> dict[str, Any]:
    """The object that a demo printed, which must say that all is well."""
    done = runs[version, profile].result(SECONDS)
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told.get("problems")) == (0, True, []), (told, done.stderr)
    return told


@pytest.fixture
def newest(tmp_path: Path) -> str:
    return as_program(VERSIONS[-1], tmp_path)


class Staying:
    """A demo that stays, and its children."""

    def __init__(self, program: str, folder: Path) -> None:
        self.output = folder / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [*DEMO, "--haproxy", program],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(folder)},  # a killed one cannot take its files away
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
        numbers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {int(number): Path(f"/proc/{number}/cmdline").read_text().replace("\0", " ") for number in numbers}


@pytest.fixture
def staying(newest: str, tmp_path: Path) -> Iterator[Staying]:
    demo = Staying(newest, tmp_path)
    try:
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()


Spans = dict[tuple[str, str], dict[str, Any]]

NAMES = {"server": "SERVER", "client": "CLIENT"}
# By the generator: facts of the version, see docs/profiles.md.
DROPPED_ON = {"2.6": ("TCP response", "HTTP response")} | dict.fromkeys(("3.4", "3.5"), ("TCP response",))


def spans_of(trace: dict[str, Any], profile: str) -> Spans:
    """By service and name; a stream's two spans by their kinds. None is there twice, but for a wait in a queue."""
    known: Spans = {}
    for span in trace["spans"]:
        kind = "" if profile == "detailed" or span["service"] == "fake-server" else span["kind"]
        known[span["service"], NAMES.get(kind, span["name"])] = span
    assert len(known) == len(trace["spans"])
    return known


def drawing(profile: str, version: str) -> list[tuple[str, str | None]]:
    if profile != "detailed":
        return [(name, parent) for name, parent, *_ in STREAM]
    dropped = DROPPED_ON.get(version, ())
    above = {name: parent for name, parent, *_ in DRAWING}
    left = [(name, above[parent or ""] if parent in dropped else parent) for name, parent in above.items()]
    more = [(name, parent) for name, parent, *_ in [("receive request", DRAWING[0][0], 0, 1), *UPSTREAM]]
    return [one for one in left if one[0] not in dropped] + more


@pytest.mark.timeout(120)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("version", [version.name for version in VERSIONS])
def test_every_request_is_one_trace_over_three_services(runs: Runs, version: str, profile: str) -> None:
    told = told_by(runs, version, profile)
    *passed_on, refused, plain = told["traces"]
    root, waiting = ("HAProxy session", "Server session") if profile == "detailed" else ("SERVER", "CLIENT")
    for trace in passed_on:
        spans = spans_of(trace, profile)
        for haproxy in ("haproxy-1", "haproxy-2"):
            here = {name for service, name in spans if service == haproxy} - {"queue"}
            assert here == {name for name, _ in drawing(profile, version)}
            for name, parent in drawing(profile, version):
                assert parent is None or spans[haproxy, name]["parent_id"] == spans[haproxy, parent]["span_id"]
        first, second = spans["haproxy-1", root], spans["haproxy-2", root]
        origin = spans["fake-server", trace["request"]["method"]]
        assert second["parent_id"] == spans["haproxy-1", waiting]["span_id"]
        assert origin["parent_id"] == spans["haproxy-2", waiting]["span_id"]
        assert {span["kind"] for span in (first, second, origin)} == {"server"}
        assert first["attributes"]["http.response.status_code"] == trace["request"]["status"]

    assert [trace["request"]["status"] for trace in [*passed_on, refused]] == [200, 200, 200, 404, 500, 403]
    assert len({trace["trace_id"] for trace in told["traces"]}) == 7
    assert {span["service"] for span in plain["spans"]} == {"fake-server"}
    assert (told["profile"], told["records"]) == (profile, {"taken": 11, "dropped": {}})


@pytest.mark.timeout(120)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("version", [version.name for version in VERSIONS])
def test_what_haproxy_answers_itself_is_a_whole_trace_too(runs: Runs, version: str, profile: str) -> None:
    trace = told_by(runs, version, profile)["traces"][5]
    spans = spans_of(trace, profile)
    root = spans["haproxy-1", "HAProxy session" if profile == "detailed" else "SERVER"]
    if profile != "detailed":
        assert set(spans) == {("haproxy-1", name) for name, *_ in REFUSED}
    assert {service for service, _ in spans} == {"haproxy-1"}
    assert [span["kind"] for span in spans.values()].count("server") == 1
    assert "client" not in {span["kind"] for span in spans.values()}
    assert (root["attributes"]["http.response.status_code"], root["error"]) == (403, False)
    assert root["attributes"]["haproxy.termination.reason"] == "HAProxy refused the request"
    assert root["attributes"]["haproxy.termination.cause"] == "proxy"
    assert root["parent_id"] is None


@pytest.mark.timeout(120)
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("version", [version.name for version in VERSIONS])
def test_attributes_and_errors_follow_the_conventions(runs: Runs, version: str, profile: str) -> None:
    told = told_by(runs, version, profile)
    get, called, _, missing, error = [spans_of(trace, profile) for trace in told["traces"][:5]]
    first, waiting = ("HAProxy session", "Server session") if profile == "detailed" else ("SERVER", "CLIENT")

    root = called["haproxy-1", first]["attributes"]
    assert root["http.request.method"] == "GET"
    assert (root["url.path"], root["url.query"], root["url.scheme"]) == ("/api/items", "page=REDACTED", "http")
    assert (root["server.address"], root["client.address"]) == ("127.0.0.1", "127.0.0.1")
    assert "url.query" not in get["haproxy-1", first]["attributes"]
    client = called["haproxy-2", waiting]
    assert client["kind"] == "client"
    assert client["attributes"]["server.port"] == told["ports"]["fake-server"]
    assert client["attributes"]["haproxy.server.name"] == "next"

    def failed(spans: Spans) -> set[str]:
        return {name for (service, name), span in spans.items() if span["error"] and service == "haproxy-1"}

    assert failed(get) == set()
    assert failed(missing) == {waiting}
    assert failed(error) == {waiting, first}
    assert error["haproxy-1", first]["attributes"]["error.type"] == "500"

    traceparent = told["traces"][1]["request"]["traceparent"].split("-")
    assert told["traces"][1]["trace_id"] == traceparent[1]
    assert called["haproxy-1", first]["parent_id"] == traceparent[2]


@pytest.mark.timeout(120)
def test_people_get_ticks_and_a_waterfall_and_no_colours_in_a_file(newest: str) -> None:
    done = once("--haproxy", newest, env={"COLUMNS": "80"})
    assert done.returncode == 0, done.stdout
    assert "✔ profile standard " in done.stdout
    assert re.search(r"✔ sent 7 requests: 6 of 6 traces complete, 2-1[5-7] spans each, 0 broken parents", done.stdout)
    assert "✔ not traced: answered, and no span of a HAProxy" in done.stdout
    assert "✔ 11 records\n" in done.stdout
    assert "  haproxy-1: HAProxy refused the request\n" in done.stdout
    assert "█" in done.stdout
    assert "\x1b" not in done.stdout
    assert "Ctrl-C" not in done.stdout


def shape_of_page(text: str) -> list[str]:
    """What stays from run to run: no times, ids, bars, versions nor paths, and no phases, which may take no time."""
    lines = []
    for line in text.splitlines():
        if (
            re.search(r" (receive|queue|connect|wait|transfer)\b.* [rqcwt]+$", line)
            or "is busy" in line
            or not line.strip()
        ):
            continue
        line = re.sub(r"(HAProxy|demo|haproxy-telemetry) [0-9][^ ]*( +/.*| +ray.*)?", r"\1", line)
        line = re.sub(r"(✔ HAProxy) .*|[0-9a-f]{32}|[█▏▎▍▌▋▊▉]+|[0-9]+[-:0-9.]*(ms|µs|s\b)?|spans each", r"\1", line)
        lines.append(" ".join(line.split()))
    return lines


@pytest.mark.timeout(120)
@pytest.mark.parametrize("page", ["README.md", "docs/demo.md"])
def test_what_the_pages_show_is_what_it_prints(runs: Runs, page: str) -> None:
    """The first trace is shown whole; what stands behind it may be left out."""
    text = (Path(__file__).parents[2] / page).read_text()
    shown = next(block for block in text.split("```") if "✔ sent" in block)
    shown = shown[shown.index("haproxy-telemetry 0") :].partition("\n  Traces  ")[0]
    printed = shape_of_page(runs[VERSIONS[0].name, "standard"].result(SECONDS).stderr)
    lines = shape_of_page(shown)
    assert lines == printed[: len(lines)]
    assert "fake-server render" in lines


@pytest.mark.timeout(120)
def test_busy_ports_get_the_next_free_ones_and_a_line(newest: str) -> None:
    """The port is this test's, or for good somebody else's: who has it for a moment may be gone when the demo looks."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                listener.bind(("127.0.0.1", 7000))
                listener.listen()
                break
            except OSError:
                time.sleep(0.1)
        done = once("--json", "--haproxy", newest)
    told = json.loads(done.stdout)
    assert told["ok"], (told, done.stderr)
    assert told["ports"]["agent"] != 7000
    assert f"port 7000 is busy: the agent is on {told['ports']['agent']} instead" in done.stderr


@pytest.mark.timeout(120)
def test_without_records_no_trace_is_right_and_the_records_are_counted(newest: str, tmp_path: Path) -> None:
    """The second HAProxy sends its records to nobody."""
    program = tmp_path / "mute"
    program.write_text(
        f'#!/bin/sh\n[ "$SERVICE_NAME" = haproxy-2 ] && export RECORDS=127.0.0.1:9\nexec {newest} "$@"\n'
    )
    program.chmod(0o755)
    done = once("--json", "--profile", "zero-wait", "--timeout", "3", "--haproxy", str(program))
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told.get("records")) == (1, False, {"taken": 6, "dropped": {}}), done.stderr
    assert {problem["kind"] for problem in told["traces"][0]["problems"]} == {"parent-missing", "service-missing"}
    assert told["traces"][5]["ok"]


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
    """The second HAProxy runs with a SPOE file that names another span."""
    for name, text in demo_files(options_of("detailed", VERSIONS[-1].full)).items():
        (tmp_path / name).write_text(text.replace('"Client session"', '"Client"'))
    program = tmp_path / "other"
    program.write_text(
        f'#!/bin/sh\n[ "$SERVICE_NAME$1" = haproxy-2-db ] && set -- -db -f {tmp_path}/haproxy.cfg\nexec {newest} "$@"\n'
    )
    program.chmod(0o755)
    done = once("--json", "--profile", "detailed", "--timeout", "3", "--haproxy", str(program))
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (1, False), done.stderr
    kinds = {problem["kind"] for trace in told["traces"][:5] for problem in trace["problems"]}
    assert kinds == {"span-count", "span-unknown"}
    assert [trace["ok"] for trace in told["traces"]] == [False] * 5 + [True] * 2
    assert "1 of 6 traces complete" in done.stderr


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
def test_the_viewer_in_it_has_the_traces_and_the_agents_status(staying: Staying) -> None:
    staying.url()
    found = re.search(r"Traces +(http://127\.0\.0\.1:\d+/)", staying.wait_for("Ctrl-C stops everything"))
    assert found
    proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with proxy.open(f"{found[1]}api/viewer/traces?service=haproxy-2&limit=20", timeout=10) as response:
        traces = json.load(response)["traces"]
    assert {"/", "/api/items", "/missing", "/error"} <= {trace["path"] for trace in traces}
    assert {"fake-server", "haproxy-1", "haproxy-2"} in [{one["name"] for one in trace["services"]} for trace in traces]
    with proxy.open(f"{found[1]}api/viewer/status", timeout=10) as response:
        told = json.load(response)
    assert told["agentError"] is None
    assert told["viewer"]["received"]["rejected"] == {}


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
    while not (children := staying.children()):
        time.sleep(0.005)
    staying.process.send_signal(signal.SIGINT)
    assert staying.process.wait(15) in (0, 130)
    wait_gone(list(children))


def test_json_needs_an_end() -> None:
    done = subprocess.run([*DEMO, "--json"], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert "--json needs --once" in done.stderr
