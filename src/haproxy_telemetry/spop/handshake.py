"""The HELLO (SPOE.txt 3.2.4, 3.2.5): what HAProxy offers, and what the agent answers. Also DISCONNECT."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from .errors import BadField, BadMaxFrameSize, MissingKey, UnsupportedVersion
from .frames import FIN, Frame, FrameType, serialize_frame
from .limits import SMALLEST_FRAME_SIZE, Limits
from .messages import Pair, parse_pairs, serialize_pairs
from .scalars import Uint32
from .status import StatusCode
from .values import Value

VERSION: Final = b"2.0"

PIPELINING: Final = b"pipelining"
"""NOTIFY frames may overtake ACKs on a connection; both sides must announce it. Without it HAProxy has one
frame in flight per connection, with it 20."""
FRAGMENTATION: Final = b"fragmentation"
"""We take NOTIFY in pieces. Without it HAProxy up to 3.0 answers a too large NOTIFY with DISCONNECT 10 and
reconnects in a tight loop; HAProxy never announces it itself, and 3.1 and later ignore it."""
ASYNC: Final = b"async"
"""ACKs on any connection. Never announced: ours leave on the connection of their NOTIFY, as 3.1+ requires."""

DEFAULT_CAPABILITIES: Final = (PIPELINING, FRAGMENTATION)

_LONGEST_MESSAGE: Final = 160
"""Of a DISCONNECT, so that it fits the smallest max-frame-size, 256, whatever was negotiated."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What HAPROXY-HELLO says."""

    versions: tuple[bytes, ...]
    max_frame_size: int
    """As announced; ``AgentConnection.max_frame_size`` is what was agreed."""
    capabilities: tuple[bytes, ...]
    engine_id: bytes
    """One per thread and filter up to HAProxy 3.0, one per filter from 3.1 on; empty in a health check."""
    healthcheck: bool


@dataclass(frozen=True, slots=True)
class Goodbye:
    """What a DISCONNECT says."""

    status: int
    message: bytes


def parse_hello(data: bytes, pos: int) -> Hello:
    """Read and judge the payload of HAPROXY-HELLO, which starts at ``pos``.

    Of a key that comes twice the last counts, as in HAProxy. Raises InvalidFrame for what cannot be read,
    HandshakeError (statuses 5 to 9) for what cannot be accepted; IndexError as ``parse_pairs``.
    """
    keys: dict[bytes, Value] = dict(parse_pairs(data, pos))
    return Hello(
        versions=_versions(_string(keys, b"supported-versions")),
        max_frame_size=_max_frame_size(keys),
        capabilities=split_list(_string(keys, b"capabilities")),
        engine_id=_string(keys, b"engine-id") if b"engine-id" in keys else b"",
        healthcheck=keys.get(b"healthcheck") is True,
    )


def _string(keys: dict[bytes, Value], key: bytes) -> bytes:
    if key not in keys:
        raise MissingKey(key)
    value = keys[key]
    if not isinstance(value, bytes):
        raise BadField(key.decode(), value, "a string")
    return bytes(value)


def _max_frame_size(keys: dict[bytes, Value]) -> int:
    key = b"max-frame-size"
    if key not in keys:
        raise MissingKey(key)
    size = keys[key]
    if not isinstance(size, int) or isinstance(size, bool):
        raise BadField(key.decode(), size, "an integer")
    if size < SMALLEST_FRAME_SIZE:
        raise BadMaxFrameSize(size, SMALLEST_FRAME_SIZE)
    return int(size)


def _versions(text: bytes) -> tuple[bytes, ...]:
    """A major version stands for all its minor versions before it, so any 2.x includes our 2.0."""
    versions = split_list(text)
    if not any(_is_major_2(version) for version in versions):
        raise UnsupportedVersion(text)
    return versions


def _is_major_2(version: bytes) -> bool:
    major, dot, minor = version.partition(b".")
    return major == b"2" and dot == b"." and minor.isdigit()


def split_list(text: bytes) -> tuple[bytes, ...]:
    """Split a comma-separated list; "spaces must be ignored, if any" (SPOE.txt 3.2.4)."""
    return tuple([item for item in text.replace(b" ", b"").split(b",") if item])


def agreed_frame_size(hello: Hello, limits: Limits) -> int:
    """Echo HAProxy's max-frame-size, or give our own limit where that is lower (SPOE.txt 3.2.5)."""
    return min(hello.max_frame_size, limits.frame_size)


def agreed_capabilities(hello: Hello, offered: Iterable[bytes]) -> tuple[bytes, ...]:
    """Leave out ``pipelining`` where HAProxy does not have it; the others concern only who announces them."""
    return tuple([name for name in offered if name != PIPELINING or PIPELINING in hello.capabilities])


def serialize_agent_hello(frame_size: int, capabilities: Iterable[bytes]) -> bytes:
    """Return AGENT-HELLO with its length field."""
    return _serialize_control(
        FrameType.AGENT_HELLO,
        (
            (b"version", VERSION),
            (b"max-frame-size", Uint32(frame_size)),
            (b"capabilities", b",".join(capabilities)),
        ),
    )


def parse_disconnect(data: bytes, pos: int) -> Goodbye:
    """Read a DISCONNECT of either side; without a status it counts as "unknown", for it ends all the same."""
    keys: dict[bytes, Value] = dict(parse_pairs(data, pos))
    status, message = keys.get(b"status-code"), keys.get(b"message")
    return Goodbye(
        status=int(status) if isinstance(status, int) else StatusCode.UNKNOWN,
        message=bytes(message) if isinstance(message, bytes) else b"",
    )


def serialize_agent_disconnect(status: int, message: bytes) -> bytes:
    """Return AGENT-DISCONNECT with its length field; the message is cut to what every peer must accept."""
    return _serialize_control(
        FrameType.AGENT_DISCONNECT,
        ((b"status-code", Uint32(status)), (b"message", message[:_LONGEST_MESSAGE])),
    )


def _serialize_control(frame_type: FrameType, pairs: tuple[Pair, ...]) -> bytes:
    return serialize_frame(Frame(frame_type, FIN, 0, 0, serialize_pairs(pairs)))
