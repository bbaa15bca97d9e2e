"""The protobuf wire format, as much of it as OTLP needs: writing fields, and a reader for short answers.

Nothing here knows OTLP's messages. Writers return bytes; a field is its tag, its length where it has one,
and its body. The reader takes bytes from a peer: for any input it gives fields or :class:`ProtobufError`.
Clauses: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

MAX_VARINT_BYTES: Final = 10  # 64 bits, 7 to a byte
_UINT64: Final = (1 << 64) - 1
_LARGE: Final = 1 << 61
# Lengths are nearly all below this: made once, by the same rule as varint() itself.
_SMALL: Final = [bytes([n]) if n < 128 else bytes([n & 127 | 128, n >> 7]) for n in range(1024)]
_GOES_ON: Final = [bytes([n | 128]) for n in range(128)]


class ProtobufError(ValueError):
    """A message that can't be read: what is wrong, and at which byte."""

    def __init__(self, problem: str, offset: int) -> None:
        self.problem = problem
        self.offset = offset
        super().__init__(f"protobuf: {problem} at byte {offset}")


def varint(value: int) -> bytes:
    """Write an unsigned value of up to 64 bits; a negative one as its two's complement (int64)."""
    if 0 <= value < 1024:
        return _SMALL[value]
    if not 0 <= value < _LARGE:
        value &= _UINT64
    return _GOES_ON[value & 127] + varint(value >> 7)


def tag(field: int, wire_type: int) -> bytes:
    """Write the tag of a field."""
    return varint(field << 3 | wire_type)


def length_field(field: int, body: bytes) -> bytes:
    """Write a string, bytes or message field."""
    return b"".join((tag(field, LENGTH), varint(len(body)), body))


def varint_field(field: int, value: int) -> bytes:
    """Write an int, bool or enum field."""
    return tag(field, VARINT) + varint(value)


def read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield ``(field number, value)`` in order: int for a varint, the raw bytes for the other wire types.

    Raises :class:`ProtobufError` at the first byte that makes no sense.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key < 8:
            raise ProtobufError("field number 0", at)
        wire_type = key & 7
        if wire_type == VARINT:
            number, at = _read_varint(data, at)
            yield key >> 3, number
            continue
        size, at = _body_size(data, at, wire_type)
        if size > len(data) - at:
            raise ProtobufError(f"{size} bytes announced, {len(data) - at} there", at)
        yield key >> 3, data[at : at + size]
        at += size


def _body_size(data: bytes, at: int, wire_type: int) -> tuple[int, int]:
    if wire_type == LENGTH:
        return _read_varint(data, at)
    if wire_type == FIXED64:
        return 8, at
    if wire_type == FIXED32:
        return 4, at
    raise ProtobufError(f"wire type {wire_type}", at)  # groups: never in OTLP


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(data[at : at + MAX_VARINT_BYTES]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value & _UINT64, at + i + 1
    raise ProtobufError("endless or cut varint", at)
