"""Good and bad peers on live sockets, side by side."""

from __future__ import annotations

import socket

import pytest

from server.running_agent import (
    ACK,
    AGENT_HELLO,
    HELLO,
    NOTIFY,
    UNSET,
    RunningAgent,
    disconnected,
    health_check,
    hello,
    made,
    message,
    stream,
    text,
    trace_id,
    wait_for,
)

VERSIONS = ("2.6.12", "2.8.25", "3.0.0", "3.2.0")

GREETING = hello()
GOOD = stream(0)[0]

BEFORE_HELLO = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 3),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + b"\0" * 200, 3),
    "a NOTIFY first": (GOOD, 4),
    "an unknown type first": (made(42, b""), 4),
    "an empty frame": (b"\0\0\0\0", 4),
    "another version": (GREETING.replace(b"\x032.0", b"\x031.0"), 8),
    "no version": (GREETING.replace(b"supported-versions", b"supported-mistake!"), 5),
    "no frame size": (GREETING.replace(b"max-frame-size", b"max-mistake!!!"), 6),
    "a HELLO in pieces": (GREETING[:5] + b"\0\0\0\0" + GREETING[9:], 10),
    "a HELLO cut short": ((60).to_bytes(4, "big") + GREETING[4:64], 4),
}
AFTER_HELLO = {
    "a second HELLO": (GREETING, 4),
    "an oversized frame": ((16381).to_bytes(4, "big") + b"\3", 3),
    "a frame cut short": (made(NOTIFY, message((b"id", b"1"))[:-3]), 4),
    "an agent's frame": (made(ACK, b""), 4),
    "a fragment of nothing": (made(UNSET, b""), 12),
    "a frame within a frame": (made(NOTIFY, b"", flags=0) * 2, 11),
    "an unknown data type": (made(NOTIFY, text(b"opentracing:x") + b"\1" + text(b"id") + b"\x0f"), 4),
    "an endless integer": (made(NOTIFY, b"", ids=b"\xff" * 12), 4),
    "noise": (bytes(range(7, 107)), 3),
}


@pytest.mark.parametrize(("bad", "status"), BEFORE_HELLO.values(), ids=BEFORE_HELLO)
def test_a_bad_beginning_gets_its_code_and_costs_nobody_else(agent: RunningAgent, bad: bytes, status: int) -> None:
    expect_failure(agent, bad, status, greet=False)


@pytest.mark.parametrize(("bad", "status"), AFTER_HELLO.values(), ids=AFTER_HELLO)
def test_a_bad_frame_gets_its_code_and_costs_nobody_else(agent: RunningAgent, bad: bytes, status: int) -> None:
    expect_failure(agent, bad, status, greet=True)


def expect_failure(agent: RunningAgent, bad: bytes, status: int, *, greet: bool) -> None:
    """The bad one is told why and let go; the stream of the good one, begun before, ends well after it."""
    good, other = agent.connect(), agent.connect(greet=greet)
    first, *rest = stream(100)
    [answer] = good.ask(first)
    other.send(bad)
    assert disconnected(other.frame()) == status
    assert other.frame() == b""
    assert {ack[0] for ack in good.ask(*rest)} == {ACK}
    assert len(agent.spans_of(trace_id(answer))) == 9
    good.close()


def test_a_fault_after_good_frames_leaves_their_answers_and_their_spans(agent: RunningAgent) -> None:
    """All in one read: the answers come before the DISCONNECT, and the trace comes out."""
    frames = stream(101)
    peer = agent.connect()
    peer.send(*frames, made(ACK, b""))
    *acks, goodbye = peer.all_frames()
    assert [ack[0] for ack in acks] == [ACK] * len(frames)
    assert disconnected(goodbye) == 4
    assert len(agent.spans_of(trace_id(acks[0]))) == 9


def test_the_reason_arrives_although_the_peer_is_still_sending(agent: RunningAgent) -> None:
    """A close with bytes unread would be a reset, which erases what the peer has not read yet."""
    peer = agent.connect()
    peer.send((1 << 20).to_bytes(4, "big") + b"x" * 1_000_000)
    assert disconnected(peer.frame()) == 3
    assert peer.frame() == b""


def test_unknown_frame_types_are_passed_over(agent: RunningAgent) -> None:
    peer = agent.connect()
    peer.send(made(42, b"what later versions say"))
    assert peer.ask(stream(102)[0])[0][0] == ACK


@pytest.mark.parametrize("version", VERSIONS)
def test_a_health_check_that_ends_in_a_reset_is_no_news(agent: RunningAgent, version: str) -> None:
    before = len(agent.complaints())
    peer = agent.connect(greet=False)
    assert peer.ask(health_check(version))[0][0] == AGENT_HELLO
    peer.reset()
    agent.connect().close()  # by now the agent has seen the reset
    assert agent.complaints()[before:] == []


def test_resets_half_frames_and_silent_visitors_are_no_news(agent: RunningAgent) -> None:
    before = len(agent.complaints())
    for sent in (b"", GREETING[:3], GREETING[:50], GREETING, GREETING + GOOD, GREETING + GOOD[:20]):
        for leave in ("reset", "close"):
            peer = agent.connect(greet=False)
            peer.send(sent)
            getattr(peer, leave)()
    agent.connect().close()
    assert agent.complaints()[before:] == []


def test_bytes_of_every_kind_and_long_values_come_out_in_the_trace(agent: RunningAgent) -> None:
    every_byte, long = bytes(range(256)), b"v" * 10_240
    told = message(
        (b"id", every_byte),
        (b"span", b"S" + every_byte),
        (b"tag", b"any"),
        (b"", every_byte),
        (b"tag", b"long"),
        (b"", long),
        (b"finish", b"*"),
    )
    [ack] = agent.connect().ask(made(NOTIFY, told))
    [span] = agent.spans_of(trace_id(ack))
    values = {one["key"]: one["value"]["stringValue"] for one in span["attributes"] if "stringValue" in one["value"]}
    assert values["long"] == long.decode()
    assert values["any"].startswith(every_byte[:128].decode())


def test_bytes_one_by_one_are_as_good_as_whole_frames(agent: RunningAgent) -> None:
    peer = agent.connect(greet=False)
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in GREETING + stream(103)[0]:
        peer.send(bytes([byte]))
    assert [frame[0] for frame in peer.frames(2)] == [AGENT_HELLO, ACK]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gets_its_hello_and_its_trace(agent: RunningAgent, version: str) -> None:
    peer = agent.connect(greet=False)
    assert peer.ask(hello(version))[0][0] == AGENT_HELLO
    acks = peer.ask(*stream(104, version))
    assert len(agent.spans_of(trace_id(acks[0]))) == 9


def test_a_haproxy_comes_and_what_it_does_wrong_is_said_once(agent: RunningAgent) -> None:
    """All connections above were those of four engines at most: one a version."""
    came = [line for line in agent.log if "HAProxy came" in line]
    assert len(came) == len(set(came)) <= len(VERSIONS)
    for _ in range(2):
        agent.connect(greet=False).send(made(HELLO, b"", ids=b"\0\0"))
    wait_for(lambda: any("status=NO_VERSION" in line for line in agent.log), "complaint")
    complaints = [line for line in agent.log if "broke the protocol" in line and "status=NO_VERSION" in line]
    assert len(complaints) == 1
    assert not any("Traceback" in line for line in agent.log)
