"""What an attribute's value can be. A file of its own, since ``Blob`` is a kind of ``bytes`` and is not compiled."""

from __future__ import annotations

from typing import TypeAlias


class Blob(bytes):
    """A value that is binary, not text: it leaves as OTLP ``bytes_value``."""

    __slots__ = ()


AttributeValue: TypeAlias = bool | int | float | bytes | Blob
"""``bytes`` is text of unknown encoding, :class:`Blob` is binary."""

Attribute: TypeAlias = tuple[bytes, AttributeValue]
