"""A mistake in the agent itself costs one frame or one connection, is said once, and ends nothing.

In this process, because mistakes have to be put in; the sockets are real.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from haproxy_telemetry import server as server_module
from haproxy_telemetry.admin.vitals import Heartbeat
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.conversation import MOST_ANSWERS, MOST_WAITING, Conversation
from haproxy_telemetry.server import AgentServer
from haproxy_telemetry.service import _exception_handler, _tick
from haproxy_telemetry.settings import TcpAddress
from haproxy_telemetry.spop import AgentConnection, Scope
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.turnloop import TurnLoop, running_turn
from kept import Kept
from server.running_agent import (
    ACK,
    AGENT_DISCONNECT,
    AGENT_HELLO,
    disconnected,
    hello,
    made,
    stream,
    trace_id,
    with_ids,
)
from ways import reaches_inside


class Chance(random.Random):
    """Where the ids come from: can fail, or say that it was asked."""

    left = 0
    asked: Callable[[], None] | None = None

    def getrandbits(self, k: int) -> int:
        if self.asked is not None:
            self.asked()
        self.left -= 1
        if self.left >= 0:
            raise ZeroDivisionError("put in by a test")
        return super().getrandbits(k)

    def break_for(self, times: int) -> None:
        self.left = times


class Laboratory:
    """An agent and its server, whose parts can be broken."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.kept = Kept()
        self.chance = Chance()
        self.assembler = Assembler(ids=IdSource(self.chance, at_once=1), stats=self.stats)
        self.agent = Agent(assembler=self.assembler, exporter=self.kept, stats=self.stats, scopes=[Scope.TXN])
        self.server = AgentServer(self.agent, Clock(), 10)

    async def connect(self, *, greet: bool = True) -> Wire:
        host, _, port = self.server.addresses[0].rpartition(":")
        wire = Wire(*await asyncio.open_connection(host, int(port)))
        if greet:
            assert [frame[0] for frame in await wire.ask(hello())] == [AGENT_HELLO]
        return wire


class Wire:
    """HAProxy's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def frame(self) -> bytes:
        async with asyncio.timeout(8):
            try:
                size = await self.reader.readexactly(4)
                return await self.reader.readexactly(int.from_bytes(size, "big"))
            except (asyncio.IncompleteReadError, ConnectionError):
                return b""

    async def ask(self, *frames: bytes) -> list[bytes]:
        self.writer.write(b"".join(frames))
        return [await self.frame() for _ in frames]


@pytest.fixture
async def lab() -> AsyncIterator[Laboratory]:
    lab = Laboratory()
    asyncio.get_running_loop().set_exception_handler(_exception_handler(lab.agent, lab.server))
    await lab.server.listen(TcpAddress("127.0.0.1", 0))
    yield lab
    await lab.server.close(0.1)


def breaks(times: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but for its first calls, which raise."""
    left = [times]

    def broken(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise ZeroDivisionError("put in by a test")
        return original(*arguments)

    return broken


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Where the mistakes were that the log tells of; each with a traceback."""
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert all(record.exc_info for record in errors)
    return [record.fields["where"] for record in errors]  # type: ignore[attr-defined]


async def test_a_frame_that_cannot_be_understood_is_answered(lab: Laboratory, caplog: pytest.LogCaptureFixture) -> None:
    wire = await lab.connect()
    lab.chance.break_for(2)  # the trace's ids, which the answer needs
    acks = [*await wire.ask(*stream(1)[:2]), *await wire.ask(*stream(2))]
    assert {ack[0] for ack in acks} == {ACK}
    assert (trace_id(acks[0]), trace_id(acks[1])) == (None, None)
    assert [len(trace.spans) for trace in lab.kept.traces] == [9]
    assert lab.stats.get("frames_dropped", "internal_error") == 2
    assert said(caplog) == ["prepare"]


async def test_frames_after_one_that_cannot_be_carried_out_are_carried_out(
    lab: Laboratory, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await lab.connect()
    *one, last_of_one = stream(1)
    two = stream(2)
    await wire.ask(*one)
    await wire.ask(*two[:-1])
    lab.chance.break_for(1)  # the id of a span of the first, which has ended
    assert {ack[0] for ack in await wire.ask(last_of_one, with_ids(two[-1], 101))} == {ACK}
    assert [len(trace.spans) for trace in lab.kept.traces] == [9]
    assert lab.stats.get("internal_errors", "apply") == 1
    assert said(caplog) == ["apply"]


async def test_good_frames_before_a_bad_one_in_the_same_read_are_carried_out(lab: Laboratory) -> None:
    wire = await lab.connect()
    *acks, goodbye = await wire.ask(*stream(1), made(ACK, b""))
    assert {ack[0] for ack in acks} == {ACK}
    assert disconnected(goodbye) == 4
    assert [len(trace.spans) for trace in lab.kept.traces] == [9]


async def test_an_exporter_that_fails_costs_one_trace(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await lab.connect()
    monkeypatch.setattr(lab.kept, "export", breaks(1, lab.kept.export))
    assert {ack[0] for ack in await wire.ask(*stream(1))} == {ACK}
    assert {ack[0] for ack in await wire.ask(*stream(2))} == {ACK}
    assert len(lab.kept.traces) == 1
    assert lab.stats.get("spans_dropped", "internal_error") == 9
    assert said(caplog) == ["export"]


@reaches_inside
async def test_a_mistake_in_the_protocol_costs_one_connection_which_is_told(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = await lab.connect(), await lab.connect()
    monkeypatch.setattr(AgentConnection, "receive_data", breaks(1, AgentConnection.receive_data))
    assert disconnected((await bad.ask(stream(1)[0]))[0]) == 99
    assert await bad.frame() == b""
    assert {ack[0] for ack in await good.ask(*stream(1))} == {ACK}
    assert said(caplog) == ["receive"]


async def test_a_mistake_in_the_server_costs_one_connection(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good = await lab.connect()
    protocol = server_module.SpopProtocol
    monkeypatch.setattr(protocol, "buffer_updated", breaks(3, protocol.buffer_updated))
    for _ in range(3):
        bad = await lab.connect(greet=False)
        assert await bad.ask(hello()) == [b""]
    assert {ack[0] for ack in await good.ask(*stream(1))} == {ACK}
    assert lab.stats.get("internal_errors", "loop") == 3
    assert said(caplog) == ["loop"]


@reaches_inside
def test_a_mistake_in_a_conversation_costs_one_connection_where_the_loop_calls_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        lab = Laboratory()
        asyncio.get_running_loop().set_exception_handler(_exception_handler(lab.agent, lab.server))
        await lab.server.listen(TcpAddress("127.0.0.1", 0))
        good = await lab.connect()
        monkeypatch.setattr(Conversation, "_answer", breaks(2, Conversation._answer))
        for _ in range(2):
            bad = await lab.connect(greet=False)
            assert await bad.ask(hello()) == [b""]
        assert {ack[0] for ack in await good.ask(*stream(1))} == {ACK}
        assert lab.stats.get("internal_errors", "loop") == 2
        await lab.server.close(0.1)

    with asyncio.Runner(loop_factory=TurnLoop) as runner:
        runner.run(main())
    assert said(caplog) == ["loop"]


@reaches_inside
async def test_time_goes_on_after_a_mistake(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    went_on = asyncio.Event()

    def expire(now: int) -> bool:
        if lab.stats.get("internal_errors", "expire") == 2:
            went_on.set()
        raise ZeroDivisionError

    monkeypatch.setattr(Assembler, "expire", lambda self, now, most: expire(now))
    ticking = asyncio.create_task(_tick(lab.agent, lab.server.clock, lambda: None, 0.001, Heartbeat(0.0)))
    async with asyncio.timeout(8):
        await went_on.wait()
    ticking.cancel()
    assert said(caplog) == ["expire"]


async def test_who_says_no_hello_is_let_go(lab: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    greeted = await lab.connect()
    monkeypatch.setattr(server_module, "HELLO_TIMEOUT", 0.05)
    silent, slow, prompt = await lab.connect(greet=False), await lab.connect(greet=False), await lab.connect()
    slow.writer.write(hello()[:20])
    assert await silent.frame() == await slow.frame() == b""
    assert {wire_ack[0] for wire in (greeted, prompt) for wire_ack in await wire.ask(stream(1)[0])} == {ACK}
    assert lab.stats.get("connections_refused", "no_hello") == 2


async def test_all_frames_of_a_read_are_answered_by_one_write_and_before_any_work(lab: Laboratory) -> None:
    """The answer needs the two ids of its trace; the others are made as it leaves, for all spans but one."""
    done: list[str] = []
    lab.chance.asked = lambda: done.append("id")
    protocol = await connected(lab, Noting(done))
    give(lab, protocol, b"".join(stream(1)))
    await asyncio.sleep(0)
    protocol.connection_lost(None)
    assert done == ["1 frames", *["id"] * 2, "8 frames", *["id"] * 8]


async def test_all_who_are_ready_at_once_are_answered_before_the_work_of_any(lab: Laboratory) -> None:
    done: list[str] = []
    ready = [await connected(lab, Noting(done)) for _ in range(2)]
    lab.chance.asked = lambda: done.append("id")
    *others, last = range(8)
    for number, protocol in enumerate(ready):
        give(lab, protocol, b"".join([stream(number)[frame] for frame in others]))
    await asyncio.sleep(0)
    done.clear()
    for number, protocol in enumerate(ready):
        give(lab, protocol, stream(number)[last])
    assert (done, lab.agent.waiting) == ([], 2)
    await asyncio.sleep(0)
    assert done == ["1 frames"] * 2 + ["id"] * 16  # of all spans but those that went upstream
    assert lab.agent.waiting == 0
    for protocol in ready:
        protocol.connection_lost(None)


@pytest.mark.parametrize("work", ["records", "an offer", "a tick"])
async def test_an_answer_does_not_wait_for_work_that_comes_in_the_same_turn(lab: Laboratory, work: str) -> None:
    done: list[str] = []
    protocol = await connected(lab, Noting(done))
    give(lab, protocol, b"".join(stream(1)))
    done.clear()
    lab.chance.asked = lambda: done.append("id")
    if work == "records":
        lab.agent.take_records(b"a line", 1)
    elif work == "an offer":
        lab.agent.take_offer(b"a line", 1)
    else:
        lab.agent.tick(1)
    assert done[:2] == ["8 frames", "id"]
    protocol.connection_lost(None)


async def test_what_waits_for_its_work_is_bounded(lab: Laboratory) -> None:
    protocol = await connected(lab, Noting([]))
    for number in range(MOST_WAITING + 1):
        give(lab, protocol, stream(number)[0])
        assert lab.agent.waiting <= MOST_WAITING
    await asyncio.sleep(0)
    assert (lab.agent.waiting, lab.agent.live_traces) == (0, MOST_WAITING + 1)
    protocol.connection_lost(None)


async def test_answers_wait_for_a_few_others_and_no_more(lab: Laboratory) -> None:
    done: list[str] = []
    protocol = await connected(lab, Noting(done))
    done.clear()
    for number in range(MOST_ANSWERS):
        assert done == []
        give(lab, protocol, stream(number)[0])
    assert done == ["1 frames"] * MOST_ANSWERS
    await asyncio.sleep(0)
    protocol.connection_lost(None)


def test_who_is_ready_alone_is_answered_at_once() -> None:
    done: list[str] = []

    async def main() -> None:
        lab, turn = Laboratory(), running_turn()
        protocol = await connected(lab, Noting(done))
        for ready in (2, 1):
            done.clear()
            turn.ready = ready
            give(lab, protocol, stream(ready)[0])
            assert done == ["1 frames"] * (ready == 1)
            assert lab.agent.waiting == 1
            await asyncio.sleep(0)
            assert (done, lab.agent.waiting) == (["1 frames"], 0)
        protocol.connection_lost(None)

    with asyncio.Runner(loop_factory=TurnLoop) as runner:
        runner.run(main())


async def test_a_last_word_is_written_behind_the_answers_that_wait(lab: Laboratory) -> None:
    done: list[str] = []
    good, bad = [await connected(lab, Noting(done)) for _ in range(2)]
    done.clear()
    give(lab, good, stream(1)[0])
    give(lab, bad, b"".join([*stream(2)[:2], made(ACK, b"")]))
    assert done == ["1 frames", "3 frames", "end"]
    good.say_goodbye()
    assert done[3:] == ["1 frames", "end"]
    for protocol in (good, bad):
        protocol.connection_lost(None)


async def test_an_answer_that_cannot_be_written_costs_no_other(
    lab: Laboratory, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    broken = Noting(done)
    good, bad = [await connected(lab, transport) for transport in (Noting(done), broken)]
    done.clear()
    broken.broken = True
    for number, protocol in enumerate((bad, good)):
        give(lab, protocol, stream(number)[0])
    await asyncio.sleep(0)
    assert (done, lab.agent.live_traces) == (["1 frames"], 2)
    assert said(caplog) == ["write"]
    for protocol in (good, bad):
        protocol.connection_lost(None)


async def connected(lab: Laboratory, transport: asyncio.Transport) -> server_module.SpopProtocol:
    """Return a connection that has said HELLO, without a socket."""
    protocol = server_module.SpopProtocol(lab.server)
    protocol.connection_made(transport)
    give(lab, protocol, hello())
    await asyncio.sleep(0)
    return protocol


def give(lab: Laboratory, protocol: server_module.SpopProtocol, data: bytes) -> None:
    """Let the connection read this."""
    lab.server.desk.buffer[: len(data)] = data
    protocol.buffer_updated(len(data))


class Noting(asyncio.Transport):
    """A transport that notes how many frames each write had."""

    def __init__(self, done: list[str]) -> None:
        super().__init__()
        self._done = done
        self.broken = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.broken:
            raise ZeroDivisionError("put in by a test")
        rest, count = bytes(data), 0
        while rest:
            rest, count = rest[4 + int.from_bytes(rest[:4], "big") :], count + 1
        self._done.append(f"{count} frames")

    def write_eof(self) -> None:
        self._done.append("end")


async def test_answers_over_tcp_do_not_wait_for_a_full_segment(lab: Laboratory) -> None:
    """Without TCP_NODELAY an answer can wait for a delayed acknowledgement, 40 ms."""
    await lab.connect()
    [protocol] = lab.server._protocols
    assert protocol._transport is not None
    accepted = protocol._transport.get_extra_info("socket")
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_the_end_says_goodbye_and_leaves_nothing_of_the_loop(lab: Laboratory) -> None:
    wire = await lab.connect()
    await lab.server.close(0.1)
    assert (await wire.frame())[0] == AGENT_DISCONNECT
    assert lab.server._protocols == set()
