"""The connection where HAProxy, or something that is not HAProxy, does what no capture shows.

Frames are HAProxy's own, from the captures, with the one change that a test is about.
"""

from collections.abc import Callable

import pytest

from haproxy_telemetry.spop import (
    Aborted,
    AgentConnection,
    Connected,
    Disconnected,
    Event,
    Failed,
    HealthChecked,
    Limits,
    Message,
    MisuseError,
    Notified,
    NotSpop,
    Scope,
    SetVar,
    Skipped,
    SpopError,
    State,
    StatusCode,
    Uint32,
    UnsetVar,
    Value,
)
from haproxy_telemetry.spop.actions import HARMLESS_ACTION, parse_actions
from haproxy_telemetry.spop.errors import FrameTooBig
from haproxy_telemetry.spop.frames import Frame, parse_frame, serialize_frame
from haproxy_telemetry.spop.messages import parse_pairs, serialize_messages, serialize_pairs
from haproxy_telemetry.spop.states import FINAL, TRANSITIONS, Step
from spop.captures import VERSIONS, frames_from_haproxy, frames_to_haproxy

FIN, ABORT = 1, 2
UNSET, HELLO, DISCONNECT, NOTIFY, AGENT_HELLO, AGENT_DISCONNECT, ACK = 0, 1, 2, 3, 101, 102, 103
MESSAGE = serialize_messages([Message(b"m", ((b"id", b"x"),))])
GET200 = frames_from_haproxy("2.6.12", "get200")


def hello(**changes: Value | type[KeyError]) -> bytes:
    """HAPROXY-HELLO with some keys changed, or left out (KeyError)."""
    keys: dict[str, Value | type[KeyError]] = {
        "supported-versions": b"2.0",
        "max-frame-size": Uint32(16380),
        "capabilities": b"pipelining,async",
        "engine-id": b"engine",
    }
    keys.update({name.replace("_", "-"): value for name, value in changes.items()})
    pairs = [(name.encode(), value) for name, value in keys.items() if not isinstance(value, type)]
    return serialize_frame(Frame(HELLO, FIN, 0, 0, serialize_pairs(pairs)))


def notify(stream_id: int = 1, frame_id: int = 1, payload: bytes = MESSAGE, flags: int = FIN) -> bytes:
    return serialize_frame(Frame(NOTIFY, flags, stream_id, frame_id, payload))


def unset(stream_id: int = 1, frame_id: int = 1, payload: bytes = b"", flags: int = 0) -> bytes:
    return serialize_frame(Frame(UNSET, flags, stream_id, frame_id, payload))


def connected(limits: Limits | None = None, **changes: Value) -> AgentConnection:
    connection = AgentConnection(limits)
    (event,) = connection.receive_data(hello(**changes))
    assert isinstance(event, Connected)
    connection.data_to_send()
    return connection


def sent(connection: AgentConnection) -> list[Frame]:
    """What the connection sends now, in frames."""
    data, frames = connection.data_to_send(), []
    while data:
        size = int.from_bytes(data[:4], "big")
        frames.append(parse_frame(data[4 : 4 + size]))
        data = data[4 + size :]
    return frames


def failure(events: list[Event], connection: AgentConnection, status: int) -> SpopError:
    """The error of the last event, after a look at everything that must come with it."""
    assert isinstance(events[-1], Failed)
    error = events[-1].error
    assert error.status == status
    assert (connection.state, connection.closed) == (State.FAILED, True)
    (goodbye,) = [frame for frame in sent(connection) if frame.type == AGENT_DISCONNECT]
    assert b"status-code\x03" + bytes((status,)) in goodbye.payload
    assert connection.receive_data(hello() + notify()) == []
    assert connection.data_to_send() == b""
    return error


# HELLO


def test_the_answer_to_haproxys_own_hello() -> None:
    """These bytes came from a recording agent that HAProxy 2.6 accepted (captures frag-256-cap)."""
    connection = AgentConnection()
    connection.receive_data(frames_from_haproxy("2.6.12", "frag-256-cap")[0])
    assert connection.data_to_send().hex() == (
        "0000004d650000000100000776657273696f6e0803322e300e6d61782d6672616d652d73697a6503f0010c"
        "6361706162696c6974696573081870" + b"ipelining,fragmentation".hex()
    )


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"supported_versions": KeyError}, 5),
        ({"max_frame_size": KeyError}, 6),
        ({"capabilities": KeyError}, 7),
        ({"supported_versions": b"1.0"}, 8),
        ({"supported_versions": b"3.0, 1.5"}, 8),
        ({"supported_versions": b""}, 8),
        ({"supported_versions": b"2"}, 8),
        ({"supported_versions": b"2.x,20.0"}, 8),
        ({"max_frame_size": Uint32(255)}, 9),
        ({"max_frame_size": 0}, 9),
        ({"max_frame_size": -1}, 9),
        ({"max_frame_size": b"16380"}, 4),
        ({"max_frame_size": True}, 4),
        ({"supported_versions": 2}, 4),
        ({"capabilities": None}, 4),
        ({"engine_id": 7}, 4),
    ],
)
def test_a_hello_that_cannot_be_accepted(change: dict[str, Value], status: int) -> None:
    connection = AgentConnection()
    failure(connection.receive_data(hello(**change)), connection, status)


@pytest.mark.parametrize("versions", [b"2.0", b"1.0, 2.0", b" 2.0 ,1.5", b"2.5", b"1.0,2.0,3.0"])
def test_any_2_means_our_2_0(versions: bytes) -> None:
    connection = AgentConnection()
    (event,) = connection.receive_data(hello(supported_versions=versions))
    assert isinstance(event, Connected)
    assert b"version\x08\x032.0" in connection.data_to_send()


@pytest.mark.parametrize(("offered", "agreed"), [(256, 256), (16380, 16380), (1048572, 1048572), (1 << 30, 1 << 20)])
def test_haproxys_frame_size_is_echoed_up_to_ours(offered: int, agreed: int) -> None:
    connection = AgentConnection()
    connection.receive_data(hello(max_frame_size=Uint32(offered)))
    assert connection.max_frame_size == agreed
    assert dict(_pairs(sent(connection)[0]))[b"max-frame-size"] == agreed


def _pairs(frame: Frame) -> list[tuple[bytes, Value]]:
    return parse_pairs(frame.payload, 0)


def test_pipelining_is_announced_to_those_who_have_it() -> None:
    assert connected(capabilities=b"pipelining").capabilities == (b"pipelining", b"fragmentation")
    assert connected(capabilities=b" async , pipelining ").capabilities == (b"pipelining", b"fragmentation")
    assert connected(capabilities=b"").capabilities == (b"fragmentation",)


def test_async_is_never_offered() -> None:
    with pytest.raises(ValueError, match="async"):
        AgentConnection(capabilities=(b"pipelining", b"async"))


def test_a_health_check_is_answered_and_over() -> None:
    connection = AgentConnection()
    check = frames_from_haproxy("2.6.12", "hc-spop-check")[0]
    (event,) = connection.receive_data(check + notify())
    assert isinstance(event, HealthChecked)
    assert (connection.state, connection.closed) == (State.CHECKED, True)
    assert [frame.type for frame in sent(connection)] == [AGENT_HELLO]


def test_healthcheck_false_is_a_hello_as_any_other() -> None:
    assert connected(healthcheck=False).state is State.CONNECTED


# Order


@pytest.mark.parametrize(
    "frame",
    [
        notify(),
        unset(),
        *(
            serialize_frame(Frame(frame_type, FIN, 0, 0, b""))
            for frame_type in (ACK, AGENT_HELLO, AGENT_DISCONNECT, 77)
        ),
    ],
)
def test_nothing_comes_before_the_hello(frame: bytes) -> None:
    connection = AgentConnection()
    error = failure(connection.receive_data(frame), connection, 4)
    assert "waiting for HELLO" in str(error)


@pytest.mark.parametrize(
    "frame", [hello(), *(serialize_frame(Frame(frame_type, FIN, 0, 0, b"")) for frame_type in (101, 102, 103))]
)
def test_what_must_not_follow_the_hello(frame: bytes) -> None:
    connection = connected()
    error = failure(connection.receive_data(frame), connection, 4)
    assert "while the connection is connected" in str(error)


def test_an_unknown_frame_is_skipped() -> None:
    """ "Unknown frames may be silently skipped" (SPOE.txt 3.2.2): ours are counted by whoever drives."""
    connection = connected()
    unknown = b"\x00\x00\x00\x01\x4d"
    events = connection.receive_data(notify() + unknown + notify(3))
    assert [type(event) for event in events] == [Notified, Skipped, Notified]
    assert isinstance(events[1], Skipped)
    assert events[1].frame_type == 0x4D


def test_a_fault_costs_nothing_that_came_before() -> None:
    """The frames before it are reported and answered, ahead of the DISCONNECT."""
    connection = connected()
    events = connection.receive_data(notify(1) + notify(3) + hello() + notify(5))
    assert [type(event) for event in events] == [Notified, Notified, Failed]
    for event in events[:2]:
        assert isinstance(event, Notified)
        connection.acknowledge(event, [UnsetVar(Scope.TXN, b"a")])
    assert [frame.type for frame in sent(connection)] == [ACK, ACK, AGENT_DISCONNECT]


def test_the_table_and_its_picture() -> None:
    """Every state can end in a fault or by our leaving unless it is final, and final ones lead nowhere."""
    for state in State:
        steps = {step for before, step in TRANSITIONS if before is state}
        assert (steps == set()) == (state in FINAL)
        if steps:
            assert {Step.FAULT, Step.LEAVE} <= steps


# Sizes


@pytest.mark.parametrize("length", [16381, 1 << 24, 0xFFFFFFFF])
def test_a_length_above_the_agreed_one_is_refused_at_once(length: int) -> None:
    connection = connected()
    failure(connection.receive_data(length.to_bytes(4, "big")), connection, 3)


def test_the_agreed_length_itself_is_fine() -> None:
    connection = connected(max_frame_size=Uint32(256))
    payload = serialize_messages([Message(b"m", ((b"id", b"x" * 240),))])
    (event,) = connection.receive_data(notify(payload=payload))
    assert isinstance(event, Notified)
    assert event.size == 256


def test_before_the_hello_less_is_accepted() -> None:
    connection = AgentConnection()
    error = failure(connection.receive_data((4097).to_bytes(4, "big")), connection, 3)
    assert str(error) == "a frame of 4097 bytes is above the limit of 4096"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", '"GET "'),
        (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", '"PROX"'),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", '"\\x16\\x03\\x01\\x02"'),
        (b"'\"\x1b[2J", '"\'\\"\\x1b["'),
    ],
)
def test_who_begins_with_another_protocol_is_told_apart_from_haproxy(data: bytes, shown: str) -> None:
    for size in (1, len(data)):
        connection = AgentConnection()
        events = [event for at in range(0, len(data), size) for event in connection.receive_data(data[at : at + size])]
        error = failure(events, connection, 3)
        assert isinstance(error, NotSpop)
        assert str(error) == f"the peer does not speak SPOP: instead of a HELLO it sent {shown}"


@pytest.mark.parametrize(
    ("greeting", "sentence"),
    [
        (hello(supported_versions=b"1.0"), 'HAProxy speaks SPOP "1.0", this agent 2.0'),
        (
            hello(supported_versions=b"\x1b" * 99),
            'HAProxy speaks SPOP "' + r"\x1b" * 80 + '" … 19 more bytes, this agent 2.0',
        ),
        (hello(max_frame_size=b"large"), 'max-frame-size is "large", expected an integer'),
        (hello(max_frame_size=True), "max-frame-size is true, expected an integer"),
        (hello(capabilities=None), "capabilities is NULL, expected a string"),
        (hello(capabilities=7), "capabilities is 7, expected a string"),
    ],
)
def test_a_sentence_shows_values_as_people_write_them(greeting: bytes, sentence: str) -> None:
    connection = AgentConnection()
    (event,) = connection.receive_data(greeting)
    assert isinstance(event, Failed)
    assert str(event.error) == sentence


def test_after_the_hello_a_huge_length_is_haproxys() -> None:
    connection = connected()
    assert isinstance(failure(connection.receive_data(b"GET / HTTP/1.1"), connection, 3), FrameTooBig)


@pytest.mark.parametrize("size", range(7))
def test_a_frame_without_a_whole_header(size: int) -> None:
    connection = connected()
    frame = size.to_bytes(4, "big") + b"\x03\x00\x00\x00\x01\x01"[:size]
    assert "middle" in str(failure(connection.receive_data(frame), connection, 4))


def test_every_truncation_of_a_frame_is_noticed() -> None:
    """The frame says that it is whole, but its content is cut anywhere."""
    for frame in GET200[1:]:
        body = frame[4:]
        for size in range(len(body)):
            connection = connected()
            events = connection.receive_data(size.to_bytes(4, "big") + body[:size])
            assert [type(event) for event in events] == ([Notified] if size == 7 else [Failed])


def test_a_notify_without_messages_is_one_all_the_same() -> None:
    (event,) = connected().receive_data(notify(payload=b""))
    assert isinstance(event, Notified)
    assert (event.stream_id, event.frame_id, event.messages, event.size) == (1, 1, (), 7)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_buffer_may_be_used_again(kind: Callable[[bytearray], bytes]) -> None:
    connection = connected()
    buffer = bytearray(notify())
    (event,) = connection.receive_data(kind(buffer))
    buffer[:] = b"\xff" * len(buffer)
    assert isinstance(event, Notified)
    assert event.messages == (Message(b"m", ((b"id", b"x"),)),)


# Ids


@pytest.mark.parametrize("ids", [(0, 1), (239, 1), (240, 1), (1, 240), (264432, 2288), (2**64 - 1, 2**64 - 1)])
def test_ids_come_back_as_they_were(ids: tuple[int, int]) -> None:
    """Stream-id 0 is legal: HAProxy up to 3.0 counts its streams from there."""
    connection = connected()
    (event,) = connection.receive_data(notify(*ids))
    assert isinstance(event, Notified)
    connection.acknowledge(event)
    (ack,) = sent(connection)
    assert (ack.type, ack.flags, ack.stream_id, ack.frame_id) == (ACK, FIN, *ids)


@pytest.mark.parametrize("frame_type", [HELLO, DISCONNECT])
@pytest.mark.parametrize(("ids", "flags", "status"), [((1, 0), FIN, 4), ((0, 1), FIN, 4), ((0, 0), 0, 10)])
def test_hello_and_disconnect_are_whole_and_outside_of_streams(
    frame_type: int, ids: tuple[int, int], flags: int, status: int
) -> None:
    connection = AgentConnection()
    payload = hello()[11:] if frame_type == HELLO else b""
    frame = serialize_frame(Frame(frame_type, flags, *ids, payload))
    failure(connection.receive_data(frame), connection, status)


def test_ids_may_come_again_before_their_ack() -> None:
    """HAProxy up to 3.0 with continue-on-error; an ACK for the first would be taken for the second's."""
    connection = connected()
    first, second = connection.receive_data(notify() + notify())
    assert isinstance(first, Notified)
    assert isinstance(second, Notified)
    assert connection.frames_in_flight == 2
    assert connection.acknowledge(first, [SetVar(Scope.TXN, b"a", 1)]) == 1
    assert sent(connection) == []
    assert connection.acknowledge(second, [SetVar(Scope.TXN, b"b", 2)]) == 0
    (ack,) = sent(connection)
    assert parse_actions(ack.payload, 0) == [SetVar(Scope.TXN, b"b", 2)]
    assert connection.frames_in_flight == 0
    with pytest.raises(MisuseError):
        connection.acknowledge(first)


# ACK


def test_one_ack_for_each_notify() -> None:
    connection = connected()
    (event,) = connection.receive_data(notify())
    assert isinstance(event, Notified)
    connection.acknowledge(event)
    with pytest.raises(MisuseError, match="stream 1 frame 1"):
        connection.acknowledge(event)
    assert len(sent(connection)) == 1


def test_no_ack_for_a_notify_of_another_connection() -> None:
    """From 3.1 on two connections have the same ids at the same time."""
    one, other = connected(), connected()
    (event,) = one.receive_data(notify())
    other.receive_data(notify())
    assert isinstance(event, Notified)
    with pytest.raises(MisuseError):
        other.acknowledge(event)
    assert other.frames_in_flight == 1


def test_an_ack_without_actions_has_a_harmless_one() -> None:
    """HAProxy 3.1.0 loses an ACK that has none."""
    connection = connected()
    (event,) = connection.receive_data(notify())
    assert isinstance(event, Notified)
    assert connection.acknowledge(event, []) == 0
    (ack,) = sent(connection)
    assert parse_actions(ack.payload, 0) == [HARMLESS_ACTION]


def test_an_ack_is_never_larger_than_agreed() -> None:
    connection = connected(max_frame_size=Uint32(256))
    actions = [SetVar(Scope.TXN, b"%03d" % number, b"x" * 20) for number in range(20)]
    (event,) = connection.receive_data(notify(2**40))
    assert isinstance(event, Notified)
    left_out = connection.acknowledge(event, actions)
    data = connection.data_to_send()
    ack = parse_frame(data[4:])
    assert parse_actions(ack.payload, 0) == actions[: 20 - left_out]
    one = len(actions[0].name) + 20 + 6
    assert 256 - one < len(data) - 4 <= 256


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("scenario", "action"),
    [
        ("err-ok", SetVar(Scope.TXN, b"v", b"ok")),
        ("err-t-int64", SetVar(Scope.TXN, b"v", 2**40)),
        ("err-big-ack-10k", SetVar(Scope.TXN, b"v", b"b" * 10000)),
    ],
)
def test_acks_are_those_that_haproxy_took(version: str, scenario: str, action: SetVar) -> None:
    """The recording agent's frames, length field and all, for the same NOTIFY and action."""
    connection = AgentConnection()
    greeting, notified = frames_from_haproxy(version, scenario)[:2]
    connection.receive_data(greeting)
    connection.data_to_send()
    (event,) = connection.receive_data(notified)
    assert isinstance(event, Notified)
    connection.acknowledge(event, [action])
    assert connection.data_to_send() == next(f for f in frames_to_haproxy(version, scenario) if f[4] == ACK)


def test_after_the_goodbye_nothing_is_sent() -> None:
    connection = connected()
    (event,) = connection.receive_data(notify())
    connection.disconnect()
    assert [frame.type for frame in sent(connection)] == [AGENT_DISCONNECT]
    assert isinstance(event, Notified)
    assert connection.acknowledge(event, [UnsetVar(Scope.TXN, b"a")]) == 1
    assert connection.data_to_send() == b""


# DISCONNECT


def test_haproxys_goodbye_is_answered() -> None:
    """The bytes of 2.6 at ``timeout idle``."""
    connection = connected()
    (goodbye,) = [f for f in frames_from_haproxy("2.6.12", "idle") if f[4] == DISCONNECT]
    assert connection.receive_data(goodbye + notify()) == [Disconnected(StatusCode.TIMEOUT, b"a timeout occurred")]
    assert (connection.state, connection.closed) == (State.DISCONNECTED, True)
    (ours,) = sent(connection)
    assert dict(_pairs(ours)) == {b"status-code": 0, b"message": b"normal"}


def test_a_goodbye_without_reason_is_one_all_the_same() -> None:
    connection = connected()
    bare = serialize_frame(Frame(DISCONNECT, FIN, 0, 0, b""))
    assert connection.receive_data(bare) == [Disconnected(StatusCode.UNKNOWN, b"")]


@pytest.mark.parametrize("status", [*StatusCode, 200])
def test_our_goodbye(status: int) -> None:
    connection = connected()
    connection.disconnect(status, "shutting down")
    connection.disconnect(1, "again")
    assert (connection.state, connection.closed) == (State.LEFT, True)
    (ours,) = sent(connection)
    assert dict(_pairs(ours)) == {b"status-code": status, b"message": b"shutting down"}
    assert connection.receive_data(notify()) == []


def test_a_long_reason_fits_the_smallest_frame() -> None:
    connection = AgentConnection()
    connection.disconnect(4, b"x" * 100_000)
    assert len(connection.data_to_send()) <= 256 + 4


# Fragments


def test_fragments_of_two_frames_at_a_time() -> None:
    connection = connected()
    half = len(MESSAGE) // 2
    first, second = MESSAGE[:half], MESSAGE[half:]
    assert connection.receive_data(notify(1, 1, first, 0) + notify(1, 2, first, 0) + unset(1, 1)) == []
    (event,) = connection.receive_data(unset(1, 2, second, FIN))
    assert isinstance(event, Notified)
    assert (event.stream_id, event.frame_id, event.messages) == (1, 2, (Message(b"m", ((b"id", b"x"),)),))
    (event,) = connection.receive_data(unset(1, 1, second, FIN))
    assert isinstance(event, Notified)
    assert event.size == len(MESSAGE) + 3 * 7
    assert connection.frames_in_flight == 2


def test_an_aborted_frame_is_forgotten() -> None:
    """What HAProxy up to 3.0 sends when the stream gives up in the middle (flt_spoe.c: FIN and ABORT)."""
    connection = connected()
    connection.receive_data(notify(flags=0))
    assert connection.receive_data(unset(flags=FIN | ABORT)) == [Aborted(1, 1)]
    assert connection.frames_in_flight == 0
    (event,) = connection.receive_data(notify())
    assert isinstance(event, Notified)


@pytest.mark.parametrize("flags", [0, FIN, FIN | ABORT])
def test_a_fragment_of_nothing(flags: int) -> None:
    connection = connected()
    failure(connection.receive_data(unset(flags=flags)), connection, 12)


@pytest.mark.parametrize("flags", [0, FIN])
def test_a_second_beginning_of_the_same_frame(flags: int) -> None:
    connection = connected()
    failure(connection.receive_data(notify(flags=0) + notify(flags=flags)), connection, 11)


@pytest.mark.parametrize("frame", [notify(flags=0), unset()])
def test_fragments_that_were_not_announced(frame: bytes) -> None:
    connection = AgentConnection(capabilities=(b"pipelining",))
    connection.receive_data(hello())
    connection.data_to_send()
    failure(connection.receive_data(frame), connection, 10)


def test_a_frame_in_pieces_that_is_broken_as_a_whole() -> None:
    connection = connected()
    events = connection.receive_data(notify(payload=MESSAGE[:-2], flags=0) + unset(flags=FIN))
    failure(events, connection, 4)


# Limits


@pytest.mark.parametrize(
    ("limits", "frames"),
    [
        (Limits(frames_in_flight=3), b"".join(notify(stream) for stream in range(4))),
        (Limits(frames_in_flight=3), notify() * 4),
        (Limits(fragmented_frames=3), b"".join(notify(stream, flags=0) for stream in range(4))),
        (Limits(fragmented_bytes=100), notify(payload=b"x" * 60, flags=0) + unset(payload=b"x" * 41)),
        (Limits(fragmented_bytes=100), notify(1, 1, b"x" * 60, 0) + notify(2, 1, b"x" * 41, 0)),
    ],
)
def test_a_limit_is_a_fault_that_says_which(limits: Limits, frames: bytes) -> None:
    connection = connected(limits)
    error = failure(connection.receive_data(frames), connection, 13)
    assert any(name in str(error) for name in ("frames_in_flight", "fragmented_frames", "fragmented_bytes"))


def test_what_is_taken_out_makes_room() -> None:
    connection = connected(Limits(frames_in_flight=1, fragmented_frames=1, fragmented_bytes=len(MESSAGE)))
    for stream_id in range(5):
        (event,) = connection.receive_data(notify(stream_id, 1, MESSAGE, 0) + unset(stream_id, 1, b"", FIN))
        assert isinstance(event, Notified)
        connection.acknowledge(event)


@pytest.mark.parametrize(
    "limits",
    [
        {"frame_size": 255},
        {"hello_size": 255},
        {"frames_in_flight": 0},
        {"fragmented_frames": 0},
        {"fragmented_bytes": 0},
    ],
)
def test_limits_that_would_refuse_everything(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"limit|256"):
        Limits(**limits)
