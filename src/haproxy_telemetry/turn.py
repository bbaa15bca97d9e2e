"""A turn of the event loop: what is ready is called, one after the other. Pure, for who needs to know where it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, final

Then: TypeAlias = Callable[[], None]


@final
class Turn:
    """The present turn. ``soon`` is ``call_soon`` of a loop that does not tell when its turns end: one turn later."""

    def __init__(self, soon: Callable[[Then], object] | None = None) -> None:
        self.ready = 0
        """How many sockets are ready in it; 0 where nobody tells."""
        self._soon = soon
        self._at_end: list[Then] = []
        self.watched: dict[int, Then] = {}
        """Who is called when a descriptor can be read."""

    def at_end(self, then: Then) -> None:
        """Call ``then`` once, when everything that is ready now has had its turn."""
        if self._soon is not None:
            self._soon(then)
        else:
            self._at_end.append(then)

    def take_end(self) -> list[Then]:
        """Return what is to be called now, at the end, and forget it."""
        waiting = self._at_end
        if waiting:
            self._at_end = []
        return waiting

    def call_ready(self, found: list[tuple[int, int]], others: int, failed: Callable[[Exception], None]) -> None:
        """Call those who are ``found`` ready, as epoll gives them; so many ``others`` are ready beside them.

        A mistake of one is told, and costs no other.
        """
        watched = self.watched
        ours: list[int] = []
        for fd, _ in found:
            if fd in watched:
                ours.append(fd)
        self.ready = len(ours) + others
        for fd in ours:
            ready = watched.get(fd)  # the one before it may have ended this one
            if ready is not None:
                try:
                    ready()
                except Exception as error:
                    failed(error)
