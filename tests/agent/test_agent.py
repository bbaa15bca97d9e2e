"""One connection's bytes in, answers out, work afterwards; with HAProxy's own frames."""

from __future__ import annotations

import pytest
from recorder import VERSIONS, Recorder, from_haproxy, hello

from haproxy_telemetry.engines import MAX_ENGINES
from haproxy_telemetry.spop import Message, Scope, SetVar
from haproxy_telemetry.spop.actions import parse_actions
from haproxy_telemetry.spop.frames import parse_header
from haproxy_telemetry.spop.messages import serialize_messages


def notify(*messages: Message, stream_id: int = 1, frame_id: int = 1) -> bytes:
    frame = b"\x03\x00\x00\x00\x01" + bytes((stream_id, frame_id)) + serialize_messages(messages)
    return len(frame).to_bytes(4, "big") + frame


def ask(*arguments: tuple[bytes, object], id: object = b"stream-1") -> Message:  # noqa: A002
    return Message(b"opentracing:x", ((b"id", id), *arguments))  # type: ignore[arg-type]


def frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


def variables(ack: bytes) -> dict[tuple[Scope, bytes], object]:
    header = parse_header(ack)
    actions = parse_actions(ack, header.payload_at)
    return {(action.scope, action.name): action.value for action in actions if isinstance(action, SetVar)}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_notify_gets_one_ack_with_at_least_one_action(version: str) -> None:
    recorder = Recorder()
    for connection, data in from_haproxy(version, "seed-chain-7001-ok"):
        answers = frames(recorder.receive(connection, data))
        assert len(answers) == 1
        if data[4] == 3:
            header, asked = parse_header(answers[0]), parse_header(data[4:])
            assert (header.stream_id, header.frame_id) == (asked.stream_id, asked.frame_id)
            assert parse_actions(answers[0], header.payload_at)


def test_the_answer_is_there_before_the_work_is_done() -> None:
    recorder = Recorder()
    recorder.receive("c", hello("3.2.0"))
    session = recorder.sessions["c"]
    answer = session.receive(notify(ask((b"span", b"A"), (b"finish", b"A"))), recorder.now)
    assert len(frames(answer)) == 1
    assert recorder.traces == []
    recorder.agent.carry_out()
    assert len(recorder.traces) == 1


def test_all_frames_of_one_read_are_answered_by_one_write() -> None:
    recorder = Recorder()
    recorder.receive("c", hello("3.2.0"))
    burst = b"".join(notify(ask((b"span", b"A"), id=b"s%d" % n), stream_id=n) for n in range(1, 21))
    assert len(frames(recorder.receive("c", burst))) == 20


def test_context_goes_back_in_every_configured_scope_and_once() -> None:
    recorder = Recorder(scopes=(Scope.TXN, Scope.REQ))
    recorder.receive("c", hello("2.6.12"))
    [first] = frames(recorder.receive("c", notify(ask((b"span", b"A")))))
    set_in_first = variables(first)
    assert {name for _, name in set_in_first} == {b"traceparent", b"trace_id"}
    assert {scope for scope, _ in set_in_first} == {Scope.TXN, Scope.REQ}
    [second] = frames(recorder.receive("c", notify(ask((b"span", b"B"), (b"child-of", b"A")), frame_id=2)))
    assert variables(second) == {}
    trace_id = set_in_first[Scope.TXN, b"trace_id"]
    recorder.receive("c", notify(ask((b"finish", b"*")), frame_id=3))
    assert recorder.traces[0].spans[0].trace_id.hex().encode() == trace_id


def test_one_stream_over_several_connections_is_one_trace() -> None:
    """From 3.1 on every event has its own stream-id, and comes over any connection (facts S1, S2)."""
    recorder = Recorder()
    for connection in "abc":
        recorder.receive(connection, hello("3.2.0"))
    recorder.receive("a", notify(ask((b"span", b"A")), stream_id=1))
    recorder.receive("b", notify(ask((b"span", b"X"), id=b"stream-2"), stream_id=1))
    recorder.receive("b", notify(ask((b"span", b"B"), (b"child-of", b"A")), stream_id=3))
    recorder.sessions["a"].lost()
    recorder.receive("c", notify(ask((b"finish", b"*")), stream_id=1))
    assert [[span.name for span in trace.spans] for trace in recorder.traces] == [[b"A", b"B"]]


def test_variables_that_do_not_fit_a_small_frame_are_left_out_and_counted() -> None:
    recorder = Recorder(scopes=(Scope.TXN, Scope.REQ))
    small = hello("2.6.12")[4:].replace(b"\x03\xfc\xf0\x06", b"\x03\xf0\x01")  # max-frame-size 256
    recorder.receive("d", len(small).to_bytes(4, "big") + small)
    caller = (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")
    state = (b"tracestate", b"k=" + b"v" * 30)
    [ack] = frames(recorder.receive("d", notify(ask(caller, state, (b"span", b"A")))))
    assert {name for _, name in variables(ack)} == {b"traceparent", b"trace_id"}
    assert len(ack) <= 256
    assert recorder.stats.get("variables_dropped", "frame_full") == 2


def test_a_missing_id_is_counted_and_answered() -> None:
    recorder = Recorder()
    recorder.receive("c", hello("2.6.12"))
    for n in range(1, 4):
        assert len(frames(recorder.receive("c", notify(ask((b"span", b"A"), id=None), frame_id=n)))) == 1
    assert recorder.stats.get("dsl_problems", "id_null") == 3
    recorder.agent.close(recorder.now)
    assert recorder.traces == []


def test_a_frontend_without_ids_is_complained_of_once_whatever_its_messages(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    recorder.receive("c", hello("2.6.12"))
    for n, name in enumerate((b"opentracing:a", b"opentracing:b", b"otel:request"), 1):
        recorder.receive("c", notify(Message(name, ((b"id", None),)), frame_id=n))
    [complaint] = [line.__dict__["fields"] for line in caplog.records if line.levelname == "WARNING"]
    assert complaint["reason"] == "id_null"
    assert "unique-id-format" in complaint["so"]


def test_a_broken_connection_leaves_the_others_and_their_traces_alone() -> None:
    recorder = Recorder()
    recorder.receive("good", hello("2.6.12"))
    recorder.receive("good", notify(ask((b"span", b"A"))))
    answer = recorder.receive("bad", b"GET / HTTP/1.1\r\n\r\n")
    assert recorder.sessions["bad"].closed
    assert frames(answer)[0][0] == 102
    assert recorder.stats.get("protocol_errors", "not_spop") == 1
    recorder.receive("good", notify(ask((b"finish", b"*")), frame_id=2))
    assert len(recorder.traces) == 1


def test_who_speaks_another_protocol_is_no_broken_haproxy(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    for number in range(3):
        recorder.receive(f"scanner {number}", b"GET / HTTP/1.1\r\n\r\n")
    [line] = caplog.records
    assert line.getMessage() == "a peer does not speak SPOP"
    assert line.__dict__["fields"]["peer"] == "scanner 0"
    assert str(line.__dict__["fields"]["error"]).endswith('instead of a HELLO it sent "GET "')


def test_traces_expire_when_time_passes_and_leave_at_the_end() -> None:
    recorder = Recorder()
    recorder.receive("c", hello("2.6.12"))
    recorder.receive("c", notify(ask((b"span", b"A"))))
    recorder.agent.tick(recorder.now + 299_000_000_000)
    assert recorder.traces == []
    recorder.agent.tick(recorder.now + 301_000_000_000)
    assert len(recorder.traces) == 1
    recorder.receive("c", notify(ask((b"span", b"B"), id=b"2"), frame_id=2))
    recorder.agent.close(recorder.now)
    assert len(recorder.traces) == 2


def test_an_engine_has_left_when_it_had_no_connection_for_a_minute() -> None:
    """Connections come and go with the load; that is no news."""
    recorder = Recorder()
    recorder.receive("a", hello("2.6.12"))
    recorder.receive("b", hello("2.6.12"))
    assert [engine.connections for engine in recorder.agent.engines.known.values()] == [2]
    recorder.sessions["a"].lost()
    recorder.sessions["b"].lost()
    recorder.agent.tick(recorder.now)
    recorder.agent.tick(recorder.now + 59_000_000_000)
    recorder.receive("c", hello("2.6.12"))
    recorder.agent.tick(recorder.now + 120_000_000_000)
    assert [engine.connections for engine in recorder.agent.engines.known.values()] == [1]
    recorder.sessions["c"].lost()
    recorder.agent.tick(recorder.now)
    recorder.agent.tick(recorder.now + 60_000_000_000)
    assert recorder.agent.engines.known == {}


def test_invented_engine_names_fill_no_memory() -> None:
    recorder = Recorder()
    greeting = hello("3.2.0")
    name_at = greeting.index(b"engine-id") + len(b"engine-id") + 2
    for number in range(MAX_ENGINES + 5):
        invented = b"%036d" % number
        recorder.receive(str(number), greeting[:name_at] + invented + greeting[name_at + 36 :])
    assert len(recorder.agent.engines.known) == MAX_ENGINES
    assert recorder.stats.get("engines_unlisted") == 5
    for session in recorder.sessions.values():
        session.lost()
    assert not any(engine.connections for engine in recorder.agent.engines.known.values())


def test_the_agent_leaves_with_a_disconnect() -> None:
    recorder = Recorder()
    recorder.receive("a", hello("2.6.12"))
    [farewell] = frames(recorder.sessions["a"].disconnect())
    assert farewell[0] == 102
    assert recorder.sessions["a"].closed
    assert recorder.sessions["a"].disconnect() == b""
