"""A conversation on a line of its own: what is read and written without asyncio's transport, and what ends it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest

from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.conversation import Conversation, Desk, Line
from haproxy_telemetry.server import AgentServer, SpopProtocol
from haproxy_telemetry.settings import TcpAddress
from haproxy_telemetry.spop import Scope
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.turn import Turn
from haproxy_telemetry.turnloop import TurnLoop
from kept import Kept
from server.running_agent import ACK, AGENT_DISCONNECT, AGENT_HELLO, hello, made, stream

HALF_AN_ACK = 10


def an_agent() -> Agent:
    stats = Stats()
    return Agent(
        assembler=Assembler(ids=IdSource(), stats=stats), exporter=Kept(), stats=stats, scopes=[Scope.TXN]
    )  # fmt: skip


class Wire:
    """A socket by hand: ``comes`` is read, what ``takes`` has room for is sent, the rest is for later."""

    def __init__(self, desk: Desk) -> None:
        self.comes: list[bytes | OSError] = []
        self.takes = 1 << 20
        self.sent = b""
        self.later = b""
        self.told: list[str] = []
        self.line = Line(self._receive, self._send, self._send_later, self._hung_up, lambda: self.told.append("ended"))
        self.conversation = Conversation(desk, "peer", self._never, self.line)

    def _receive(self, most: int) -> bytes:
        one = self.comes.pop(0) if self.comes else BlockingIOError()
        if isinstance(one, OSError):
            raise one
        return one

    def _send(self, data: bytes) -> int:
        if not self.takes:
            raise BlockingIOError
        sent = data[: self.takes]
        self.sent += sent
        self.takes -= len(sent)
        return len(sent)

    def _send_later(self, data: bytes) -> None:
        self.line.stuck = True
        self.later += data

    def _hung_up(self, error: Exception | None) -> None:
        self.told.append(f"hung up: {error and type(error).__name__}")

    def _never(self, data: bytes) -> None:
        raise AssertionError("there is a line")

    def brings(self, *pieces: bytes | OSError) -> None:
        for one in pieces:
            self.comes.append(one)
            self.conversation.ready()


class Bench:
    """A desk whose turns are told by hand."""

    def __init__(self) -> None:
        self.turn = Turn()
        self.agent = an_agent()
        self.desk = Desk(self.agent, Clock(), None, self.turn)

    def greeted(self) -> Wire:
        wire = Wire(self.desk)
        wire.brings(hello())
        self.end_turn()
        assert frames(wire.sent) == [AGENT_HELLO]
        wire.sent = b""
        return wire

    def end_turn(self) -> None:
        for then in self.turn.take_end():
            then()


def frames(data: bytes) -> list[int]:
    """The types of whole frames."""
    types = []
    while data:
        size = int.from_bytes(data[:4], "big")
        assert len(data) >= 4 + size
        types.append(data[4])
        data = data[4 + size :]
    return types


def test_answers_wait_for_the_end_of_the_turn_unless_nobody_else_is_ready() -> None:
    bench = Bench()
    first, second = bench.greeted(), bench.greeted()
    bench.turn.ready = 2
    first.brings(stream(1)[0])
    second.brings(stream(2)[0])
    assert (first.sent, second.sent, bench.agent.live_traces) == (b"", b"", 2)
    bench.end_turn()
    assert (frames(first.sent), frames(second.sent)) == ([ACK], [ACK])
    bench.turn.ready = 1
    first.brings(stream(1)[1])
    assert frames(first.sent) == [ACK, ACK]
    assert bench.agent.waiting == 1, "the work comes after it"
    bench.end_turn()


def test_what_is_not_taken_at_once_is_sent_later_and_in_order() -> None:
    bench = Bench()
    wire = bench.greeted()
    wire.takes = HALF_AN_ACK
    wire.brings(*stream(1)[:2])
    bench.end_turn()
    assert len(wire.sent) == HALF_AN_ACK
    assert frames(wire.sent + wire.later) == [ACK, ACK]
    wire.takes = 1 << 20
    wire.brings(stream(1)[2])
    bench.end_turn()
    assert frames(wire.sent + wire.later) == [ACK] * 3, "nothing overtakes what waits"
    assert len(wire.sent) == HALF_AN_ACK


def test_a_last_word_is_behind_the_answers_and_what_comes_then_is_thrown_away() -> None:
    bench = Bench()
    good, bad = bench.greeted(), bench.greeted()
    bench.turn.ready = 2
    good.brings(stream(1)[0])
    bad.brings(b"".join([*stream(2)[:2], made(ACK, b"")]), stream(3)[0])
    assert frames(bad.sent) == [ACK, ACK, AGENT_DISCONNECT]
    assert bad.told == ["ended"]
    assert frames(good.sent) == [ACK], "who waits is not left behind"
    good.conversation.end()
    good.brings(stream(1)[1])
    assert frames(good.sent) == [ACK, AGENT_DISCONNECT]
    bench.end_turn()


@pytest.mark.parametrize(
    ("comes", "said"), [(b"", "None"), (ConnectionResetError(), "ConnectionResetError")], ids=["end", "reset"]
)
def test_who_hangs_up_gets_what_was_asked_for_before(comes: bytes | OSError, said: str) -> None:
    bench = Bench()
    wire = bench.greeted()
    bench.turn.ready = 2
    wire.brings(stream(1)[0], comes)
    assert wire.told == [f"hung up: {said}"]
    bench.end_turn()
    assert frames(wire.sent) == [ACK]


def test_a_socket_that_is_gone_is_not_written() -> None:
    """Its number may be another connection's by then."""
    bench = Bench()
    wire = bench.greeted()
    bench.turn.ready = 2
    wire.brings(stream(1)[0])
    wire.line.close()
    wire.conversation.lost()
    bench.end_turn()
    assert (wire.sent, wire.later, bench.agent.live_traces) == (b"", b"", 1)


# With sockets, on the loop that calls at once


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=TurnLoop) as runner:
        runner.run(main)


async def listening() -> AgentServer:
    server = AgentServer(an_agent(), Clock(), 10)
    await server.listen(TcpAddress("127.0.0.1", 0))
    return server


async def connected(server: AgentServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.addresses[0].rpartition(":")
    return await asyncio.open_connection(host, int(port))


def test_a_peer_that_has_said_all_gets_all_answers_and_the_end() -> None:
    async def main() -> None:
        server = await listening()
        reader, writer = await connected(server)
        writer.write(b"".join([hello(), *stream(1)]))
        writer.write_eof()
        async with asyncio.timeout(8):
            assert frames(await reader.read()) == [AGENT_HELLO, *[ACK] * 8]
        writer.close()
        await server.close(0.1)

    run(main())


def test_a_connection_that_cannot_be_watched_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, ready: object) -> None:
        raise OSError(28, "no space left")

    async def main() -> None:
        server = await listening()
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "watch", full)
        reader, writer = await connected(server)
        writer.write(hello())
        async with asyncio.timeout(8):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        assert server.connections == 0
        writer.close()
        await server.close(0.1)

    run(main())


def ours() -> set[int]:
    """What is there of connections."""
    return {id(one) for one in gc.get_objects() if isinstance(one, SpopProtocol | Conversation | Line)}


def test_a_connection_that_has_ended_leaves_nothing_for_the_collector() -> None:
    async def main() -> None:
        gc.collect()
        before = ours()
        server = await listening()
        reader, writer = await connected(server)
        writer.write(b"".join([hello(), *stream(1)]))
        async with asyncio.timeout(8):
            while server.agent.stats.get("frames_answered") < 8:
                await reader.read(1)
        gc.collect()
        gc.disable()
        try:
            writer.close()
            async with asyncio.timeout(8):
                while server.connections:
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0)
            assert ours() - before == set()
        finally:
            gc.enable()
        await server.close(0.1)

    run(main())
