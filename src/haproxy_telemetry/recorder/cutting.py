"""From the bytes of a connection's one direction to frames. Pure."""

from __future__ import annotations

from typing import Final, final

LENGTH_SIZE: Final = 4
LONGEST_REST: Final = 4096
"""Bytes of what is no frame: enough to see what it is."""


@final
class Cutter:
    """Keeps what is not whole yet: a frame at most, and of that ``largest`` bytes at most."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._held = bytearray()
        self._lost = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are whole now, without their length fields."""
        if self._lost:
            return []
        self._held += data
        frames: list[bytes] = []
        pos = 0
        while len(self._held) - pos >= LENGTH_SIZE:
            size = int.from_bytes(self._held[pos : pos + LENGTH_SIZE], "big")
            if size > self._largest:
                self._lost = True  # the agent has said goodbye to this peer, or will
                break
            if len(self._held) - pos - LENGTH_SIZE < size:
                break
            pos += LENGTH_SIZE + size
            frames.append(bytes(self._held[pos - size : pos]))
        del self._held[:pos]
        return frames

    def rest(self) -> bytes:
        """Return the beginning of a frame that never became whole, its length field included."""
        rest, self._held = bytes(self._held[:LONGEST_REST]), bytearray()
        return rest
