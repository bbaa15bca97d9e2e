"""What is said on a connection: each read is answered by one write, timed, and recorded where that is wanted.

This stands between the socket (``server.py``) and the meaning (``session.py``). Every request goes through it, so it
is compiled, and knows neither socket nor loop: how to write, and the loop's turn, are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from haproxy_telemetry.acktimes import AckTimes
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.session import Session
from haproxy_telemetry.turn import Turn

READ_BUFFER: Final = 262_144
"""One for all connections: a read is taken out of it before the next one begins. 16 of HAProxy's frames."""

MOST_ANSWERS: Final = 32
"""Answers that are written together: the first waits for the others, which takes some microseconds each."""

MOST_WAITING: Final = 512
"""Answered frames whose work waits: as many as may be ready at once on a busy agent, and some MB at most."""


@final
class Desk:
    """What the connections of a server share: where their reads go, the clock, the answers and the work that wait.

    A turn of the event loop has three parts: what is ready is read and its answers are made, then all of them are
    written, then the work on what was answered is done. So no answer waits for another's work, each part finds the
    processor's caches as it left them, and HAProxy is woken once and not by every answer. Where there is work before
    the end of the turn (records are ready too), the answers are written before it.
    """

    def __init__(self, agent: Agent, clock: Clock, recorder: Recorder | None, turn: Turn) -> None:
        self.agent = agent
        self.clock = clock
        self.recorder = recorder
        self.ack_times = AckTimes()
        self.buffer = bytearray(READ_BUFFER)
        self.view = memoryview(self.buffer)
        self._turn = turn
        self._end_is_near = False
        self._reads: list[_Read] = []
        agent.before_work = self.write

    def take(self, read: _Read) -> None:
        """Take a read whose answer is to be written: at the end of the turn, or now if nobody else is ready in it."""
        self._reads.append(read)
        if self.agent.waiting >= MOST_WAITING:
            self.agent.carry_out()
        elif self._turn.ready == 1 or len(self._reads) >= MOST_ANSWERS:
            self.write()
        if not self._end_is_near:
            self._end_is_near = True
            self._turn.at_end(self._end_turn)

    def write(self) -> None:
        """Write the answers that wait."""
        reads = self._reads
        if reads:
            self._reads = []
            for read in reads:
                try:
                    read.conversation.write(read)
                except Exception as error:
                    self.agent.bug("write", error)

    def _end_turn(self) -> None:
        self._end_is_near = False
        self.agent.carry_out()


@final
class _Read:
    """What was read at ``began``, and the answer to its ``frames``."""

    __slots__ = ("answer", "began", "conversation", "data", "frames")

    def __init__(self, conversation: Conversation, data: bytes, answer: bytes, frames: int, began: int) -> None:
        self.conversation = conversation
        self.data = data
        self.answer = answer
        self.frames = frames
        self.began = began


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
        """Answer what was read, the first ``size`` bytes of the buffer; return whether the conversation goes on.

        The answer is written at the end of the turn (see :class:`Desk`), and now if it is the last one.
        """
        desk, session = self._desk, self._session
        began = desk.clock.now()
        data = bytes(desk.view[:size])
        answer = session.receive(data, began)
        if answer or self._recording:
            desk.take(_Read(self, data, answer, session.answered, began))
        if session.closed:
            desk.write()
            return False
        return True

    def write(self, read: _Read) -> None:
        """Write the answer to a read."""
        desk = self._desk
        if read.answer:
            self._write(read.answer)
        if read.frames:
            desk.ack_times.add(desk.clock.now() - read.began, read.frames)
        if self._recording and desk.recorder is not None:
            desk.recorder.read(self._recording, read.data, read.answer, read.began)

    def end(self) -> None:
        """Write our last word."""
        self._desk.write()
        self.write(_Read(self, b"", self._session.disconnect(), 0, self._desk.clock.now()))

    def lost(self) -> None:
        """Say that the socket is gone."""
        self._session.lost()
        if self._recording and self._desk.recorder is not None:
            self._desk.recorder.closed(self._recording, self._desk.clock.now())
