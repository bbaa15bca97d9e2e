"""The questions that need the world: HAProxy itself, the agent, the OTLP endpoint. All I/O but files is here.

Every question is bounded in time, and none changes anything: the agent is asked as HAProxy's health check does,
the OTLP endpoint gets a request without spans.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from subprocess import CompletedProcess
from time import monotonic
from typing import Final, NamedTuple

from haproxy_telemetry import haproxyprogram
from haproxy_telemetry.doctor.configuration import Place
from haproxy_telemetry.doctor.version import Version, parse_banner
from haproxy_telemetry.otlp.answer import describe
from haproxy_telemetry.otlp.retry import Delivered, NoAnswer, judge
from haproxy_telemetry.otlp.settings import OtlpSettings
from haproxy_telemetry.otlp.signals import TRACES
from haproxy_telemetry.otlp.transport import open_transport
from haproxy_telemetry.settings.address import (
    ListenAddress,
    RecordsAddress,
    TcpAddress,
    UdpAddress,
    UnixAddress,
)
from haproxy_telemetry.spop import SpopError, describe_status
from haproxy_telemetry.spop.frames import FIN, LENGTH_SIZE, Frame, FrameType, parse_frame, serialize_frame
from haproxy_telemetry.spop.handshake import parse_disconnect
from haproxy_telemetry.spop.messages import parse_pairs, serialize_pairs
from haproxy_telemetry.spop.scalars import Uint32

ANSWER_SECONDS: Final = 2.0
LARGEST_HELLO: Final = 64 * 1024
_THIS_MACHINE: Final = ("127.0.0.1", "localhost", "0.0.0.0", "::")  # noqa: S104 (compared with, not bound)
_SAYS = re.compile(r"^\[(ALERT|WARNING)\]\s*(?:\d+/\d+\s*)?\(\d+\)\s*:\s*(?:config\s*:\s*)?(.*)$")
_PARSING = re.compile(r"parsing \[(.+?):(\d+)\]\s*:\s*(.*)")
_SUMMARIES = ("Error(s) found in configuration file", "Fatal errors found in configuration", "Warnings were found")


# HAProxy


class Alert(NamedTuple):
    """One complaint of HAProxy's about the files, with its place if it names one."""

    text: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class HaproxyWords:
    """What `haproxy -c` said: whether it takes the files, its alerts and its warnings."""

    accepts: bool
    alerts: tuple[Alert, ...]
    warnings: tuple[Alert, ...]


def ask_version(command: Sequence[str], environ: Mapping[str, str]) -> Version | None:
    """Run `haproxy -v`; ``None`` if it cannot be started or says something else."""
    done = _run([*command, "-v"], environ)
    return parse_banner(done.stdout) if done else None


def check_files(command: Sequence[str], files: Sequence[str], environ: Mapping[str, str]) -> HaproxyWords | None:
    """Run `haproxy -c`; ``None`` if it gives no answer."""
    done = _run([*command, "-c", *(word for file in files for word in ("-f", file))], environ)
    if done is None:
        return None
    said = [found.groups() for line in done.stderr.splitlines() if (found := _SAYS.match(line))]
    alerts, warnings = (
        tuple(_alert(text) for kind, text in said if kind == wanted and not text.startswith(_SUMMARIES))
        for wanted in ("ALERT", "WARNING")
    )
    return HaproxyWords(done.returncode == 0, alerts, warnings)


def _alert(text: str) -> Alert:
    found = _PARSING.match(text)
    return Alert(found[3], Place(found[1], int(found[2]))) if found else Alert(text, None)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> CompletedProcess[str] | None:
    try:
        return haproxyprogram.ask(command, environ)
    except haproxyprogram.NoAnswerError:
        return None


# The agent


@dataclass(frozen=True, slots=True)
class AgentHello:
    """The agent is there: what it answered, and how long that took."""

    version: str
    max_frame_size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class NoHello:
    """The agent is not there, or not well; in words."""

    problem: str


HELLO: Final = serialize_frame(
    Frame(
        FrameType.HAPROXY_HELLO,
        FIN,
        0,
        0,
        serialize_pairs(
            (
                (b"supported-versions", b"2.0"),
                (b"max-frame-size", Uint32(16380)),
                (b"capabilities", b""),
                (b"healthcheck", True),
            )
        ),
    )
)
"""The HELLO of `option spop-check` (SPOE.txt 3.2.4)."""


def say_hello(address: ListenAddress, seconds: float = ANSWER_SECONDS) -> AgentHello | NoHello:
    """Ask an agent for its health; never raises for what the peer does."""
    begin = monotonic()
    try:
        with _connect(address, seconds) as peer:
            peer.sendall(HELLO)
            frame = _receive_frame(peer, begin + seconds)
    except TimeoutError:
        return NoHello(f"no answer in {seconds:g} s")
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that DNS cannot have
        return NoHello(str((isinstance(error, OSError) and error.strerror) or error))
    return _read_answer(frame, monotonic() - begin)


def _connect(address: ListenAddress, seconds: float) -> socket.socket:
    if isinstance(address, TcpAddress):
        return socket.create_connection((address.host, address.port), seconds)
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(seconds)
    try:
        peer.connect(address.path)
    except OSError:
        peer.close()
        raise
    return peer


def _receive_frame(peer: socket.socket, deadline: float) -> bytes:
    """Return a frame without its length; less if the peer closes or sends something too large for a HELLO."""
    size = int.from_bytes(_receive(peer, LENGTH_SIZE, deadline), "big")
    return _receive(peer, size, deadline) if size <= LARGEST_HELLO else b""


def _receive(peer: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        peer.settimeout(left)
        part = peer.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def _read_answer(data: bytes, seconds: float) -> AgentHello | NoHello:
    if not data:
        return NoHello("it closed the connection without SPOP's HELLO: is it the agent?")
    try:
        frame = parse_frame(data)
        if frame.type == FrameType.AGENT_DISCONNECT:
            goodbye = parse_disconnect(frame.payload, 0)
            return NoHello(f"it refuses: {goodbye.status}, {describe_status(goodbye.status)}")
        keys = dict(parse_pairs(frame.payload, 0))
    except (SpopError, IndexError):
        return NoHello("its answer is not SPOP: is it the agent?")
    version, size = keys.get(b"version"), keys.get(b"max-frame-size")
    if frame.type != FrameType.AGENT_HELLO or not isinstance(version, bytes) or not isinstance(size, int):
        return NoHello("its answer is no AGENT-HELLO with version and max-frame-size")
    return AgentHello(version.decode("ascii", "replace"), int(size), seconds)


# Records


def takes_records(address: RecordsAddress) -> bool | None:
    """Say whether somebody receives datagrams there, without sending one; ``None`` if that cannot be known.

    A UDP port of this machine that can be bound is nobody's; a Unix socket can be connected to if it is somebody's.
    """
    try:
        return _takes_unix(address) if isinstance(address, UnixAddress) else _takes_udp(address)
    except OSError as error:
        return {errno.EADDRINUSE: True, errno.ECONNREFUSED: False, errno.ENOENT: False}.get(error.errno or 0)


def _takes_unix(address: UnixAddress) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.connect(address.path)
    return True


def _takes_udp(address: UdpAddress) -> bool | None:
    if address.host not in _THIS_MACHINE:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", address.port))
    return False


# The OTLP endpoint


def ask_otlp(settings: OtlpSettings, seconds: float = ANSWER_SECONDS) -> str:
    """Send a request without spans (an empty message); return what is wrong in words, nothing if it is taken."""
    transport = open_transport(settings, TRACES)
    try:
        outcome = transport.post(transport.body(()), seconds)
    finally:
        transport.close()
    if isinstance(judge(outcome), Delivered):
        return ""
    return outcome.problem if isinstance(outcome, NoAnswer) else f"it answers {describe(outcome)}"
