"""A line of a capture: the same form as ``haproxy-telemetry decode`` reads. Pure.

One JSON object: ``t_offset_ms`` since the recording began, ``conn`` the connection, ``direction`` (``H>A`` from HAProxy
to the agent, ``A>H`` back, ``L>A`` a record of HAProxy's log), ``hex`` one frame with its length field. Where something
happened instead ``event`` says what and ``hex`` is empty; a record stands in ``record``.
"""

from __future__ import annotations

import json
from typing import Final

FROM_HAPROXY: Final = "H>A"
FROM_AGENT: Final = "A>H"
FROM_LOG: Final = "L>A"
OPEN: Final = "open"
CLOSE: Final = "close"
BEGIN: Final = "begin"
"""The first line of a file: who recorded, when, and whether values are placeholders."""

FIRST_BYTES: Final = b'{"t_offset_ms":'
"""How every line begins: by this a file is known to be one of ours, and may be overwritten."""


def frame_line(offset_ns: int, connection: str, direction: str, frame: bytes) -> bytes:
    """Return the line of a frame, which is without its length field."""
    data = len(frame).to_bytes(4, "big") + frame
    return _line(offset_ns, connection, direction, hex=data.hex())


def rest_line(offset_ns: int, connection: str, direction: str, data: bytes) -> bytes:
    """Return the line of what never became a whole frame, its length field included."""
    return _line(offset_ns, connection, direction, hex=data.hex())


def event_line(offset_ns: int, connection: str, event: str) -> bytes:
    """Return the line that says that a connection was opened or closed."""
    return _line(offset_ns, connection, event, event=event, hex="")


def record_line(offset_ns: int, datagram: bytes) -> bytes:
    """Return the line of a datagram of HAProxy's log; bytes that are no UTF-8 stay what they are."""
    return _line(offset_ns, "log", FROM_LOG, hex="", record=datagram.decode("utf-8", "surrogateescape"))


def begin_line(offset_ns: int, version: str, epoch_ns: int, *, redacted: bool) -> bytes:
    """Return the first line of a file; ``epoch_ns`` is when the recording, not the file, began."""
    about = {"recorder": version, "epoch_ms": round(epoch_ns / 1e6, 3), "redacted": redacted}
    return _line(offset_ns, "", BEGIN, event=BEGIN, hex="", **about)


def _line(offset_ns: int, connection: str, direction: str, **more: object) -> bytes:
    line = {"t_offset_ms": round(offset_ns / 1e6, 3), "conn": connection, "direction": direction, **more}
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
