"""Streams whose traces have left: remembered, so that what is late makes no second trace of the same ids.

A stream whose record came is over; only what was under way may follow, for a moment. One that left without its record
may go on for hours, as a WebSocket does that outlived ``trace.ttl``: its record comes at its end, if it comes at all.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Final, final

LONGEST_KEY: Final = 128
"""Bytes of an id that is remembered as it is; a UUID has 36."""

UNTOLD_NS: Final = 86_400_000_000_000
"""For how long a stream whose end nobody has told is remembered: as long as the longest ``trace.ttl``, a day."""


@final
class Gone:
    """Ids, ``most`` of either kind, the oldest first to be forgotten; those whose end was told for ``told_ns``."""

    def __init__(self, most: int, told_ns: int) -> None:
        self._most = most
        self._told_ns = told_ns
        # until when; two, so that the first of each is the first to go
        self._told: OrderedDict[bytes, int] = OrderedDict()
        self._untold: OrderedDict[bytes, int] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        short = _short(key)
        return short in self._told or short in self._untold

    def __len__(self) -> int:
        return len(self._told) + len(self._untold)

    def add(self, key: bytes, now: int, *, told: bool) -> None:
        """Remember a stream; ``told``: its record has come."""
        short = _short(key)
        self._untold.pop(short, None)
        self._told.pop(short, None)
        if told:
            self._told[short] = now + self._told_ns
        else:
            self._untold[short] = now + UNTOLD_NS
        for streams in (self._told, self._untold):
            if len(streams) > self._most:
                streams.popitem(last=False)

    def end_told(self, key: bytes) -> bool:
        """Say whether the stream's record came before."""
        return _short(key) in self._told

    def expire(self, now: int) -> None:
        """Forget those whose time is over."""
        for streams in (self._told, self._untold):
            while streams and next(iter(streams.values())) <= now:
                streams.popitem(last=False)


def _short(key: bytes) -> bytes:
    """Return a name of bounded length: the peer chooses how long its ids are."""
    return key if len(key) <= LONGEST_KEY else blake2b(key, digest_size=32).digest()
