"""The phases of one stream from HAProxy's timers (configuration manual 8.4), laid out one after the other.

    first byte          headers in          server's slot      connected          headers          last byte
        | receive request (TR) | queue (Tw)        | connect (Tc)    | wait for response (Tr) | transfer |

A phase whose timer is missing while the one before it ran is where the stream ended: it lasts until the end. What
HAProxy answered by itself has no phases behind the request. Timers are whole milliseconds, each rounded by itself,
so that a phase may lie a millisecond off and is cut to its stream.

With retries HAProxy counts the attempts before the last, and the pauses between them, as queue.
"""

from __future__ import annotations

from typing import Final, final

from haproxy_telemetry.trace.stream import EndOfStream, Phase

RECEIVE: Final = b"receive request"
QUEUE: Final = b"queue"
TARPIT: Final = b"tarpit"
CONNECT: Final = b"connect"
WAIT: Final = b"wait for response"
TRANSFER: Final = b"transfer"


def server_tried(end: EndOfStream) -> bool:
    """Whether HAProxy tried to get an answer from a server, so that there is a CLIENT span."""
    if not end.server or end.timers.queue is None:
        return False
    state = end.termination[:2]
    if state == b"LC":  # sent to the server by ``redir``: HAProxy itself did not go there
        return False
    return not (state[1:] == b"Q" and end.timers.connect is None and not end.retries)


def attempt_start(end: EndOfStream) -> int:
    """Return when the CLIENT span begins: when HAProxy has the request and begins to want a server.

    The queue is inside: it is time that this server, or the want of another, cost the request, and the caller
    of a service that queues sees it as that service's latency. HAProxy's own work stays outside.
    """
    request = 0 if end.tcp else end.timers.request or 0
    return min(end.start_ns + request, end.end_ns)


def phases(end: EndOfStream) -> list[Phase]:
    """Return the phases that the stream went through, in order, each within the stream."""
    lasted = end.phases
    if lasted is None:
        lasted = end.phases = _laid_out(end)
    return lasted


def _laid_out(end: EndOfStream) -> list[Phase]:
    layout = _Layout(end)
    timers = end.timers
    tried = server_tried(end)
    tarpit = not end.tcp and timers.request is None and timers.queue is not None
    if not end.tcp and not tarpit and not layout.add(RECEIVE, timers.request, False):
        return layout.phases
    if timers.queue is None:
        return layout.phases
    # In a server's own queue the end cuts the wait short and the timer has no more to say.
    queued = end.termination[1:2] in (b"Q", b"T") or (tarpit and not tried)
    if queued and timers.connect is None:
        layout.add(TARPIT if tarpit or end.termination[1:2] == b"T" else QUEUE, None, tried)
        return layout.phases
    if timers.queue > 0:
        layout.add(QUEUE, timers.queue, tried)
    if not tried or not layout.add(CONNECT, timers.connect, True):
        return layout.phases
    if not end.tcp and not layout.add(WAIT, timers.response, True):
        return layout.phases
    layout.add(TRANSFER, None, True)
    return layout.phases


@final
class _Layout:
    """Puts one phase behind the other, up to the end of the stream."""

    __slots__ = ("_at", "_end", "phases")

    def __init__(self, end: EndOfStream) -> None:
        self._at = end.start_ns
        self._end = end.end_ns
        self.phases: list[Phase] = []

    def add(self, name: bytes, timer: int | None, upstream: bool) -> bool:
        """Add a phase; false if the stream ended in it."""
        until = self._end if timer is None else min(self._at + timer, self._end)
        self.phases.append(Phase(name, self._at, until, timer is None, upstream))
        self._at = until
        return timer is not None
