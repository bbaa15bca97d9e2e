"""Trace and span ids: random, never zero (W3C Trace Context 3.2.2.3 and 3.2.2.4).

They need to be unique, not secret, so a seeded generator serves: it is a dozen times cheaper than asking the
kernel for each. Tests hand in their own.
"""

from __future__ import annotations

import random
from typing import final


@final
class IdSource:
    """Makes ids from a generator of random numbers."""

    def __init__(self, generator: random.Random | None = None) -> None:
        self._random = generator if generator is not None else random.Random()  # seeded by the kernel

    def trace_id(self) -> bytes:
        """Return 16 bytes, not all zero."""
        return (self._random.getrandbits(128) or 1).to_bytes(16, "big")

    def span_id(self) -> bytes:
        """Return 8 bytes, not all zero."""
        return (self._random.getrandbits(64) or 1).to_bytes(8, "big")
