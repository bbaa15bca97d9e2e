"""The last faults of peers, with the frame that could not be followed: what people look at when they see nothing.

A ring, so it is bounded; frames are cut, since they may be as long as a peer likes. Put into words by who asks.
"""

from __future__ import annotations

from typing import Final, NamedTuple, final

MOST: Final = 32
"""Faults that are kept. HAProxy up to 3.0 repeats a refused frame thousands of times a second."""

LONGEST_FRAME: Final = 1024
"""Bytes of a frame that are kept: message, id and the first dozen arguments."""


class Fault(NamedTuple):
    """A peer broke the protocol, or complained that we did.

    ``status`` is SPOE.txt's (3.5), in lower case, or ``not_spop``. ``frame`` is the beginning of one of ``size``
    bytes, empty where there is none. ``times``: how often it came in a row.
    """

    at_ns: int
    peer: str
    engine: bytes
    status: str
    sentence: str
    frame: bytes = b""
    size: int = 0
    times: int = 1


@final
class Faults:
    """The last of them. The event loop adds, any thread reads: a tuple at a time."""

    def __init__(self) -> None:
        self._kept: tuple[Fault, ...] = ()

    def add(self, fault: Fault) -> None:
        """Take a fault in; the same one again from the same engine only counts, so that a storm hides no other."""
        fault = fault._replace(frame=fault.frame[:LONGEST_FRAME])
        before = self._kept
        if before:
            last = before[0]
            if (last.engine, last.status, last.sentence) == (fault.engine, fault.status, fault.sentence):
                fault = fault._replace(times=last.times + 1)
                before = before[1:]
        self._kept = (fault, *before[: MOST - 1])

    def last(self) -> tuple[Fault, ...]:
        """Return them, the newest first."""
        return self._kept
