"""gzip for a request's body: by ISA-L where there is a wheel of it, else by zlib.

Both leave the interpreter to the event loop. But while a body is compressed the processor is taken, and where the
agent has one core an answer waits for it: ISA-L takes a third of the time, for a body that is no larger.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

LEVEL: Final = 1
"""The quickest that finds repetitions. zlib at 6 takes three times as long for hardly less."""

GZIP_WBITS: Final = 31
"""zlib's number for a gzip container, and ISA-L's."""


def _compressor() -> Callable[[bytes, int, int], bytes]:
    try:
        from isal import isal_zlib
    except ImportError:  # no wheel for this machine
        return zlib.compress
    return isal_zlib.compress


_compress: Final = _compressor()


def gzipped(body: bytes) -> bytes:
    """Return the body in a gzip container."""
    return _compress(body, LEVEL, GZIP_WBITS)
