"""``serve --viewer``: a process beside the agent, with an export of its own, that ends with it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from haproxy_telemetry.cli import main
from otlp.receiver import Receiver, hang
from server.running_agent import RunningAgent, running, stream, trace_id, wait_for

NOBODY_ELSE = {"HAPROXY_TELEMETRY_VIEWER_OTLP": "off"}


def url(agent: RunningAgent) -> str:
    """The page's address, once the viewer has begun."""
    agent.logged("msg=viewer ")
    found = re.search(r"viewer=(\S+)", agent.logged("msg=listening"))
    assert found
    return found[1]


def get(agent: RunningAgent, path: str) -> Any:
    with urllib.request.urlopen(url(agent) + path, timeout=5) as answer:
        return json.load(answer)


def listens(address: str) -> bool:
    host, _, port = address.removeprefix("http://").strip("/").rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def pid_of_viewer(agent: RunningAgent) -> int:
    children = Path(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def one_trace(agent: RunningAgent, number: int = 1) -> str:
    peer = agent.connect()
    acks = peer.ask(*stream(number))
    peer.close()
    found = next(filter(None, map(trace_id, acks)))
    assert found
    return found


def seen_by_viewer(agent: RunningAgent, trace: str) -> list[Any]:
    """Wait for the trace, and return its spans."""

    def look() -> list[Any]:
        try:
            told = get(agent, f"api/v3/traces/{trace}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return []
        return [
            span
            for resource in told["result"]["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    return wait_for(look, "trace in the viewer")


@contextmanager
def receiver(*script: Any) -> Iterator[Receiver]:
    with Receiver(*script) as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield one
        one.test_ended.set()
        one.shutdown()
        thread.join()


def test_the_viewer_has_what_the_export_has(tmp_path: Path) -> None:
    with running(tmp_path, "--viewer", "127.0.0.1:0") as agent:
        trace = one_trace(agent)
        shown = seen_by_viewer(agent, trace)
        exported = agent.spans_of(trace)
        assert sorted(span["spanId"] for span in shown) == sorted(span["spanId"] for span in exported)
        assert agent.stop() == 0
        assert agent.totals["viewer_spans_exported"] == agent.totals["spans_exported"] == len(exported)
        assert agent.complaints() == []


def test_with_an_export_configured_4318_is_left_to_others(tmp_path: Path) -> None:
    with running(tmp_path, "--viewer", "127.0.0.1:0") as agent:
        assert re.search(r" otlp=127\.0\.0\.1:\d+ ", agent.logged("msg=viewer "))


def test_beside_otlp_both_get_it(tmp_path: Path) -> None:
    with receiver() as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_address[1]}"}
        with running(tmp_path, "--viewer", "127.0.0.1:0", export="otlp", environ=environ) as agent:
            shown = seen_by_viewer(agent, one_trace(agent))
            collector.wait_for_spans(len(shown))
            assert {span.span_id.hex() for span in collector.spans} == {span["spanId"] for span in shown}


def test_where_nobody_said_where_otlp_goes_the_viewer_is_the_export(tmp_path: Path) -> None:
    with running(tmp_path, "--viewer", "127.0.0.1:0", export="otlp", environ=NOBODY_ELSE) as agent:
        shown = seen_by_viewer(agent, one_trace(agent))
        assert agent.stop() == 0
        assert agent.totals["spans_exported"] == len(shown)
        assert "viewer_spans_exported" not in agent.totals


def test_a_collector_that_hangs_keeps_nothing_from_the_viewer(tmp_path: Path) -> None:
    with receiver(hang) as collector:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_address[1]}"}
        with running(tmp_path, "--viewer", "127.0.0.1:0", export="otlp", environ=environ) as agent:
            for number in (1, 2, 3):
                assert seen_by_viewer(agent, one_trace(agent, number))


def test_the_status_has_what_the_agent_says(tmp_path: Path) -> None:
    # The agent's pages stand at an address that the system chooses.
    with running(
        tmp_path, "--viewer", "127.0.0.1:0", environ={"HAPROXY_TELEMETRY_ADMIN_LISTEN": "127.0.0.1:0"}
    ) as agent:
        told = get(agent, "api/viewer/status")
        assert told["agentError"] is None
        assert told["agent"]["listening"]["spop"] == agent.addresses


def test_a_viewer_that_ends_is_told_and_the_export_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, "--viewer", "127.0.0.1:0") as agent:
        address = url(agent)
        os.kill(pid_of_viewer(agent), signal.SIGKILL)
        agent.logged("the viewer ended")
        assert not listens(address)
        exported = agent.spans_of(one_trace(agent))
        assert agent.stop() == 0
        assert agent.totals["viewer_ends"] == 1
        assert agent.totals["spans_exported"] == agent.totals["viewer_spans_dropped.shutdown"] == len(exported)
        assert "spans_dropped.shutdown" not in agent.totals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_viewer_ends_with_the_agent_whatever_ends_it(tmp_path: Path, number: int) -> None:
    with running(tmp_path, "--viewer", "127.0.0.1:0") as agent:
        address, pid = url(agent), pid_of_viewer(agent)
        agent.signal(number)
        agent.wait()
        wait_for(lambda: not listens(address), "end of the viewer")
        wait_for(lambda: not Path(f"/proc/{pid}/cmdline").exists(), "end of its process")


def test_the_file_keeps_what_the_last_moment_brought(tmp_path: Path) -> None:
    store = {"HAPROXY_TELEMETRY_VIEWER_STORE": str(tmp_path / "store")}
    with running(tmp_path, "--viewer", "127.0.0.1:0", environ=store) as agent:
        url(agent)
        trace = one_trace(agent)
        assert agent.stop() == 0
    with running(tmp_path, "--viewer", "127.0.0.1:0", environ=store) as agent:
        assert seen_by_viewer(agent, trace)


def test_a_busy_address_is_an_error_that_names_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with running(tmp_path, "--viewer", address) as agent:
            assert agent.wait() == 1
            why = "another process listens there; name another with --viewer"
            assert f"cannot listen on {address}: {why}" in agent.log[-1]


# The command


def test_without_its_packages_the_command_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for arguments in (["viewer"], ["serve", "--viewer", "127.0.0.1:0"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 1
        assert "install the extra, haproxy-telemetry[viewer]" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--listen", "nowhere"], 2, "there is no port"),
        (["--max-traces", "0"], 2, "max_traces"),
        (["--agent", "9464"], 2, "expected a URL"),
        (["--listen", "127.0.0.1:0", "--store", "/proc/no/such/file"], 1, "it cannot be opened"),
        (["--listen", "192.0.2.1:0"], 1, "--listen 192.0.2.1:0"),
    ],
)
def test_a_wrong_flag_is_named(arguments: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(main, ["viewer", *arguments])
    assert (result.exit_code, words in result.output) == (code, True), result.output


def test_an_otlp_address_that_was_asked_for_must_be_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(main, ["viewer", "--listen", "127.0.0.1:0", "--otlp", address])
    assert result.exit_code == 1
    assert f"--otlp {address}: another process listens there" in result.output


def test_check_says_that_traces_go_to_the_viewer() -> None:
    result = CliRunner().invoke(main, ["serve", "--check", "--viewer"], env={"OTEL_EXPORTER_OTLP_ENDPOINT": ""})
    assert "traces go to the viewer at 127.0.0.1:16686" in result.output
