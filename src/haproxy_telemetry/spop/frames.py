"""Frames (SPOE.txt 3.2): four bytes of length, then type, flags, stream-id and frame-id, then the payload."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from .errors import TruncatedFrame
from .varint import ONE_BYTE, parse_varint, serialize_varint


class FrameType(IntEnum):
    """The types of SPOE.txt 3.2.2; HAProxy's are below 100, the agent's above."""

    UNSET = 0
    """A fragment other than the first (HAProxy up to 3.0)."""
    HAPROXY_HELLO = 1
    HAPROXY_DISCONNECT = 2
    NOTIFY = 3
    AGENT_HELLO = 101
    AGENT_DISCONNECT = 102
    ACK = 103

    @property
    def label(self) -> str:
        """SPOE.txt's spelling, for logs."""
        return self.name.replace("_", "-")


FIN: Final = 0x1
"""The last or only fragment."""
ABORT: Final = 0x2
"""Forget the fragments so far; set together with FIN (SPOE.txt of 3.0, 3.2)."""

LENGTH_SIZE: Final = 4
_FIN_FLAGS: Final = b"\x00\x00\x00\x01"


def frame_label(number: int) -> str:
    """Return the name of a frame type, known or not."""
    try:
        return FrameType(number).label
    except ValueError:
        return f"frame type {number}"


class Header(NamedTuple):
    """All of a frame but its payload, which starts at ``payload_at``."""

    type: int
    flags: int
    stream_id: int
    frame_id: int
    payload_at: int


class Frame(NamedTuple):
    """A whole frame, for those who read one at leisure; the connection reads headers in place."""

    type: int
    flags: int
    stream_id: int
    frame_id: int
    payload: bytes


def parse_header(frame: bytes) -> Header:
    """Read the header of ``frame``, which is without its length field. Raises IndexError if it is cut."""
    flags = FIN if frame[1:5] == _FIN_FLAGS else int.from_bytes(frame[1:5], "big")
    stream_id, frame_id = frame[5], frame[6]
    if stream_id < ONE_BYTE and frame_id < ONE_BYTE:
        return Header(frame[0], flags, stream_id, frame_id, 7)
    stream_id, pos = parse_varint(frame, 5)
    frame_id, pos = parse_varint(frame, pos)
    return Header(frame[0], flags, stream_id, frame_id, pos)


def payload_position(frame: bytes) -> int:
    """Return where the payload of ``frame`` starts, without the rest of the header. Raises IndexError if it is cut."""
    pos = 6 if frame[5] < ONE_BYTE else parse_varint(frame, 5)[1]
    return pos + 1 if frame[pos] < ONE_BYTE else parse_varint(frame, pos)[1]


def parse_frame(frame: bytes) -> Frame:
    """Split ``frame``, which is without its length field. Raises InvalidFrame."""
    try:
        header = parse_header(frame)
    except IndexError:
        raise TruncatedFrame(len(frame)) from None
    return Frame(header.type, header.flags, header.stream_id, header.frame_id, frame[header.payload_at :])


def serialize_frame(frame: Frame) -> bytes:
    """Return ``frame`` with its length field."""
    body = (
        frame.type.to_bytes(1, "big")
        + frame.flags.to_bytes(4, "big")
        + serialize_ids(frame.stream_id, frame.frame_id)
        + frame.payload
    )
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


def serialize_ids(stream_id: int, frame_id: int) -> bytes:
    """Return both ids as they stand in a header."""
    if stream_id < ONE_BYTE and frame_id < ONE_BYTE:
        return bytes((stream_id, frame_id))
    return serialize_varint(stream_id) + serialize_varint(frame_id)
