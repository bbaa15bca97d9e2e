"""The payload of NOTIFY, a list of messages, and the key/value list that it shares with HELLO and DISCONNECT.

Order and repetition are the meaning of a message (``tag=… data data …``: several of one name, and names of
length 0), so both stay ordered pairs here; whoever knows that a mapping is safe makes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from .errors import TruncatedFrame
from .values import STRING, Value, parse_value, serialize_string, serialize_value
from .varint import ONE_BYTE, parse_varint

Pair: TypeAlias = tuple[bytes, Value]


class Message(NamedTuple):
    """One ``spoe-message`` of the configuration, filled in. A NamedTuple, because one is made per message."""

    name: bytes
    arguments: tuple[Pair, ...]
    """In the order of the ``args`` lines; names may repeat or be empty."""


def parse_messages(data: bytes, pos: int) -> tuple[Message, ...]:
    """Parse LIST-OF-MESSAGES (SPOE.txt 3.2) from ``pos`` to the end of ``data``.

    Raises InvalidFrame, or IndexError where ``data`` ends too early. This is the hot loop of the agent:
    lengths of one byte and strings are read in place, all else by ``parse_varint`` and ``parse_value``.
    """
    messages: list[Message] = []
    end = len(data)
    while pos < end:
        size = data[pos]
        if size < ONE_BYTE:
            stop = pos + size + 1
            name = data[pos + 1 : stop]
        else:
            name, stop = parse_string(data, pos)
        pairs: list[Pair] = []
        pos = stop + 1
        for _ in range(data[stop]):
            size = data[pos]
            if size < ONE_BYTE:
                pos += 1
                stop = pos + size
                key = data[pos:stop]
            else:
                key, stop = parse_string(data, pos)
            if data[stop] == STRING and data[stop + 1] < ONE_BYTE:
                pos = stop + data[stop + 1] + 2
                pairs.append((key, data[stop + 2 : pos]))
            else:
                value, pos = parse_value(data, stop)
                pairs.append((key, value))
        messages.append(Message(name, tuple(pairs)))
    if pos != end:
        raise TruncatedFrame(end)
    return tuple(messages)


def parse_pairs(data: bytes, pos: int) -> list[Pair]:
    """Parse KV-LIST (SPOE.txt 3.2) from ``pos`` to the end of ``data``; raises as ``parse_messages``."""
    pairs: list[Pair] = []
    end = len(data)
    while pos < end:
        key, pos = parse_string(data, pos)
        value, pos = parse_value(data, pos)
        pairs.append((key, value))
    if pos != end:
        raise TruncatedFrame(end)
    return pairs


def parse_string(data: bytes, pos: int) -> tuple[bytes, int]:
    """Return the name at ``pos`` and the position after it, which is past the end if it was cut short."""
    size, pos = parse_varint(data, pos)
    stop = pos + size
    return data[pos:stop], stop


def serialize_pairs(pairs: Iterable[Pair]) -> bytes:
    """Return a KV-LIST."""
    return b"".join([serialize_string(key) + serialize_value(value) for key, value in pairs])


def serialize_messages(messages: Iterable[Message]) -> bytes:
    """Return a LIST-OF-MESSAGES, as HAProxy would: for load generators and tests."""
    return b"".join(
        [
            serialize_string(message.name)
            + len(message.arguments).to_bytes(1, "big")
            + serialize_pairs(message.arguments)
            for message in messages
        ]
    )
