"""What one peer may take from the others: nothing."""

from __future__ import annotations

import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from server.running_agent import (
    ACK,
    AGENT_HELLO,
    NOTIFY,
    PATIENCE,
    Peer,
    disconnected,
    hello,
    made,
    message,
    running,
    stream,
    trace_id,
    wait_for,
)

MIB = 1 << 20


TOLD = message((b"id", b"1"), (b"span", b"A"), (b"tag", b"t"), (b"", b"v" * 230))
BURST = [made(NOTIFY, TOLD, ids=bytes([number % 200, number // 200])) for number in range(1000)]
"""Frames of nearly 300 bytes, so that a read of the agent has less than the 1024 that may be in flight."""


def fill(peer: Peer, most: int) -> int:
    """Send frames without reading until nobody takes any more; return how many went out whole."""
    data, sent = b"".join(BURST), 0
    peer.socket.settimeout(0.3)
    try:
        while sent < most:
            sent += peer.socket.send(data[sent % len(data) :])
    except TimeoutError:
        pass
    peer.socket.settimeout(PATIENCE)
    return sent // len(BURST[0])


def test_a_peer_that_takes_no_answers_is_not_read_any_more(tmp_path: Path) -> None:
    """Its answers wait in bounded room, the others get theirs, and it can go on where it stopped.

    Over a Unix socket, because TCP's own buffers hold a hundred thousand answers before the agent notices.
    """
    with running(tmp_path, listen=(f"unix:{tmp_path}/a.sock",)) as agent:
        deaf, good = agent.connect(), agent.connect()
        before = agent.memory
        sent = fill(deaf, 50 * MIB)
        assert agent.memory - before < 30 * MIB
        acks = good.ask(*stream(2))
        assert len(agent.spans_of(trace_id(acks[0]))) == 9
        assert sent * len(BURST[0]) < 40 * MIB
        assert {deaf.frame()[0] for _ in range(sent)} == {ACK}


def test_a_peer_that_takes_no_answers_does_not_hold_the_end(tmp_path: Path) -> None:
    with running(tmp_path, listen=(f"unix:{tmp_path}/a.sock",)) as agent:
        deaf = agent.connect()
        fill(deaf, 50 * MIB)
        assert agent.stop() == 0


def test_connections_past_the_bound_are_turned_away_and_said_once(tmp_path: Path) -> None:
    with running(tmp_path, environ={"HAPROXY_TELEMETRY_SERVER_MAX_CONNECTIONS": "2"}) as agent:
        first, second = agent.connect(), agent.connect()
        for _ in range(3):
            assert turned_away(agent.connect(greet=False))
        assert second.ask(stream(1)[0])[0][0] == ACK
        first.close()
        wait_for(lambda: not turned_away(agent.connect(greet=False)), "free place")
        assert agent.stop() == 0
        assert len([line for line in agent.log if "too many connections" in line]) == 1
        assert agent.totals["connections_refused.max_connections"] >= 3


def turned_away(peer: Peer) -> bool:
    try:
        return peer.ask(hello())[0] == b""
    except ConnectionError:
        return True


def descriptors(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_soft_limit_of_descriptors_is_raised_to_the_connections(tmp_path: Path) -> None:
    environ = {"HAPROXY_TELEMETRY_SERVER_MAX_CONNECTIONS": "100"}
    with running(tmp_path, environ=environ, before=descriptors(40, 400)) as agent:
        peers = [agent.connect() for _ in range(60)]
        assert {peer.ask(stream(1)[0])[0][0] for peer in peers} == {ACK}
        assert agent.complaints() == []


def test_without_descriptors_the_agent_lives_and_goes_on_when_there_are_some(tmp_path: Path) -> None:
    with running(tmp_path, before=descriptors(40, 40)) as agent:
        assert "LimitNOFILE" in agent.logged("fewer file descriptors")
        good = agent.connect()
        others = [agent.connect(greet=False) for _ in range(60)]
        agent.logged("cannot accept connections")
        acks = good.ask(*stream(1))
        assert len(agent.spans_of(trace_id(acks[0]))) == 9
        for other in others:
            other.close()
        late = agent.connect(greet=False)
        assert late.ask(hello())[0][0] == AGENT_HELLO
        late.close()
        good.close()
        assert agent.stop() == 0
        assert len([line for line in agent.log if "cannot accept connections" in line]) == 1
        assert not any("Traceback" in line for line in agent.log), "\n".join(agent.log)
        assert agent.totals["accept_failures"] >= 1


def test_stopping_while_no_connection_can_be_accepted(tmp_path: Path) -> None:
    with running(tmp_path, before=descriptors(40, 40)) as agent:
        good = agent.connect()
        others = [socket.create_connection(("127.0.0.1", int(agent.addresses[0].split(":")[1]))) for _ in range(60)]
        agent.logged("cannot accept connections")
        agent.signal(signal.SIGTERM)
        assert disconnected(good.frame()) == 0
        assert agent.wait() == 0
        assert not any("Traceback" in line for line in agent.log)
        for other in others:
            other.close()
