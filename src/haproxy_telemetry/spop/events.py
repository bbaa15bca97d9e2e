"""What a connection reports: immutable, in the order of the bytes that caused it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from .errors import SpopError
from .handshake import Hello
from .messages import Message


@dataclass(frozen=True, slots=True)
class Connected:
    """HELLO is done, both ways."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class HealthChecked:
    """A check by HAProxy, answered. HAProxy resets the connection next: neither is worth an error."""

    hello: Hello


class Notified(NamedTuple):
    """HAProxy holds a stream until this is acknowledged. A NamedTuple, because there is one per frame.

    The ids name the frame on this connection only: from HAProxy 3.1 on every event is a stream of its own, and
    two connections use the same ids at the same time. Up to 3.0 they can even come again on one connection, when
    HAProxy gave up waiting for the ACK and sends the stream's next event; so this object is the handle.
    """

    stream_id: int
    frame_id: int
    messages: tuple[Message, ...]
    size: int
    """Bytes of the frame, or of all its fragments, without length fields."""


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
