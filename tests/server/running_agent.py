"""The agent as a process of its own, and HAProxy's side of its sockets. Every wait here has a deadline.

The frames are HAProxy's (tests/golden), with the id of the stream exchanged. The few that HAProxy would never send
are put together here, by hand, so that the package's own encoder is not its judge.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 8.0
"""Seconds until a wait becomes a failure; nothing here takes a tenth of it."""

GOLDEN = Path(__file__).parent.parent / "golden"
UNSET, HELLO, DISCONNECT, NOTIFY = 0, 1, 2, 3
AGENT_HELLO, AGENT_DISCONNECT, ACK = 101, 102, 103


# Frames


def from_haproxy(version: str, scenario: str) -> list[tuple[str, bytes]]:
    """What HAProxy sent, with the connection's name."""
    lines = map(json.loads, (GOLDEN / version / f"{scenario}.jsonl").read_text().splitlines())
    return [(line["conn"], bytes.fromhex(line["hex"])) for line in lines if line["direction"] == "H>A"]


def hello(version: str = "3.2.0") -> bytes:
    return next(data for _, data in from_haproxy(version, "get200") if data[4] == HELLO)


def health_check(version: str = "3.2.0") -> bytes:
    return from_haproxy(version, "hc-spop-check")[0][1]


def stream(number: int, version: str = "3.2.0") -> list[bytes]:
    """The NOTIFYs of a stream that ends well, as HAProxy sent them but for the ids: ``number`` names the stream."""
    sent = [data for _, data in from_haproxy(version, "seed-chain-7001-ok") if data[4] == NOTIFY]
    [known] = re.findall(rb"id\x08.([0-9a-f-]{36}:[0-9A-F]{4})", sent[0])
    name = b"%0*d" % (len(known), number)
    ours = [data.replace(known, name) for data in sent if known in data]
    return [with_ids(data, 2 * n + 1) for n, data in enumerate(ours)]


def with_ids(frame: bytes, stream_id: int) -> bytes:
    """The frame with another stream-id, so that several can be in flight on one connection."""
    assert frame[9] < 240
    assert stream_id < 240
    return frame[:9] + bytes([stream_id]) + frame[10:]


def made(frame_type: int, payload: bytes, ids: bytes = b"\1\1", flags: int = 1) -> bytes:
    body = bytes([frame_type]) + flags.to_bytes(4, "big") + ids + payload
    return len(body).to_bytes(4, "big") + body


def message(*arguments: tuple[bytes, bytes], name: bytes = b"opentracing:x") -> bytes:
    """The payload of a NOTIFY: one message whose arguments are strings."""
    pairs = b"".join(text(key) + b"\x08" + text(value) for key, value in arguments)
    return text(name) + bytes([len(arguments)]) + pairs


def text(value: bytes) -> bytes:
    """A length and bytes; the length as SPOE.txt 3.1 writes it."""
    size = len(value)
    if size < 240:
        return bytes([size]) + value
    out, rest = bytearray([size & 0xFF | 0xF0]), (size - 240) >> 4
    while rest >= 128:
        out.append(rest & 0xFF | 0x80)
        rest = (rest - 128) >> 7
    return bytes([*out, rest]) + value


# HAProxy's side of a socket


NO_PAGES = {"HAPROXY_TELEMETRY_ADMIN_LISTEN": "off"}
"""Agents of tests would contend for the one default port of the pages, and say so in the log."""


class Peer:
    """A connection to the agent."""

    def __init__(self, address: str) -> None:
        if address.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(PATIENCE)
            self.socket.connect(address.removeprefix("unix:"))
        else:
            host, _, port = address.rpartition(":")
            self.socket = socket.create_connection((host.strip("[]"), int(port)), PATIENCE)
        self._held = b""

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def frame(self) -> bytes:
        """The next frame without its length, b"" at the end of file."""
        size = self._take(4)
        return self._take(int.from_bytes(size, "big")) if size else b""

    def frames(self, number: int) -> list[bytes]:
        return [self.frame() for _ in range(number)]

    def all_frames(self) -> list[bytes]:
        return list(iter(self.frame, b""))

    def _take(self, size: int) -> bytes:
        while len(self._held) < size:
            data = self.socket.recv(65536)
            if not data:
                assert not self._held, "the connection ended inside a frame"
                return b""
            self._held += data
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def ask(self, *frames: bytes) -> list[bytes]:
        """Send frames and return the answer to each."""
        self.send(*frames)
        return self.frames(len(frames))

    def reset(self) -> None:
        """End as HAProxy ends a health check."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()


def trace_id(ack: bytes) -> str | None:
    """The variable ``trace_id`` that an ACK sets."""
    found = re.search(rb"\x08trace_id\x08\x20([0-9a-f]{32})", ack)
    return found[1].decode() if found else None


def disconnected(frame: bytes) -> int:
    """The status code of an AGENT-DISCONNECT."""
    assert frame[0] == AGENT_DISCONNECT, frame
    found = re.search(rb"\x0bstatus-code[\x02-\x05](.)", frame, re.DOTALL)
    assert found
    return found[1][0]


# The process


class RunningAgent:
    """A process of ``haproxy-telemetry serve``, what it logs, and what it exports to its file."""

    def __init__(
        self,
        folder: Path,
        *flags: str,
        listen: tuple[str, ...] = ("127.0.0.1:0",),
        export: str = "file",
        stderr: int = subprocess.PIPE,
        environ: dict[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.file = folder / "traces.jsonl"
        arguments = [word for address in listen for word in ("--listen", address)]
        to_file = ["--export-file", str(self.file)] if export == "file" else []
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "HAPROXY_TELEMETRY_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "haproxy_telemetry", "serve", *arguments, "--export", export, *to_file, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**clean, **NO_PAGES, **(environ or {})},
            preexec_fn=before,
        )
        self.log: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        for line in self.process.stderr or ():
            with self._news:
                self.log.append(line.decode().rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def logged(self, words: str) -> str:
        """Wait for a log line that has the words, and return it."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in self.log if words in line]
            return bool(found) or self._ended

        with self._news:
            self._news.wait_for(look, PATIENCE)
        assert found, f"no {words!r} in\n" + "\n".join(self.log)
        return found[0]

    @property
    def addresses(self) -> list[str]:
        found = re.search(r"spop=(\S+)", self.logged("msg=listening"))
        assert found
        return found[1].split(",")

    def connect(self, number: int = 0, *, greet: bool = True) -> Peer:
        peer = Peer(self.addresses[number])
        if greet:
            assert peer.ask(hello())[0][0] == AGENT_HELLO
        return peer

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    @property
    def totals(self) -> dict[str, int]:
        """The numbers of the last log line."""
        assert "msg=stopped" in self.log[-1], self.log
        return {name: int(number) for name, number in re.findall(r"(\S+)=(\d+)(?= |$)", self.log[-1])}

    def spans(self) -> list[dict[str, Any]]:
        """All spans in the export file, whole lines only."""
        whole = self.file.read_text().rpartition("\n")[0] if self.file.exists() else ""
        return [
            span
            for line in whole.splitlines()
            for resource in json.loads(line)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def spans_of(self, trace: str | None) -> list[dict[str, Any]]:
        """Wait for a trace in the export file and return its spans."""
        return wait_for(lambda: [span for span in self.spans() if span["traceId"] == trace], f"trace {trace}")

    @property
    def memory(self) -> int:
        """Resident memory in bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def complaints(self) -> list[str]:
        """Log lines above info, and lines of a traceback."""
        return [line for line in self.log if not re.match(r"\S+ level=(debug|info) ", line)]


def wait_for(look: Callable[[], T], what: str) -> T:
    """Look until there is something to see."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < deadline, f"no {what} within {PATIENCE} s"
        time.sleep(0.005)
    return seen


@contextmanager
def running(
    folder: Path,
    *flags: str,
    listen: tuple[str, ...] = ("127.0.0.1:0",),
    export: str = "file",
    stderr: int = subprocess.PIPE,
    environ: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> Iterator[RunningAgent]:
    """An agent that is gone when the block ends, whatever happens in it."""
    agent = RunningAgent(folder, *flags, listen=listen, export=export, stderr=stderr, environ=environ, before=before)
    try:
        yield agent
    finally:
        agent.process.kill()
        agent.process.wait(PATIENCE)
        for pipe in (agent.process.stdout, agent.process.stderr):
            if pipe is not None and pipe is not agent.process.stderr:
                pipe.close()
