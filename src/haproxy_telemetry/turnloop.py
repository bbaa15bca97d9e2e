"""asyncio's event loop, with two things more.

There is something to do at the end of a turn: after all that was ready, before it waits again. ``call_soon`` comes
close, but a turn later: all sockets are looked at once more before it calls. Where one connection is busy at a time
that is a tenth of what its answer takes.

And who is ready to be read can be called at once (:meth:`TurnLoop.watch`). asyncio's own way there, by selector, handle
and transport, is a third of what a frame costs that comes alone. It stays for all the rest: accepting, what could not
be written at once, the end of a connection, records, and where there is no epoll.
"""

from __future__ import annotations

import asyncio
import math
import select
import selectors
from collections.abc import Callable
from typing import Final, final

from haproxy_telemetry.turn import Turn

_HAS_EPOLL: Final = hasattr(select, "epoll")


@final
class TurnLoop(asyncio.SelectorEventLoop):
    """An event loop that tells of its turns. ``turn`` is for its own thread."""

    def __init__(self) -> None:
        self.turn = Turn()
        self._turns = _Turns(self.turn, self._failed)
        super().__init__(self._turns)

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """Call ``ready`` in each turn in which there is something to read; asyncio must not watch the same.

        Raises ``OSError`` where the system has no room for one more.
        """
        self._turns.watch(fd, ready)

    def unwatch(self, fd: int) -> None:
        """Call no more; to be called before ``fd`` is closed, and as often as one likes."""
        self._turns.unwatch(fd)

    def _failed(self, error: Exception) -> None:
        self.call_exception_handler({"message": "in a turn", "exception": error})


@final
class _Turns(selectors.DefaultSelector):
    """The loop selects once in each turn, when nothing else is left to do in it.

    What is watched has an epoll of its own, in which asyncio's is one among others: so that one call asks for all.
    """

    def __init__(self, turn: Turn, failed: Callable[[Exception], None]) -> None:
        super().__init__()
        self._turn = turn
        self._failed = failed
        if _HAS_EPOLL:
            self._all = select.epoll()
            self._theirs = self.fileno()  # type: ignore[attr-defined, unused-ignore]
            self._all.register(self._theirs, select.EPOLLIN)

    def watch(self, fd: int, ready: Callable[[], None]) -> None:
        """See :meth:`TurnLoop.watch`."""
        self._all.register(fd, select.EPOLLIN)
        self._turn.watched[fd] = ready

    def unwatch(self, fd: int) -> None:
        """See :meth:`TurnLoop.unwatch`."""
        if self._turn.watched.pop(fd, None) is not None:
            self._all.unregister(fd)

    def close(self) -> None:
        """Close both."""
        if _HAS_EPOLL:
            self._all.close()
        super().close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Do what waits for the end of the turn; then do not wait, since it may have given the loop more to do."""
        turn = self._turn
        for then in turn.take_end():
            timeout = 0
            try:
                then()
            except Exception as error:
                self._failed(error)
        if self._turn.watched:
            return self._select_all(timeout)
        ready = super().select(timeout)
        turn.ready = len(ready)
        return ready

    def _select_all(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Call those who are watched, and return asyncio's."""
        theirs: list[tuple[selectors.SelectorKey, int]] = []
        found = self._all.poll(_whole_ms(timeout), len(self._turn.watched) + 1)
        for fd, _ in found:
            if fd == self._theirs:
                theirs = super().select(0)
        self._turn.call_ready(found, len(theirs), self._failed)
        return theirs


def _whole_ms(timeout: float | None) -> float:
    """Return what epoll waits, in seconds: for ever is -1, and too short would ask again and again."""
    if timeout is None:
        return -1
    return math.ceil(timeout * 1e3) * 1e-3 if timeout > 0 else 0


def running_turn() -> Turn:
    """Return the turns of the running loop."""
    loop = asyncio.get_running_loop()
    return loop.turn if isinstance(loop, TurnLoop) else Turn(loop.call_soon)


def running_watch() -> TurnLoop | None:
    """Return the running loop if it can call at once who is ready."""
    loop = asyncio.get_running_loop()
    return loop if _HAS_EPOLL and isinstance(loop, TurnLoop) else None
