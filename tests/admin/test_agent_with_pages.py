"""The agent as a process: its pages, their address, and what HAProxy's side of it does to them."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from pathlib import Path

from haproxy_telemetry.place import ADMIN_ADDRESS
from server.running_agent import RunningAgent, made, message, running, stream, wait_for

from .pages import ask


def admin_of(agent: RunningAgent) -> str:
    found = re.search(r"admin=(\S+)", agent.logged("msg=listening"))
    assert found
    return found[1]


def value(page: bytes, sample: str) -> float:
    found = re.search(rb"^haproxy_telemetry_%s ([\d.e+-]+)$" % re.escape(sample.encode()), page, re.MULTILINE)
    assert found, sample
    return float(found[1])


def test_what_haproxy_sent_is_counted_and_nothing_of_it_is_a_label(tmp_path: Path) -> None:
    with running(tmp_path, "--admin", "127.0.0.1:0") as agent:
        address = admin_of(agent)
        peer = agent.connect()
        frames = stream(1)
        peer.ask(*frames)
        peer.ask(made(3, message((b"id", b"MARKED"), (b"MARKED", b"MARKED"), name=b"opentracing:MARKED"), b"\x51\1"))
        wait_for(lambda: value(ask(address, "/metrics")[2], "spans_exported_total") > 0, "export")
        # An answer is written before its time is noted, and the pages are another thread's.
        wait_for(lambda: value(ask(address, "/metrics")[2], "ack_seconds_count") > len(frames), "the last ACK's time")
        page = ask(address, "/metrics")[2]
        assert value(page, "frames_answered_total") == value(page, "ack_seconds_count") == len(frames) + 1
        assert value(page, "ack_seconds_sum") > 0
        assert (value(page, "open_connections"), value(page, "engines")) == (1, 1)
        assert value(page, "last_export_timestamp_seconds") > 1.6e9
        assert b"MARKED" not in page
        assert ask(address, "/livez")[0] == ask(address, "/readyz")[0] == 200
        peer.close()
        assert agent.stop() == 0


def test_off_is_off(tmp_path: Path) -> None:
    with running(tmp_path, "--admin", "off") as agent:
        assert "admin=" not in agent.logged("msg=listening")


def test_a_busy_default_address_is_a_line_and_the_agent_goes_on(tmp_path: Path) -> None:
    with socket.socket() as other:
        with suppress(OSError):  # somebody has it already: as good
            other.bind((ADMIN_ADDRESS.host, ADMIN_ADDRESS.port))
            other.listen()
        with running(tmp_path, environ={"HAPROXY_TELEMETRY_ADMIN_LISTEN": ""}) as agent:  # empty: not set
            assert "admin=" not in agent.logged("msg=listening")
            assert str(ADMIN_ADDRESS) in agent.logged("their default address cannot be had")
            assert agent.stop() == 0
            assert agent.complaints() == []


def test_a_busy_address_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with running(tmp_path, "--admin", address) as agent:
            assert agent.wait() == 1
    fix = "name another with --admin HOST:PORT, or off"
    assert agent.log == [f"haproxy-telemetry: cannot listen on {address}: another process listens there; {fix}"]


def test_pages_end_where_the_agent_cannot_begin(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with running(tmp_path, "--admin", "127.0.0.1:0", listen=(address,)) as agent:
            assert agent.wait() == 1
    fix = "name another with --listen, and in HAProxy's `server` line"
    assert agent.log == [f"haproxy-telemetry: cannot listen on {address}: another process listens there; {fix}"]
