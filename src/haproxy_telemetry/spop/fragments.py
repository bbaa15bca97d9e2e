"""NOTIFY frames in pieces (HAProxy up to 3.0): collected by (stream-id, frame-id), within bounds."""

from __future__ import annotations

from typing import Final, TypeAlias

from .errors import InterlacedFrames, TooMuchHeld, UnknownFrame
from .limits import Limits

Ids: TypeAlias = tuple[int, int]


class _Pieces:
    """One frame so far. A bytearray, so that pieces of length 0 cost nothing however many there are."""

    __slots__ = ("payload", "size")

    def __init__(self) -> None:
        self.payload = bytearray()
        self.size = 0


class Fragments:
    """The frames of one connection that are not complete yet."""

    def __init__(self, limits: Limits) -> None:
        self._limits: Final = limits
        self.frames: dict[Ids, _Pieces] = {}
        """Those in pieces; empty nearly always, which is all that the hot path asks."""
        self._held = 0

    def check_free(self, ids: Ids) -> None:
        """Raise InterlacedFrames where ``ids`` belong to a frame in pieces."""
        if ids in self.frames:
            raise InterlacedFrames(ids[0], ids[1])

    def begin(self, ids: Ids, payload: bytes, size: int) -> None:
        """Keep the first piece: ``payload`` of a NOTIFY without FIN that had ``size`` bytes in all."""
        self.check_free(ids)
        if len(self.frames) >= self._limits.fragmented_frames:
            raise TooMuchHeld("fragmented_frames", self._limits.fragmented_frames)
        self.frames[ids] = _Pieces()
        self.add(ids, payload, size)

    def add(self, ids: Ids, payload: bytes, size: int) -> None:
        """Keep one more piece. Raises UnknownFrame where none came before it."""
        pieces = self.frames.get(ids)
        if pieces is None:
            raise UnknownFrame(ids[0], ids[1])
        if self._held + len(payload) > self._limits.fragmented_bytes:
            raise TooMuchHeld("fragmented_bytes", self._limits.fragmented_bytes)
        self._held += len(payload)
        pieces.payload += payload
        pieces.size += size

    def take(self, ids: Ids) -> tuple[bytes, int]:
        """Return the whole payload, and the size of the frames that brought it; forget both."""
        pieces = self.frames.pop(ids, None)
        if pieces is None:
            raise UnknownFrame(ids[0], ids[1])
        self._held -= len(pieces.payload)
        return bytes(pieces.payload), pieces.size

    def clear(self) -> None:
        """Forget everything: the connection is over."""
        self.frames.clear()
        self._held = 0
