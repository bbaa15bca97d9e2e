"""OpenTracing's tags and logs, as OpenTelemetry has them.

The mapping is OpenTelemetry's own ("OpenTracing compatibility", stable): the tag ``error`` is the status, the
tag ``span.kind`` the kind, a log is an event whose name is its field ``event``, and a log of an error is an
exception. Everything else keeps its name and type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from haproxy_telemetry.trace.live import OpenSpan
from haproxy_telemetry.trace.spans import (
    KIND_CLIENT,
    KIND_INTERNAL,
    KIND_SERVER,
    STATUS_ERROR,
    STATUS_OK,
    Attribute,
    AttributeValue,
    SpanEvent,
)

_TRUE: Final[tuple[AttributeValue, ...]] = (True, b"true", b"1")
_FALSE: Final[tuple[AttributeValue, ...]] = (False, b"false", b"0")

_KINDS: Final[dict[AttributeValue, int]] = {
    b"internal": KIND_INTERNAL,
    b"server": KIND_SERVER,
    b"client": KIND_CLIENT,
    b"producer": 4,
    b"consumer": 5,
}

_EXCEPTION_FIELDS: Final[dict[bytes, bytes]] = {
    b"error.kind": b"exception.type",
    b"message": b"exception.message",
    b"stack": b"exception.stacktrace",
}


MEANINGFUL: Final = frozenset((b"error", b"span.kind"))
"""Tags that are more than attributes."""


def apply_tag(span: OpenSpan, tag: Attribute, limit: int) -> bool:
    """Set a tag; ``False`` if the span holds ``limit`` attributes already."""
    key, value = tag
    if key == b"error" and _apply_error(span, value):
        return True
    if key == b"span.kind" and value in _KINDS:
        span.kind = _KINDS[value]
        return True
    return say_within(span, tag, limit)


def say_within(span: OpenSpan, tag: Attribute, limit: int) -> bool:
    """Set an attribute; ``False`` if the span holds ``limit`` of them already."""
    key, _ = tag
    if span.attributes is not None and len(span.attributes) >= limit and key not in span.attributes:
        span.dropped_attributes += 1
        return False
    span.say(tag)
    return True


def _apply_error(span: OpenSpan, value: AttributeValue) -> bool:
    if value in _TRUE:
        span.status = STATUS_ERROR
    elif value in _FALSE:
        span.status = STATUS_OK
    else:
        return False
    return True


def apply_log(span: OpenSpan, fields: Sequence[Attribute], now: int, limit: int) -> bool:
    """Add one event made of all fields; ``False`` if the span holds ``limit`` events already."""
    if len(span.events) >= limit:
        span.dropped_events += 1
        return False
    values = dict(fields)
    name = values.pop(b"event", b"log")
    attributes = tuple(values.items())
    if name == b"error":
        name = b"exception"
        attributes = tuple([(_EXCEPTION_FIELDS.get(key, key), value) for key, value in attributes])
    span.events = (*span.events, SpanEvent(now, name if isinstance(name, bytes) else b"log", attributes))
    return True
