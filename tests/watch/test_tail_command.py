"""``tail`` as a process: beside a real agent, in a terminal and in a pipe."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from admin.test_agent_with_pages import admin_of
from haproxy_telemetry.terminal.waterfall import cells
from server.running_agent import PATIENCE, made, message, running, stream

COMMAND = [sys.executable, "-m", "haproxy_telemetry", "tail"]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Tail:
    """A process whose standard output is a terminal of so many columns, or a pipe."""

    def __init__(self, *arguments: str, columns: int = 0, environ: dict[str, str] | None = None) -> None:
        clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES", "TERM")}
        env = {**clean, "TERM": "xterm", "PYTHONUTF8": "1", **(environ or {})}
        self._read, write = pty.openpty() if columns else os.pipe()
        if columns:
            fcntl.ioctl(write, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=subprocess.DEVNULL, stdout=write, stderr=subprocess.PIPE, env=env
        )
        os.close(write)
        self.out = ""
        self.said: list[str] = []
        self._news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stderr or ():
            with self._news:
                self.said.append(line.decode().rstrip())
                self._news.notify_all()

    def says(self, words: str, times: int = 1) -> None:
        with self._news:
            found = self._news.wait_for(lambda: sum(words in line for line in self.said) >= times, PATIENCE)
        assert found, (words, self.said)

    def shows(self, mark: str) -> str:
        """Read until a text is there; return all so far."""
        deadline = time.monotonic() + PATIENCE
        while mark not in self.out:
            ready, _, _ = select.select([self._read], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, (mark, self.out, self.said)
            data = os.read(self._read, 65536)
            assert data, (mark, self.out, self.said)
            self.out += data.decode()
        return self.out

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._read)


@contextmanager
def tailing(*arguments: str, columns: int = 0, environ: dict[str, str] | None = None) -> Iterator[Tail]:
    tail = Tail(*arguments, columns=columns, environ=environ)
    try:
        yield tail
    finally:
        tail.close()


def one_span(key: bytes, name: bytes) -> bytes:
    """A frame that starts and ends a trace of one span."""
    return made(3, message((b"id", key), (b"span", name), (b"finish", name)))


def test_a_trace_is_drawn_as_wide_as_the_terminal_and_in_colour(tmp_path: Path) -> None:
    with running(tmp_path, "--admin", "127.0.0.1:0") as agent:
        for columns in (100, 60, 28):
            with tailing("--from", admin_of(agent), columns=columns) as tail:
                tail.says("traces from the agent")
                peer = agent.connect()
                peer.ask(*stream(columns))
                peer.ask(one_span(b"wide-%d" % columns, "日本語の長い名前のスパンです".encode() * 3))
                text = tail.shows("\r\n\r\n") and tail.shows("日")
                text = tail.shows("\r\n\r\n")
                lines = [ESCAPES.sub("", line) for line in text.split("\r\n")]
                assert any(line.strip() for line in lines)
                assert {line for line in lines if cells(line) > columns} == set()
                assert "\x1b[" in text
                assert ("▏" in text) is (columns > 28)
                assert tail.interrupt() == 0
                peer.close()


def test_no_colour_where_nobody_wants_it(tmp_path: Path) -> None:
    with running(tmp_path, "--admin", "127.0.0.1:0") as agent:
        peer = agent.connect()
        for columns, environ in ((0, {}), (80, {"NO_COLOR": "1"}), (80, {"TERM": "dumb"})):
            with tailing("--from", admin_of(agent), columns=columns, environ=environ) as tail:
                tail.says("traces from the agent")
                peer.ask(one_span(b"k%d%d" % (columns, len(environ.get("TERM", ""))), b"plain"))
                assert "\x1b" not in tail.shows("plain")


def test_what_a_peer_calls_a_span_cannot_move_the_cursor(tmp_path: Path) -> None:
    with running(tmp_path, "--admin", "127.0.0.1:0") as agent, tailing("--from", admin_of(agent)) as tail:
        tail.says("traces from the agent")
        agent.connect().ask(one_span(b"k", b"evil\x1b[2J\x07\xff\r\nforged"))
        text = tail.shows("forged")
        assert "evil\\x1b[2J\\x07" in text
        assert "\x1b" not in text
        assert "\nforged" not in text


def test_json_is_one_object_a_line_and_filters_hold_for_it(tmp_path: Path) -> None:
    arguments = ("--json", "--filter", "name=wanted*", "--filter", "service=haproxy")
    with running(tmp_path, "--admin", "127.0.0.1:0") as agent, tailing("--from", admin_of(agent), *arguments) as tail:
        tail.says("traces from the agent")
        peer = agent.connect()
        peer.ask(one_span(b"1", b"other"))
        peer.ask(one_span(b"2", b"wanted 1"))
        peer.ask(one_span(b"3", b"wanted 2"))
        tail.shows("wanted 2")
        lines = tail.shows("}\n").splitlines()
        names = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in lines]
        assert sorted(names) == ["wanted 1", "wanted 2"]


def test_it_waits_for_an_agent_that_is_started_anew_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        admin = f"127.0.0.1:{free.getsockname()[1]}"
    with running(tmp_path, "--admin", admin) as agent, tailing("--from", admin_of(agent)) as tail:
        tail.says(f"traces from the agent at http://{admin}")
        assert agent.stop() == 0
        tail.says("has gone; waiting for it")
        with running(tmp_path, "--admin", admin) as again:
            tail.says("is there again: it was started anew")
            again.connect().ask(one_span(b"1", b"after"))
            tail.shows("after")
            assert tail.interrupt() == 0


def test_nobody_there_is_one_sentence_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    done = subprocess.run([*COMMAND, "--from", nobody], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: no traces from http://{nobody}: nobody listens there\n"


def test_wrong_usage_is_told_before_anything_is_asked() -> None:
    for arguments, words in ((["--slow", "5"], "500ms"), (["--filter", "x"], "expected key=value")):
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2
        assert words in done.stderr


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    with running(tmp_path, "--admin", "127.0.0.1:0") as agent:
        process = subprocess.Popen(
            [*COMMAND, "--from", admin_of(agent)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        assert process.stdout is not None
        process.stderr.readline()
        process.stdout.close()
        agent.connect().ask(one_span(b"1", b"x"))
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""
        process.stderr.close()


class _Viewer(BaseHTTPRequestHandler):
    """The two pages of the viewer's contract, with a trace that has grown by a span whenever it is asked for."""

    def do_GET(self) -> None:
        if self.path == "/api/viewer/live":
            self._head("text/event-stream")
            self.wfile.write(b'event: trace\nid: 1\ndata: {"traceId": "aa"}\n\n' * 2)
            threading.Event().wait(PATIENCE)
        elif self.path == "/api/v3/traces/aa":
            type(self).spans += 1
            self._head("application/json")
            times = {"startTimeUnixNano": "1", "endTimeUnixNano": "5"}
            found = [
                {"traceId": "aa", "spanId": f"0{n}", "name": f"span {n}", **times} for n in range(type(self).spans)
            ]
            self.wfile.write(json.dumps({"result": {"resourceSpans": [{"scopeSpans": [{"spans": found}]}]}}).encode())
        else:
            self.send_error(404)

    spans = 0

    def _head(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_trace_of_the_viewer_is_fetched_and_shown_once_it_has_settled() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Viewer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with tailing("--from", f"http://127.0.0.1:{server.server_port}") as tail:
            tail.says("traces from the viewer")
            text = tail.shows("\n\n")
            assert text.count("span 0") == 2  # in the headline too
            assert text.count("span 1") == 1
    finally:
        server.shutdown()
        server.server_close()
