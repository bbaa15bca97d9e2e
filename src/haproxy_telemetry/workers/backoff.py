"""How long until a worker that ended is started again: longer each time, and short again once it has lived. Pure."""

from __future__ import annotations

from typing import Final, final

FIRST_S: Final = 0.1
MOST_S: Final = 30.0
"""HAProxy asks a dead agent once a second: a worker that can live again is missed for half a minute at most."""

LIVED_S: Final = 60.0
"""One that lived so long did not die of how it was started."""


@final
class Backoff:
    """The pauses of one worker."""

    def __init__(self) -> None:
        self._pause = FIRST_S

    def next(self, lived_s: float) -> float:
        """Return the seconds to wait before the next start of one that lived so long."""
        if lived_s >= LIVED_S:
            self._pause = FIRST_S
        pause, self._pause = self._pause, min(self._pause * 2, MOST_S)
        return pause
