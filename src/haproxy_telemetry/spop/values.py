"""Typed values (SPOE.txt 3.1), both ways: the Python type says the wire type, one to one.

=============  ===  ==========================================================
Python         tag  on the wire after the tag
=============  ===  ==========================================================
None             0  nothing; what HAProxy sends where a sample has no value
bool             1  nothing; the value is bit 0x10 of the tag byte
Int32            2  varint
Uint32           3  varint
int              4  varint, negatives as their 64-bit two's complement: 10 bytes
Uint64           5  varint
IPv4Address      6  4 bytes
IPv6Address      7  16 bytes
bytes            8  varint length, bytes: STRING, neither UTF-8 nor ASCII for sure
Binary           9  varint length, bytes
=============  ===  ==========================================================

Tags 10 to 15 are reserved: their length is unknown, so nothing after one can be read.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final, TypeAlias

from .errors import BadField, TruncatedFrame, UnknownType
from .scalars import Binary, Int32, Uint32, Uint64
from .varint import ONE_BYTE, parse_varint, serialize_varint

Value: TypeAlias = bool | int | Int32 | Uint32 | Uint64 | IPv4Address | IPv6Address | bytes | Binary | None

NULL: Final = 0
BOOL: Final = 1
INT32: Final = 2
UINT32: Final = 3
INT64: Final = 4
UINT64: Final = 5
IPV4: Final = 6
IPV6: Final = 7
STRING: Final = 8
BINARY: Final = 9
TYPE_MASK: Final = 0x0F
FLAG_TRUE: Final = 0x10

TYPE_NAMES: Final = ("NULL", "BOOL", "INT32", "UINT32", "INT64", "UINT64", "IPV4", "IPV6", "STRING", "BINARY")
"""Indexed by tag; the names used in logs and by ``decode``."""

_SIGN: Final = 1 << 63
_MODULUS: Final = 1 << 64

# The same few client and server addresses come in every frame, and making one costs as much as ten strings.
# 1024 entries are some 200 KB at most.
_ipv4 = lru_cache(maxsize=1024)(IPv4Address)
_ipv6 = lru_cache(maxsize=1024)(IPv6Address)


def parse_value(data: bytes, pos: int) -> tuple[Value, int]:
    """Return the value whose tag stands at ``pos``, and the position after it.

    A position past ``len(data)`` means that a string was cut short: whoever reads the last field of a frame
    compares once. Raises InvalidFrame, or IndexError where ``data`` ends too early.
    """
    tag = data[pos]
    kind = tag & TYPE_MASK
    pos += 1
    if kind in (STRING, BINARY):
        size = data[pos]
        pos += 1
        if size >= ONE_BYTE:
            size, pos = parse_varint(data, pos - 1)
        stop = pos + size
        text = data[pos:stop]
        return (text if kind == STRING else Binary(text)), stop
    if kind == NULL:
        return None, pos
    if kind == BOOL:
        return tag & FLAG_TRUE != 0, pos
    if kind <= UINT64:
        number, pos = parse_varint(data, pos)
        return _integer(kind, number), pos
    if kind <= IPV6:
        return _address(data, pos, kind)
    raise UnknownType("data type", kind)


def _integer(kind: int, number: int) -> Value:
    """Give the 64 bits of a varint the type that its tag says."""
    if kind == UINT64:
        return Uint64(number)
    if kind == UINT32:
        if number >> 32:
            raise BadField("UINT32", number, "at most 32 bits")
        return Uint32(number)
    signed = number - _MODULUS if number >= _SIGN else number
    if kind == INT64:
        return signed
    if not -(1 << 31) <= signed < 1 << 31:
        raise BadField("INT32", signed, "at most 32 bits")
    return Int32(signed)


def _address(data: bytes, pos: int, kind: int) -> tuple[Value, int]:
    stop = pos + (4 if kind == IPV4 else 16)
    if stop > len(data):
        raise TruncatedFrame(len(data))
    packed = data[pos:stop]
    return (_ipv4(packed) if kind == IPV4 else _ipv6(packed)), stop


def serialize_value(value: Value) -> bytes:
    """Return ``value`` with its tag. Raises ValueError for an int of more than 64 bits."""
    if type(value) is bytes:
        return b"\x08" + serialize_string(value)
    if value is None:
        return b"\x00"
    if value is True:
        return b"\x11"
    if value is False:
        return b"\x01"
    if isinstance(value, bytes):
        return (b"\x09" if isinstance(value, Binary) else b"\x08") + serialize_string(value)
    # Before ``int``, which they are: what is known to be an int may lose its class when compiled.
    if isinstance(value, Uint32):
        return b"\x03" + serialize_varint(value)
    if isinstance(value, Uint64):
        return b"\x05" + serialize_varint(value)
    if isinstance(value, Int32):
        return b"\x02" + _serialize_signed(value)
    if isinstance(value, int):
        return b"\x04" + _serialize_signed(value)
    return (b"\x06" if isinstance(value, IPv4Address) else b"\x07") + value.packed


def _serialize_signed(value: int) -> bytes:
    """Two's complement of 64 bits whatever the tag, as HAProxy's integers are."""
    if not -_SIGN <= value < _SIGN:
        raise ValueError(f"INT64 has 64 bits, signed: {value}")
    return serialize_varint(value if value >= 0 else value + _MODULUS)


def serialize_string(text: bytes) -> bytes:
    """Return ``text`` with its length before it: names everywhere, and the body of STRING and BINARY."""
    size = len(text)
    if size < ONE_BYTE:
        return _ONE_BYTE_SIZES[size] + text
    return serialize_varint(size) + text


_ONE_BYTE_SIZES: Final = tuple(size.to_bytes(1, "big") for size in range(ONE_BYTE))


def type_name(value: Value) -> str:
    """Return the wire type that ``value`` has, by SPOE.txt's name."""
    return TYPE_NAMES[serialize_value(value)[0] & TYPE_MASK]
