"""What is said on a connection: each read is answered by one write, timed, and recorded where that is wanted.

This stands between the socket (``server.py``) and the meaning (``session.py``). Every request goes through it, so it
is compiled, and knows neither socket nor loop: how to read and to write, and the loop's turn, are handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from haproxy_telemetry.acktimes import AckTimes
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.session import Session
from haproxy_telemetry.turn import Turn

READ_BUFFER: Final = 262_144
"""One for all connections that asyncio reads: a read is taken out of it before the next one begins."""

MOST_AT_ONCE: Final = 65_536
"""Bytes of a read of ours: four of HAProxy's largest frames. What is more comes in the next turn."""

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


@mypyc_attr(acyclic=True)
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


def _nobody(answer: bytes) -> None:
    """Nobody is there any more to be answered."""


def _unheard(error: Exception | None) -> None:
    """Nobody wants to know any more."""


def _nothing() -> None:
    """There is nothing left to be done."""


@final
class Line:
    """The socket of a conversation, as far as it is read and written at once; what is rare is the server's.

    ``receive`` returns what came, so many bytes at most, ``send`` takes some of what it gets and says how much; both
    raise as the system does. ``send_later`` sends when HAProxy takes it, and lets nothing be read before that.
    ``hung_up``: HAProxy has ended the connection, or it is broken. ``ended``: our last word has been written.
    """

    __slots__ = ("ended", "hung_up", "open", "receive", "send", "send_later", "stuck")

    def __init__(
        self,
        receive: Callable[[int], bytes],
        send: Callable[[bytes], int],
        send_later: Callable[[bytes], None],
        hung_up: Callable[[Exception | None], None],
        ended: Callable[[], None],
    ) -> None:
        self.receive = receive
        self.send = send
        self.send_later = send_later
        self.hung_up = hung_up
        self.ended = ended
        self.stuck = False
        """Whether what was written before waits for HAProxy to take it."""
        self.open = True
        """Whether there is a socket: its number may be another's later."""

    def close(self) -> None:
        """Forget the socket, and whoever has it."""
        self.open = False
        self.send_later = _nobody
        self.hung_up = _unheard
        self.ended = _nothing


@final
class Conversation:
    """One connection; ``write`` takes the bytes that HAProxy is to get, where there is no ``line`` to send them."""

    def __init__(self, desk: Desk, peer: str, write: Callable[[bytes], None], line: Line | None = None) -> None:
        self._desk = desk
        self._session = Session(desk.agent, peer)
        self._write = write
        self._line = line
        self._ended = False
        self._recording = 0
        """By which number the recorder knows the connection; 0: nothing is recorded."""
        if desk.recorder is not None:
            self._recording = desk.recorder.opened(desk.clock.now())

    @property
    def greeted(self) -> bool:
        """Whether there was a HELLO."""
        return self._session.greeted

    def ready(self) -> None:
        """Take what came on the line. What comes after the last word is read and thrown away."""
        line = self._line
        assert line is not None
        try:
            data = line.receive(MOST_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            line.hung_up(error)
            return
        if not data:
            line.hung_up(None)
        elif not self._ended:
            try:
                goes_on = self._answer(data)
            except Exception as error:
                line.hung_up(error)
                raise
            if not goes_on:
                self._ended = True
                line.ended()

    def read(self, size: int) -> bool:
        """Answer what was read, the first ``size`` bytes of the buffer; return whether the conversation goes on."""
        return self._answer(bytes(self._desk.view[:size]))

    def _answer(self, data: bytes) -> bool:
        """Answer what came; return whether the conversation goes on.

        The answer is written at the end of the turn (see :class:`Desk`), and now if it is the last one.
        """
        desk, session = self._desk, self._session
        began = desk.clock.now()
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
            self._say(read.answer)
        if read.frames:
            desk.ack_times.add(desk.clock.now() - read.began, read.frames)
        if self._recording and desk.recorder is not None:
            desk.recorder.read(self._recording, read.data, read.answer, read.began)

    def _say(self, answer: bytes) -> None:
        """Write it: at once, if there is a line that takes it."""
        line = self._line
        if line is None:
            self._write(answer)
            return
        if not line.open:
            return
        sent = 0
        if not line.stuck:
            try:
                sent = line.send(answer)
            except OSError:  # it takes nothing now, or is broken: whoever sends the rest sees which
                sent = 0
        if sent < len(answer):
            line.send_later(answer[sent:] if sent else answer)

    def end(self) -> None:
        """Write our last word."""
        self._ended = True
        self._desk.write()
        self.write(_Read(self, b"", self._session.disconnect(), 0, self._desk.clock.now()))

    def lost(self) -> None:
        """Say that the socket is gone."""
        self._line = None
        self._write = _nobody
        self._session.lost()
        if self._recording and self._desk.recorder is not None:
            self._desk.recorder.closed(self._recording, self._desk.clock.now())
