"""Typed values of the wire as text and as attributes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from haproxy_telemetry.spop import Binary, Value
from haproxy_telemetry.trace.spans import AttributeValue, Blob


def as_text(value: Value) -> bytes:
    """Return the value as text: NULL is empty, a bool ``1`` or ``0``, binary hexadecimal."""
    if type(value) is bytes:
        return value
    if value is None:
        return b""
    if isinstance(value, Binary):
        return value.hex().encode("ascii")
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if isinstance(value, IPv4Address):
        return _text_of(value.packed)
    return str(value).encode("ascii")


def _written(packed: bytes) -> bytes:
    return b"%d.%d.%d.%d" % tuple(packed)  # faster than its own text


_text_of: Final = lru_cache(maxsize=1024)(_written)


def as_attribute(values: Sequence[Value]) -> AttributeValue | None:
    """No value is ``False``, one keeps its type (NULL: no attribute), several are one text."""
    if not values:
        return False
    return as_attribute_of_one(values[0]) if len(values) == 1 else as_joined_text(values)


def as_attribute_of_one(value: Value) -> AttributeValue | None:
    """Return the value as it is, with the types that attributes have; NULL is no attribute."""
    if type(value) is bytes:
        return value
    if value is None or type(value) is int or type(value) is bool:
        return value
    if isinstance(value, IPv4Address):
        return _text_of(value.packed)
    if isinstance(value, Binary):
        return Blob(value)
    if isinstance(value, IPv6Address):
        return as_text(value)
    return value


def as_joined_text(values: Sequence[Value]) -> bytes:
    """Several values are one text, without a separator."""
    return b"".join([as_text(value) for value in values])
