"""The error contract of the wire, as a fuzz target.

For any bytes in any chunking the outcome is a list of events, the last of which may be Failed with a SpopError,
and it does not depend on the chunking; what is kept stays within the limits; what we send is well-formed and not
larger than agreed. ``tests/spop/test_any_bytes.py`` holds the same function against mutated captures.

Run it:  python fuzz/fuzz_connection.py -max_total_time=300    (needs the dependency group ``fuzz``)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from fuzzing import TESTS, fuzz
from haproxy_telemetry.spop import (
    AgentConnection,
    Disconnected,
    Event,
    Failed,
    HealthChecked,
    Limits,
    Notified,
    Scope,
    SetVar,
    SpopError,
    State,
)
from haproxy_telemetry.spop.actions import parse_actions
from haproxy_telemetry.spop.describe import describe_frame
from haproxy_telemetry.spop.errors import TooMuchHeld
from haproxy_telemetry.spop.frames import FIN, FrameType, parse_frame
from haproxy_telemetry.spop.handshake import parse_disconnect
from haproxy_telemetry.spop.messages import parse_messages, parse_pairs, serialize_messages

HELLO = bytes.fromhex(
    "000000810100000001000012737570706f727465642d76657273696f6e730803322e300e6d61782d6672616d652d73697a6503fcf0060c"
    "6361706162696c69746965730810706970656c696e696e672c6173796e6309656e67696e652d69640824383239383135336"
    "42d626234322d343661362d383662362d613865313534353266336138"
)
"""HAProxy 2.6.12's, from tests/golden/2.6.12/types.jsonl."""

# Small, so that a few hundred bytes can pass each of them.
LIMITS = Limits(frame_size=4096, hello_size=512, frames_in_flight=4, fragmented_frames=3, fragmented_bytes=600)
ACTIONS = (SetVar(Scope.TXN, b"traceparent", b"0" * 55), SetVar(Scope.SESS, b"tracestate", b"x" * 300))
LAST_EVENTS = (Failed, Disconnected, HealthChecked)


def check(data: bytes) -> None:
    """Try ``data`` whole and in chunks; raise AssertionError where the contract does not hold.

    The first byte says whether a HELLO stands before the data, the second how large the chunks are.
    """
    if len(data) < 2:
        return
    stream = (HELLO if data[0] & 1 else b"") + data[2:]
    size = data[1] % 61 + 1
    whole = AgentConnection(LIMITS)
    events = whole.receive_data(stream)
    chunked = AgentConnection(LIMITS)
    assert in_words(events) == in_words(feed(chunked, stream, size)), "the chunking changed the outcome"
    for connection in (whole, chunked):
        check_events(connection, events)
    check_output(whole, events)
    check_reading_alone(data[2:])


def feed(connection: AgentConnection, stream: bytes, size: int) -> list[Event]:
    """Hand over ``stream`` in chunks of ``size`` bytes, from one buffer that is used again and again."""
    events: list[Event] = []
    buffer = bytearray(size)
    for start in range(0, len(stream), size):
        chunk = stream[start : start + size]
        buffer[: len(chunk)] = chunk
        events += connection.receive_data(memoryview(buffer)[: len(chunk)])
        assert len(connection._held) <= connection.max_frame_size + 4 + size
        assert connection._fragments._held <= LIMITS.fragmented_bytes
    return events


def in_words(events: list[Event]) -> list[str]:
    """Return events so that they can be compared: two errors are never equal as objects."""
    return [repr(event) for event in events]


def check_events(connection: AgentConnection, events: list[Event]) -> None:
    """What ends a connection is the last event, and nothing else is."""
    assert all(not isinstance(event, LAST_EVENTS) for event in events[:-1])
    assert connection.closed == bool(events and isinstance(events[-1], LAST_EVENTS))
    assert (connection.state is State.FAILED) == bool(events and isinstance(events[-1], Failed))
    assert connection.frames_in_flight <= LIMITS.frames_in_flight
    if connection.closed:
        assert connection.receive_data(HELLO + b"\0" * 9) == []
    if events and isinstance(events[-1], Failed):
        assert str(events[-1].error)


def check_output(connection: AgentConnection, events: list[Event]) -> None:
    """One ACK for each Notified, in a frame of the agreed size; then the DISCONNECT, with the right status."""
    notified = [event for event in events if isinstance(event, Notified)]
    for event in notified:
        connection.acknowledge(event, ACTIONS)
        assert parse_messages(serialize_messages(event.messages), 0) == event.messages
    frames = list(split(connection.data_to_send()))
    assert all(len(frame) <= connection.max_frame_size for frame in frames)
    parsed = [parse_frame(frame) for frame in frames]
    assert all(frame.flags == FIN for frame in parsed)
    acks = [frame for frame in parsed if frame.type == FrameType.ACK]
    # Ids that came again were given up by HAProxy the first time: only the last of them gets an ACK.
    last_of = {(event.stream_id, event.frame_id): number for number, event in enumerate(notified)}
    assert [(ack.stream_id, ack.frame_id) for ack in acks] == sorted(last_of, key=lambda ids: last_of[ids])
    assert connection.frames_in_flight == 0
    assert all(parse_actions(ack.payload, 0) for ack in acks)
    goodbyes = [frame for frame in parsed if frame.type == FrameType.AGENT_DISCONNECT]
    assert goodbyes == parsed[len(parsed) - len(goodbyes) :]
    last = events[-1] if events else None
    assert len(goodbyes) == isinstance(last, Failed | Disconnected)
    if isinstance(last, Failed):
        assert parse_disconnect(goodbyes[0].payload, 0).status == last.error.status
        assert isinstance(last.error, TooMuchHeld) == (last.error.status == 13)


def split(data: bytes) -> Iterator[bytes]:
    """Cut what we send into frames."""
    while data:
        size = int.from_bytes(data[:4], "big")
        assert len(data) >= 4 + size
        yield data[4 : 4 + size]
        data = data[4 + size :]


def check_reading_alone(data: bytes) -> None:
    """The parsers of both sides by themselves: a result, SpopError, or IndexError for their caller."""
    assert describe_frame(data)
    for parse in (parse_messages, parse_pairs, parse_actions):
        try:
            parse(data, 0)
        except (SpopError, IndexError):
            continue


def seeds(golden: Path) -> Iterator[bytes]:
    """What HAProxy sent on each recorded connection, as inputs of ``check``."""
    for path in sorted(golden.glob("*/*.jsonl")):
        connections: dict[str, bytes] = {}
        for line in path.read_text().splitlines():
            record = json.loads(line)
            if record["direction"] == "H>A":
                name = record["conn"]
                connections[name] = connections.get(name, b"") + bytes.fromhex(record["hex"])
        for data in connections.values():
            yield (b"\0" if data[4:5] == b"\1" else b"\1") + b"\x0d" + data


if __name__ == "__main__":
    fuzz(check, seeds(TESTS / "golden"))
