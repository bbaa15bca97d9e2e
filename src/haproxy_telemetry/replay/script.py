"""What is to be played: the frames of HAProxy in their order, and what each had waited for. Pure.

HAProxy sends a stream's next event after the ACK of the one before, over any connection. Which waited for which cannot
be told from ids (they differ from version to version), but the capture tells the order: what had been answered before a
frame was sent has to be answered before it is sent again. A capture of one direction has no answers: then each frame
waits for all before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from haproxy_telemetry.spop import SpopError
from haproxy_telemetry.spop.describe import CaptureLine
from haproxy_telemetry.spop.frames import ABORT, FIN, Frame, FrameType, parse_header, serialize_frame
from haproxy_telemetry.spop.messages import serialize_pairs
from haproxy_telemetry.spop.scalars import Uint32

LARGEST: Final = 16380
"""HAProxy's default max-frame-size: what a HELLO of ours says, unless a frame is larger."""


class Ids(NamedTuple):
    """Which frame, on which connection."""

    connection: str
    stream_id: int
    frame_id: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a frame with its length field. ``ids``: it is a NOTIFY that must be ACKed; ``ours``: HAProxy sent none."""

    at_ms: float
    connection: str
    data: bytes
    ids: Ids | None = None
    hello: bool = False
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Await:
    """Go on when this frame was ACKed."""

    ids: Ids


@dataclass(frozen=True, slots=True)
class Close:
    """HAProxy closed a connection, or the agent did."""

    at_ms: float
    connection: str


@dataclass(frozen=True, slots=True)
class Record:
    """A datagram of HAProxy's log."""

    at_ms: float
    data: bytes


Step: TypeAlias = Send | Await | Close | Record


@dataclass(frozen=True, slots=True)
class Script:
    """The steps in order; ``epoch_ms`` is when the capture began, where it says so. ``notes`` are for people."""

    steps: tuple[Step, ...]
    epoch_ms: float | None
    notes: tuple[str, ...]


def read_script(lines: Iterable[CaptureLine]) -> Script:
    """Return what the lines of a capture, or of several in a row, say."""
    lines = list(lines)
    writer = _Writer(answered=any(line.direction == "A>H" and line.frame for line in lines), lines=lines)
    for line in lines:
        writer.take(line)
    return Script(tuple(writer.steps), writer.epoch_ms, tuple(writer.notes))


class _Writer:
    """Writes the steps."""

    def __init__(self, *, answered: bool, lines: list[CaptureLine]) -> None:
        self._answered = answered
        self._largest = max([LARGEST, *(len(line.frame) for line in lines)])
        self._greeted: set[str] = set()
        self._waiting: set[Ids] = set()
        self._now = self._run_began = 0.0  # since the first run began
        self.steps: list[Step] = []
        self.epoch_ms: float | None = None
        self.notes: list[str] = []

    def take(self, line: CaptureLine) -> None:
        """Take the next line."""
        if line.epoch_ms is not None:
            self.epoch_ms = line.epoch_ms if self.epoch_ms is None else self.epoch_ms
            self._run_began = line.epoch_ms - self.epoch_ms
        self._now = self._now if line.time_ms is None else self._run_began + line.time_ms
        if line.record:
            self.steps.append(Record(self._now, line.record))
        elif line.event == "close" or line.direction == "close":
            self._close(line.connection)
        elif not line.frame:
            if line.event not in ("", "open", "begin"):
                self.notes.append(f"line {line.line}: {line.event}")
        elif line.missing:
            self.notes.append(f"line {line.line}: a frame of which {line.missing} bytes are missing is left out")
        elif line.direction == "A>H":
            self._answer(line.connection, line.frame)
        else:
            self._send(line.connection, line.frame)

    def _close(self, connection: str) -> None:
        if connection in self._greeted:
            self._greeted.discard(connection)
            self._waiting = {ids for ids in self._waiting if ids.connection != connection}
            self.steps.append(Close(self._now, connection))

    def _answer(self, connection: str, frame: bytes) -> None:
        ids = _ids(connection, frame, FrameType.ACK)
        if ids in self._waiting:
            self._waiting.discard(ids)
            self.steps.append(Await(ids))

    def _send(self, connection: str, frame: bytes) -> None:
        hello = frame[0] == FrameType.HAPROXY_HELLO
        if hello and connection in self._greeted:
            self._close(connection)
        if not hello and connection not in self._greeted:
            self._greet(connection)
        self._greeted.add(connection)
        if not self._answered:
            self.steps += [Await(ids) for ids in sorted(self._waiting)]
            self._waiting.clear()
        ids = _ids(connection, frame, FrameType.NOTIFY) or _ids(connection, frame, FrameType.UNSET)
        if ids is not None:
            self._waiting.add(ids)
        data = len(frame).to_bytes(4, "big") + frame
        self.steps.append(Send(self._now, connection, data, ids, hello))

    def _greet(self, connection: str) -> None:
        """A file that begins in the middle of a connection has no HELLO: ours stands in."""
        self.steps.append(Send(self._now, connection, hello(connection, self._largest), None, hello=True, ours=True))


def _ids(connection: str, frame: bytes, kind: FrameType) -> Ids | None:
    """Return the ids of a frame of that kind if it is, or ends, a NOTIFY that is to be ACKed, or an ACK."""
    try:
        header = parse_header(frame)
    except (IndexError, SpopError):
        return None
    if header.type != kind or not header.flags & FIN or header.flags & ABORT:
        return None
    return Ids(connection, header.stream_id, header.frame_id)


def hello(connection: str, largest: int) -> bytes:
    """Return a HAPROXY-HELLO with its length field, as HAProxy 3.1 and later send it."""
    pairs = serialize_pairs(
        (
            (b"supported-versions", b"2.0"),
            (b"max-frame-size", Uint32(largest)),
            (b"capabilities", b"pipelining"),
            (b"engine-id", f"replay-{connection}".encode("utf-8", "replace")[:100]),
        )
    )
    return serialize_frame(Frame(FrameType.HAPROXY_HELLO, FIN, 0, 0, pairs))
