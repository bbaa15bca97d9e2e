"""OTLP's protobuf as OTLP's JSON: what the encoders made, in the other form. Pure, but for its ``breathe``.

JSON is made from the bytes that wait in the queue, in the thread that sends them, and so costs the event loop nothing
but the interpreter. A span takes tens of microseconds of Python, which is why ``breathe`` is called after each span,
log record and data point: whoever calls may sleep there and let others work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from haproxy_telemetry.otlp.json_fields import Message, Value
from haproxy_telemetry.otlp.protobuf import ProtobufError, read_fields

Breathe: TypeAlias = Callable[[], None]

# Most attributes repeat from request to request: their JSON is kept, as encode keeps their bytes. Some 2 MB at most.
CACHED: Final = 4096
CACHED_SIZE: Final = 112
_kept: dict[bytes, bytes] = {}


def request_as_json(request: bytes, message: Message, breathe: Breathe = lambda: None) -> bytes:
    """Return ``request``, whose message is one of the three requests of ``json_fields``, as JSON in UTF-8.

    Raises ``ProtobufError`` for what that message has no name for: nothing may be left out in silence.
    """
    return _json(request, message, breathe)


def _message(data: Value, message: Message, breathe: Breathe) -> Any:
    """Return a message within another; what is large or repeats, as JSON already."""
    assert isinstance(data, bytes)
    if message.piece:
        piece = msgspec.Raw(_json(data, message, breathe))
        breathe()
        return piece
    if not message.repeats or len(data) > CACHED_SIZE:
        return _object(data, message, breathe)
    known = _kept.get(data)
    if known is None:
        if len(_kept) >= CACHED:
            _kept.clear()
        known = _kept[data] = _json(data, message, breathe)
    return msgspec.Raw(known)


def _json(data: bytes, message: Message, breathe: Breathe) -> bytes:
    return msgspec.json.encode(_object(data, message, breathe))


def _object(data: bytes, message: Message, breathe: Breathe) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for number, value in read_fields(data):
        field = message.fields.get(number)
        if field is None:
            raise ProtobufError(f"field {number}, which has no name in JSON,", 0)
        name, write, many = field
        written = _message(value, write, breathe) if isinstance(write, Message) else write(value)
        if not many:
            made[name] = written
        elif name in made:
            made[name].append(written)
        else:
            made[name] = [written]
    return made
