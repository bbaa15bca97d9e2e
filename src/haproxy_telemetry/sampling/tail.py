"""What the end of a stream decides: some are kept whatever was decided before, and of the rest a share."""

from __future__ import annotations

from typing import Final, NamedTuple

from haproxy_telemetry.sampling.thresholds import ALWAYS


class Ending(NamedTuple):
    """How a stream ended. ``error`` is not the client's doing, ``abort`` is."""

    duration_ns: int
    error: bool
    retried: bool
    abort: bool


class Tail(NamedTuple):
    """What is always kept, and the threshold that the rest must reach. ``slow_ns`` 0: nothing is slow."""

    errors: bool = False
    slow_ns: int = 0
    retries: bool = False
    aborts: bool = False
    threshold: int = ALWAYS

    @property
    def rescues(self) -> bool:
        """Whether a stream that was not sampled can still be kept."""
        return self.errors or self.slow_ns > 0 or self.retries or self.aborts

    def keeps(self, ending: Ending, slow_ns: int) -> bool:
        """Say whether such a stream is always kept; ``slow_ns`` is that of its rule, 0 for the common one."""
        limit = slow_ns or self.slow_ns
        return (
            (self.errors and ending.error)
            or (self.retries and ending.retried)
            or (self.aborts and ending.abort)
            or (limit > 0 and ending.duration_ns >= limit)
        )


NOTHING: Final = Tail()
