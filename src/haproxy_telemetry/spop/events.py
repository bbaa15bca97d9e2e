"""What a connection reports: immutable, in the order of the bytes that caused it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

from haproxy_telemetry.native import mypyc_attr

from .errors import SpopError
from .handshake import Hello
from .messages import Message, parse_messages
from .shapes import Match, Shape
from .varint import parse_varint


@dataclass(frozen=True, slots=True)
class Connected:
    """HELLO is done, both ways."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class HealthChecked:
    """A check by HAProxy, answered. HAProxy resets the connection next: neither is worth an error."""

    hello: Hello


@mypyc_attr(acyclic=True)
@final
class Notified:
    """HAProxy holds a stream until this is acknowledged.

    The ids name the frame on this connection only: from HAProxy 3.1 on every event is a stream of its own, and
    two connections use the same ids at the same time. Up to 3.0 they can even come again on one connection, when
    HAProxy gave up waiting for the ACK and sends the stream's next event; so this object is the handle.

    ``ids`` are both as they stand in the frame. ``size``: bytes of the frame, or of all its fragments, without length
    fields. Where the payload was recognised, ``match`` says as what, and where the values lie; the messages are read
    when somebody asks for them. One is made for every frame: so it is a class of few fields, and no tuple.
    """

    __slots__ = ("_messages", "data", "ids", "match", "payload_at", "size")

    def __init__(
        self, ids: bytes, messages: tuple[Message, ...] | None, size: int, data: bytes, payload_at: int
    ) -> None:
        self.ids = ids
        self.size = size
        self.match: Match | None = None
        self.data = data
        self.payload_at = payload_at
        self._messages = messages

    def is_one_of(self, shapes: list[Shape]) -> bool:
        """Find what differs, if the rest of the payload is that of one of these. Raises as ``parse_messages``."""
        for shape in shapes:
            match = shape.match(self.data, self.payload_at)
            if match is not None:
                self.match = match
                return True
        return False

    def read(self) -> None:
        """Read the messages now. Raises as ``parse_messages``."""
        self._messages = parse_messages(self.data, self.payload_at)

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that the frame says; names may repeat and their order counts."""
        if self._messages is None:
            self._messages = parse_messages(self.data, self.payload_at)
        return self._messages

    @property
    def stream_id(self) -> int:
        """The stream, as HAProxy numbers it on this connection."""
        return parse_varint(self.ids, 0)[0]

    @property
    def frame_id(self) -> int:
        """The frame within the stream."""
        return parse_varint(self.ids, parse_varint(self.ids, 0)[1])[0]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Notified):
            return False
        return (self.ids, self.size, self.messages) == (other.ids, other.size, other.messages)

    def __hash__(self) -> int:
        return hash((self.ids, self.size))

    def __repr__(self) -> str:
        return f"Notified(stream {self.stream_id}, frame {self.frame_id}, {self.messages!r}, {self.size} bytes)"


@dataclass(frozen=True, slots=True)
class Aborted:
    """HAProxy gave up a NOTIFY in the middle of its fragments (up to 3.0). There is nothing to acknowledge."""

    stream_id: int
    frame_id: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A frame of a type that this version of SPOP does not have."""

    frame_type: int
    reason: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """HAProxy's DISCONNECT; ours is queued in return. Status 0 is a stop or reload, 2 ``timeout idle``."""

    status: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """The peer's bytes cannot be followed any further; our DISCONNECT with ``error.status`` is queued."""

    error: SpopError


Event: TypeAlias = Connected | HealthChecked | Notified | Aborted | Skipped | Disconnected | Failed
