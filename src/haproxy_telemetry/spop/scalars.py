"""Python types for the wire types that Python has no type of its own for.

They are what they extend (``Uint32(7) == 7``); the class only remembers the wire type, so that a value read
and written again keeps it. HAProxy itself sends every integer as INT64 and uses UINT32 in HELLO and DISCONNECT
only (seen on 2.6 to 3.5).
"""

from __future__ import annotations


def _check(value: int, low: int, high: int, name: str) -> None:
    if not low <= value <= high:
        raise ValueError(f"{value} is not in the range of {name}")


class Int32(int):
    """INT32."""

    __slots__ = ()

    def __new__(cls, value: int) -> Int32:
        """Take -2**31..2**31-1; ValueError otherwise."""
        _check(value, -(1 << 31), (1 << 31) - 1, "INT32")
        return super().__new__(cls, value)


class Uint32(int):
    """UINT32."""

    __slots__ = ()

    def __new__(cls, value: int) -> Uint32:
        """Take 0..2**32-1; ValueError otherwise."""
        _check(value, 0, (1 << 32) - 1, "UINT32")
        return super().__new__(cls, value)


class Uint64(int):
    """UINT64."""

    __slots__ = ()

    def __new__(cls, value: int) -> Uint64:
        """Take 0..2**64-1; ValueError otherwise."""
        _check(value, 0, (1 << 64) - 1, "UINT64")
        return super().__new__(cls, value)


class Binary(bytes):
    """BINARY; plain ``bytes`` is STRING, which HAProxy promises to be neither UTF-8 nor ASCII."""

    __slots__ = ()
