"""Trace and span ids: random, never zero (W3C Trace Context 3.2.2.3 and 3.2.2.4).

They need to be unique, not secret, so a seeded generator serves: it is a dozen times cheaper than asking the
kernel for each. Tests hand in their own.
"""

from __future__ import annotations

import random
from typing import Final, final

_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)


@final
class IdSource:
    """Makes ids from a generator of random numbers, which is asked for ``at_once`` bytes at a time."""

    def __init__(self, generator: random.Random | None = None, at_once: int = 4096) -> None:
        self._random = generator if generator is not None else random.Random()  # seeded by the kernel
        self._at_once = at_once
        self._bytes = b""
        self._used = 0

    def trace_id(self) -> bytes:
        """Return 16 bytes, not all zero."""
        while (trace_id := self._next(16)) == _NO_TRACE:
            pass
        return trace_id

    def span_id(self) -> bytes:
        """Return 8 bytes, not all zero."""
        while (span_id := self._next(8)) == _NO_SPAN:
            pass
        return span_id

    def _next(self, size: int) -> bytes:
        end = self._used + size
        if end > len(self._bytes):
            self._bytes = self._random.randbytes(max(size, self._at_once))
            end = size
        self._used = end
        return self._bytes[end - size : end]
