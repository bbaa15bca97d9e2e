"""A log that nobody reads, or that is not there, costs lines, never requests."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from haproxy_telemetry.stats import Stats
from haproxy_telemetry.stderr import StderrStream
from server.running_agent import ACK, RunningAgent, running, stream, trace_id, wait_for

F_SETPIPE_SZ = 1031
ROOM = 4096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The least pipe that Linux has: one page."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, ROOM)
    yield reader, writer
    for fd in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(fd)


def served(agent: RunningAgent, address: str) -> None:
    """The agent answers, exports and ends as always; what it logs is not to be seen."""
    agent.log.append(f"msg=listening spop={address}")
    peer = agent.connect()
    acks = peer.ask(*stream(1))
    assert {ack[0] for ack in acks} == {ACK}
    assert len(agent.spans_of(trace_id(acks[0]))) == 9
    peer.close()
    assert agent.stop() == 0


def wait_until_it_accepts(agent: RunningAgent, path: Path) -> None:
    """Without a log to read: the file is there from bind() on, a connection is taken from listen() on."""

    def accepts() -> bool:
        assert agent.process.poll() is None
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(path)) == 0

    wait_for(accepts, f"listener at {path}")


def with_stderr(tmp_path: Path, fd: int) -> None:
    path = tmp_path / "a.sock"
    with running(tmp_path, "--log-level", "debug", listen=(f"unix:{path}",), stderr=fd) as agent:
        wait_until_it_accepts(agent, path)
        served(agent, f"unix:{path}")


def test_a_full_pipe_does_not_hold_the_agent(tmp_path: Path, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x" * ROOM)
    with_stderr(tmp_path, pipe[1])


def test_a_pipe_without_a_reader_does_not_end_the_agent(tmp_path: Path, pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with_stderr(tmp_path, pipe[1])


def test_closed_standard_descriptors_are_not_taken_for_files(tmp_path: Path) -> None:
    """With 0, 1 and 2 closed the export file would be descriptor 0, and a socket standard error."""
    path = tmp_path / "a.sock"
    with running(tmp_path, listen=(f"unix:{path}",), before=lambda: os.closerange(0, 3)) as agent:
        wait_until_it_accepts(agent, path)
        for fd in range(3):
            assert os.readlink(f"/proc/{agent.process.pid}/fd/{fd}") == "/dev/null"
        served(agent, f"unix:{path}")


def test_the_terminals_export_goes_nowhere_when_there_is_no_output(tmp_path: Path) -> None:
    with running(tmp_path, export="console", before=lambda: os.closerange(0, 2)) as agent:
        assert agent.connect().ask(*stream(1))[0][0] == ACK
        assert agent.stop() == 0
        assert agent.totals["exported"] == 9


def test_lines_without_room_are_counted_and_later_ones_are_whole(pipe: tuple[int, int]) -> None:
    stats = Stats()
    stream = StderrStream(stats, pipe[1])
    stream.write("first\n")
    stream.write("x" * ROOM + "\n")
    stream.write("lost\n")
    assert stats.get("log_lines_dropped") == 2
    assert os.read(pipe[0], 2 * ROOM) == b"first\n"
    stream.write("last\n")
    assert os.read(pipe[0], 2 * ROOM) == b"last\n"


def test_a_line_that_is_cut_ends_before_the_next(pipe: tuple[int, int]) -> None:
    stream = StderrStream(Stats(), pipe[1])
    stream.write("x" * (ROOM + 1) + "\n")
    assert os.read(pipe[0], 2 * ROOM) == b"x" * ROOM
    stream.write("next\n")
    assert os.read(pipe[0], 2 * ROOM) == b"\nnext\n"


def test_what_is_no_unicode_is_written_all_the_same(pipe: tuple[int, int]) -> None:
    StderrStream(Stats(), pipe[1]).write("a\udcff\n")
    assert os.read(pipe[0], ROOM) == b"a\\udcff\n"
