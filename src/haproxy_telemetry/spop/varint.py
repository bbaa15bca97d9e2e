"""Variable-length integers (SPOE.txt 3.1, the encoding of HAProxy's "peers" protocol).

A first byte below 240 is the value itself. Otherwise its low four bits are the lowest bits of what remains,
and every following byte adds seven more while its top bit is set. The format itself has no end; HAProxy's
integers have 64 bits, so ten bytes are the longest that mean anything and more is refused.

Readers here trust ``bytes`` to check its own bounds: an index past the end is an IndexError, which
``connection`` and ``describe`` translate to TruncatedFrame in one place each.
"""

from __future__ import annotations

from typing import Final

from .errors import VarintTooLong

MAX_UINT64: Final = 0xFFFF_FFFF_FFFF_FFFF
ONE_BYTE: Final = 240
"""Values below this take one byte; the hot loops test it themselves and save the call."""
_LONGEST: Final = 10


def parse_varint(data: bytes, pos: int) -> tuple[int, int]:
    """Return the value at ``pos`` and the position after it.

    Raises IndexError where ``data`` ends too early, VarintTooLong past 64 bits.
    """
    value = data[pos]
    if value < ONE_BYTE:
        return value, pos + 1
    last = pos + _LONGEST - 1
    shift = 4
    while pos < last:
        pos += 1
        byte = data[pos]
        value += byte << shift
        if byte < 128:
            if value > MAX_UINT64:
                break
            return value, pos + 1
        shift += 7
    raise VarintTooLong(value)


def serialize_varint(value: int) -> bytes:
    """Return the shortest form of ``value``, which is in 0..2**64-1 (ValueError otherwise)."""
    if value < ONE_BYTE:
        if value < 0:
            raise ValueError(f"a varint is not negative: {value}")
        return value.to_bytes(1, "big")
    if value > MAX_UINT64:
        raise ValueError(f"a varint has 64 bits: {value}")
    out = bytearray((value & 0x0F | ONE_BYTE,))
    value = (value - ONE_BYTE) >> 4
    while value >= 128:
        out.append(value & 0x7F | 0x80)
        value = (value - 128) >> 7
    out.append(value)
    return bytes(out)
