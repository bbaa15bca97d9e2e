"""How long HAProxy waited for its ACKs, as far as the agent can see: from a read to the write of its answers.

On the way of every request: no allocation, no lock. The event loop's thread writes, others may read a copy.
"""

from __future__ import annotations

from typing import Final, final

BOUNDS_NS: Final = tuple(us * 1000 for us in (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000))
"""Upper bounds of the buckets, in nanoseconds: 50 microseconds to 0.1 s. HAProxy waits for milliseconds at most."""


@final
class AckTimes:
    """A histogram; ``counts`` has one bucket more than there are bounds, for what is longer."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_NS) + 1)
        self.sum_ns = 0

    def add(self, ns: int, frames: int) -> None:
        """Count ``frames`` NOTIFYs that were answered by one write, ``ns`` after their read."""
        bucket = 0
        for bound in BOUNDS_NS:  # compiled, and nearly always among the first: no bisection is quicker
            if ns <= bound:
                break
            bucket += 1
        self.counts[bucket] += frames
        self.sum_ns += ns * frames
