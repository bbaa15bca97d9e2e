"""How much one connection may make us keep, and why that much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SMALLEST_FRAME_SIZE: Final = 256
"""Every peer must take frames of this size (SPOE.txt 3.2), so nobody may ask for less."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one connection; together they bound its memory. A peer that passes one is disconnected."""

    frame_size: int = 1 << 20
    """Largest max-frame-size, in bytes without the length field, that we echo. HAProxy announces
    ``tune.bufsize`` - 4, 16380 by default; people raise it to some hundred KiB, and a smaller answer than
    HAProxy's own makes it lose frames (2.6 to 3.5), so this stands well above."""

    hello_size: int = 4096
    """Largest frame before the HELLO is done. HAProxy's HELLO has 78 to 130 bytes; whoever connects by
    mistake (``GET / HTTP/1.1`` reads as a length of 1.2 GB) is stopped here."""

    frames_in_flight: int = 1024
    """NOTIFY frames not acknowledged yet. HAProxy keeps at most 20 on a connection; up to 3.0
    ``max-waiting-frames`` raises that, by people's choice to some hundred."""

    fragmented_frames: int = 64
    """NOTIFY frames in pieces at one time. HAProxy (up to 3.0) sends the pieces of one frame in a row, so
    even one is usual, and its 20 frames in flight are the most that make sense."""

    fragmented_bytes: int = 1 << 20
    """Payload of all frames in pieces together, and so the largest frame after reassembly. What does not
    fit a frame is at most some arguments of one buffer (16 KiB by default) each."""

    def __post_init__(self) -> None:
        if self.frame_size < SMALLEST_FRAME_SIZE or self.hello_size < SMALLEST_FRAME_SIZE:
            raise ValueError(f"frame_size and hello_size are at least {SMALLEST_FRAME_SIZE} (SPOE.txt 3.2)")
        if min(self.frames_in_flight, self.fragmented_frames, self.fragmented_bytes) < 1:
            raise ValueError("a limit below 1 would refuse every frame")
