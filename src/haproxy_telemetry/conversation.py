"""What is said on a connection: each read is answered by one write, timed, and recorded where that is wanted.

This stands between the socket (``server.py``) and the meaning (``session.py``). Every request goes through it, so it
is compiled, and knows neither socket nor loop: how to write, and how to be called soon, is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, final

from haproxy_telemetry.acktimes import AckTimes
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.session import Session

READ_BUFFER: Final = 262_144
"""One for all connections: a read is taken out of it before the next one begins. 16 of HAProxy's frames."""

MOST_WAITING: Final = 512
"""Answered frames whose work waits: as many as may be ready at once on a busy agent, and some MB at most."""

Soon: TypeAlias = Callable[[Callable[[], None]], object]
"""Calls a function once everything that is ready now has had its turn: an event loop's ``call_soon``."""


@final
class Desk:
    """What the connections of a server share: where their reads go, the clock, and the work that waits.

    Whoever is ready at the same time is answered first, one after the other, and then the work on all that was
    answered is done. So no answer waits for the work on another's frame, and each of both ways finds the processor's
    caches as it left them.
    """

    def __init__(self, agent: Agent, clock: Clock, recorder: Recorder | None, soon: Soon) -> None:
        self.agent = agent
        self.clock = clock
        self.recorder = recorder
        self.ack_times = AckTimes()
        self.buffer = bytearray(READ_BUFFER)
        self.view = memoryview(self.buffer)
        self._soon = soon
        self._work_is_near = False

    def answered(self, frames: int, began: int) -> None:
        """Note that the answers to ``frames`` NOTIFYs have been written; their work is done soon."""
        self.ack_times.add(self.clock.now() - began, frames)
        if self.agent.waiting >= MOST_WAITING:
            self.agent.carry_out()
        if not self._work_is_near:
            self._work_is_near = True
            self._soon(self._work)

    def _work(self) -> None:
        self._work_is_near = False
        self.agent.carry_out()


@final
class Conversation:
    """One connection; ``write`` takes the bytes that HAProxy is to get."""

    def __init__(self, desk: Desk, peer: str, write: Callable[[bytes], None]) -> None:
        self._desk = desk
        self._session = Session(desk.agent, peer)
        self._write = write
        self._recording = 0
        """By which number the recorder knows the connection; 0: nothing is recorded."""
        if desk.recorder is not None:
            self._recording = desk.recorder.opened(desk.clock.now())

    @property
    def greeted(self) -> bool:
        """Whether there was a HELLO."""
        return self._session.greeted

    def read(self, size: int) -> bool:
        """Answer what was read, the first ``size`` bytes of the buffer; return whether the conversation goes on."""
        desk, session = self._desk, self._session
        began = desk.clock.now()
        data = bytes(desk.view[:size])
        answer = session.receive(data, began)
        if answer:
            self._write(answer)
        if session.answered:
            desk.answered(session.answered, began)
        if self._recording:
            self._record(data, answer, began)
        return not session.closed

    def end(self) -> None:
        """Write our last word."""
        goodbye = self._session.disconnect()
        self._write(goodbye)
        if self._recording:
            self._record(b"", goodbye, self._desk.clock.now())

    def lost(self) -> None:
        """Say that the socket is gone."""
        self._session.lost()
        if self._recording and self._desk.recorder is not None:
            self._desk.recorder.closed(self._recording, self._desk.clock.now())

    def _record(self, data: bytes, answer: bytes, now: int) -> None:
        if self._desk.recorder is not None:
            self._desk.recorder.read(self._recording, data, answer, now)
