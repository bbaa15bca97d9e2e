"""What supervisor and worker say to each other, and how it is written: a length of four bytes and a pickle.

Both ends are the same program of the same user, and the socket is a pair that nobody else has. So settings, points of
metrics and engines travel as what they are.
"""

from __future__ import annotations

import copyreg
import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, final

from haproxy_telemetry import engines, seen
from haproxy_telemetry.settings import SamplingSettings, Settings
from haproxy_telemetry.trace.spans import (
    LINK_FIELDS,
    SPAN_FIELDS,
    TRACE_FIELDS,
    FinishedSpan,
    FinishedTrace,
    SpanLink,
)

_Any = TypeVar("_Any")

_SIZE: Final = struct.Struct(">I")


def _engine(**fields: Any) -> engines.Engine:
    return _set(engines.Engine(fields["peer"], fields["about"], fields["first_ns"]), fields)


def _seen(**fields: Any) -> seen.Seen:
    return _set(seen.Seen(), fields)


def _set(one: _Any, fields: Mapping[str, Any]) -> _Any:
    for name, value in fields.items():
        setattr(one, name, value)
    return one


# Of a compiled class pickle does not find the fields, and would leave them out without a word.
_FIELDS_AND_MAKER: Final[Mapping[type, tuple[tuple[str, ...], Callable[..., object]]]] = {
    FinishedTrace: (TRACE_FIELDS, FinishedTrace),
    FinishedSpan: (SPAN_FIELDS, FinishedSpan),
    SpanLink: (LINK_FIELDS, SpanLink),
    engines.Engine: (engines.FIELDS, _engine),
    seen.Seen: (seen.FIELDS, _seen),
}


def _taken_apart(one: object) -> tuple[Any, ...]:
    kind = type(one)
    return _put_together, (kind, *[getattr(one, name) for name in _FIELDS_AND_MAKER[kind][0]])


def _put_together(kind: type, *values: object) -> object:
    names, make = _FIELDS_AND_MAKER[kind]
    return make(**dict(zip(names, values, strict=True)))


for _kind in _FIELDS_AND_MAKER:
    copyreg.pickle(_kind, _taken_apart)

# To the worker


class Begin(NamedTuple):
    """The first word: who it is, and what it shall do.

    ``environ`` is the environment with what OpenTelemetry's file says; ``secret`` the key of hashed addresses, the same
    for all; ``viewer`` where the built-in viewer takes spans.
    """

    number: int
    settings: Settings
    environ: Mapping[str, str]
    secret: bytes
    viewer: str


class Take(NamedTuple):
    """Datagrams of HAProxy's log for streams that this worker has, or that anybody may take."""

    datagrams: list[bytes]


class Offer(NamedTuple):
    """A datagram about a stream of which nobody said whose it is. ``tried``: workers that don't know it, bit by bit."""

    datagram: bytes
    tried: int


class Sample(NamedTuple):
    """The sampling of settings that were read again."""

    sampling: SamplingSettings


class Question(NamedTuple):
    """One that needs an answer: ``counts``, or for a page ``metrics`` or ``status``."""

    number: int
    what: str


class Watch(NamedTuple):
    """Somebody watches the traces that leave, or nobody does any more."""

    on: bool


class Stop(NamedTuple):
    """End in order."""


# To the supervisor


class Listening(NamedTuple):
    """HAProxy is served from here on, at these addresses."""

    addresses: list[str]


class Failed(NamedTuple):
    """It cannot begin: the exit code, and the sentence for a person."""

    code: int
    sentence: str


class Beat(NamedTuple):
    """It lives: all its counters, and why it is not ready (``""`` if it is)."""

    counts: Mapping[tuple[str, str], int]
    problem: str


class Refused(NamedTuple):
    """An offer of a stream that it does not have."""

    datagram: bytes
    tried: int


class Answer(NamedTuple):
    """To the question of that number."""

    number: int
    content: object


class Shown(NamedTuple):
    """Traces that have left, for who watches; and how many were not shown."""

    traces: list[FinishedTrace]
    lost: int


class Ended(NamedTuple):
    """The last word: all its counters, and how many spans were lost."""

    counts: Mapping[tuple[str, str], int]
    lost: int


Message: TypeAlias = (
    Begin
    | Take
    | Offer
    | Sample
    | Question
    | Watch
    | Stop
    | Listening
    | Failed
    | Beat
    | Refused
    | Answer
    | Shown
    | Ended
)


def encode(message: Message) -> bytes:
    """Return the message's bytes."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _SIZE.pack(len(body)) + body


SIZE_BYTES: Final = _SIZE.size


def size_of(head: bytes | bytearray) -> int:
    """Return how many bytes follow the first ``SIZE_BYTES``."""
    size: int = _SIZE.unpack(head)[0]
    return size


def decode(body: bytes | bytearray) -> Message:
    """Return the message that stands behind its length."""
    message: Message = pickle.loads(body)  # noqa: S301 (see above)
    return message


@final
class Reader:
    """Puts messages together from bytes in any pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def receive(self, data: bytes) -> list[Message]:
        """Return the messages that are whole now."""
        self._held += data
        begin = 0
        messages = []
        while len(self._held) - begin >= SIZE_BYTES:
            body = begin + SIZE_BYTES
            end = body + size_of(self._held[begin:body])
            if len(self._held) < end:
                break
            messages.append(decode(self._held[body:end]))
            begin = end
        del self._held[:begin]
        return messages
