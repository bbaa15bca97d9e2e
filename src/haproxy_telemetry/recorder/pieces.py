"""NOTIFY frames in pieces (HAProxy up to 3.0): a value may begin in one and end in the next.

So they are redacted together. Pure. Pieces wait here for the last one; what never becomes whole is not let through.
"""

from __future__ import annotations

from typing import Final, final

from haproxy_telemetry.recorder.redact import Redactor
from haproxy_telemetry.spop.frames import ABORT, FIN, FrameType, parse_header

MOST_BYTES: Final = 2 << 20
"""Of one connection: more than the agent itself takes by default (``wire.max_fragments_bytes``)."""


@final
class Pieces:
    """The frames in pieces of one connection."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int], list[tuple[int, bytes, int]]] = {}  # when, the frame, where its payload is
        self._bytes = 0

    def take(self, when: int, frame: bytes, redactor: Redactor) -> list[tuple[int, bytes]]:
        """Return the frames that can be shown now, with when they came."""
        try:
            header = parse_header(frame)
        except IndexError:
            return [(when, redactor.frame(frame))]
        last = bool(header.flags & FIN)
        ids = (header.stream_id, header.frame_id)
        if header.type == FrameType.NOTIFY and not last:
            self._drop(ids)
            return self._hold(ids, when, frame, header.payload_at)
        if header.type == FrameType.UNSET and ids in self._waiting:
            if not last:
                return self._hold(ids, when, frame, header.payload_at)
            pieces = [*self._waiting[ids], (when, frame, header.payload_at)]
            self._drop(ids)
            if header.flags & ABORT:
                return [(then, redactor.frame(one)) for then, one, _ in pieces]
            return _together(pieces, redactor)
        return [(when, redactor.frame(frame))]

    def _hold(self, ids: tuple[int, int], when: int, frame: bytes, payload_at: int) -> list[tuple[int, bytes]]:
        if self._bytes + len(frame) > MOST_BYTES:
            self._drop(ids)
            return []
        self._waiting.setdefault(ids, []).append((when, frame, payload_at))
        self._bytes += len(frame)
        return []

    def _drop(self, ids: tuple[int, int]) -> None:
        self._bytes -= sum(len(frame) for _, frame, _ in self._waiting.pop(ids, []))


def _together(pieces: list[tuple[int, bytes, int]], redactor: Redactor) -> list[tuple[int, bytes]]:
    whole = redactor.payload(b"".join([frame[at:] for _, frame, at in pieces]))
    shown, pos = [], 0
    for when, frame, at in pieces:
        size = len(frame) - at
        shown.append((when, frame[:at] + whole[pos : pos + size]))
        pos += size
    return shown
