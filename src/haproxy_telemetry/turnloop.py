"""asyncio's event loop, with something to do at the end of a turn: after all that was ready, before it waits again.

``call_soon`` comes close, but a turn later: all sockets are looked at once more before it calls. Where one connection
is busy at a time that is a tenth of what its answer takes.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import final

from haproxy_telemetry.turn import Turn


@final
class TurnLoop(asyncio.SelectorEventLoop):
    """An event loop that tells of its turns. ``turn`` is for its own thread."""

    def __init__(self) -> None:
        self.turn = Turn()
        super().__init__(_Turns(self.turn, self._failed))

    def _failed(self, error: Exception) -> None:
        self.call_exception_handler({"message": "at the end of a turn", "exception": error})


@final
class _Turns(selectors.DefaultSelector):
    """The loop selects once in each turn, when nothing else is left to do in it."""

    def __init__(self, turn: Turn, failed: Callable[[Exception], None]) -> None:
        super().__init__()
        self._turn = turn
        self._failed = failed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Do what waits for the end of the turn; then do not wait, since it may have given the loop more to do."""
        turn = self._turn
        for then in turn.take_end():
            timeout = 0
            try:
                then()
            except Exception as error:
                self._failed(error)
        ready = super().select(timeout)
        turn.ready = len(ready)
        return ready


def running_turn() -> Turn:
    """Return the turns of the running loop."""
    loop = asyncio.get_running_loop()
    return loop.turn if isinstance(loop, TurnLoop) else Turn(loop.call_soon)
