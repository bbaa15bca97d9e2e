"""The status codes of a DISCONNECT, in the words of SPOE.txt 3.5 (HAProxy's own differ a little)."""

from __future__ import annotations

from enum import IntEnum


class StatusCode(IntEnum):
    """Why a side disconnects. An agent may use a number that is not listed here for a reason of its own."""

    NORMAL = 0
    IO_ERROR = 1
    TIMEOUT = 2
    FRAME_TOO_BIG = 3
    INVALID_FRAME = 4
    NO_VERSION = 5
    NO_MAX_FRAME_SIZE = 6
    NO_CAPABILITIES = 7
    UNSUPPORTED_VERSION = 8
    BAD_MAX_FRAME_SIZE = 9
    FRAGMENTATION_NOT_SUPPORTED = 10
    INTERLACED_FRAMES = 11
    FRAME_ID_NOT_FOUND = 12
    RESOURCE_ALLOCATION = 13
    UNKNOWN = 99


_TEXTS = {
    StatusCode.NORMAL: "normal",
    StatusCode.IO_ERROR: "I/O error",
    StatusCode.TIMEOUT: "a timeout occurred",
    StatusCode.FRAME_TOO_BIG: "frame is too big",
    StatusCode.INVALID_FRAME: "invalid frame received",
    StatusCode.NO_VERSION: "version value not found",
    StatusCode.NO_MAX_FRAME_SIZE: "max-frame-size value not found",
    StatusCode.NO_CAPABILITIES: "capabilities value not found",
    StatusCode.UNSUPPORTED_VERSION: "unsupported version",
    StatusCode.BAD_MAX_FRAME_SIZE: "max-frame-size too big or too small",
    StatusCode.FRAGMENTATION_NOT_SUPPORTED: "payload fragmentation is not supported",
    StatusCode.INTERLACED_FRAMES: "invalid interlaced frames",
    StatusCode.FRAME_ID_NOT_FOUND: "frame-id not found",
    StatusCode.RESOURCE_ALLOCATION: "resource allocation error",
    StatusCode.UNKNOWN: "an unknown error occurred",
}


def describe_status(code: int) -> str:
    """Return the meaning of ``code`` in words, for logs; numbers of an agent's own are said to be that."""
    try:
        return _TEXTS[StatusCode(code)]
    except ValueError:
        return "a code that SPOE.txt does not assign"
