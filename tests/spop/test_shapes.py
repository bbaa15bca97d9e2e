"""Shapes: learned when a payload comes again and again, bounded whatever comes, and never another reading."""

from __future__ import annotations

from haproxy_telemetry.spop import AgentConnection, Message, Notified, ShapeTable, unpacked
from haproxy_telemetry.spop.messages import serialize_messages
from haproxy_telemetry.spop.shapes import (
    LEARN_AFTER,
    LEARN_AGAIN_AFTER,
    MAX_ALIKE,
    MAX_RUNS,
    MAX_SHAPES,
    MAX_WATCHED,
    all_arguments,
)
from spop.captures import hello_of


def payload(name: bytes, *values: bytes) -> bytes:
    return serialize_messages([Message(name, tuple([(b"v", value) for value in values]))])


def learn(table: ShapeTable, data: bytes, varying: list[list[int]], meaning: object = None) -> bool:
    return table.learn(data, 0, varying, meaning)


def test_a_payload_is_worth_learning_when_it_has_come_a_few_times() -> None:
    table = ShapeTable()
    answers = [table.missed(payload(b"m", b"%d" % number), 0) for number in range(2 * LEARN_AFTER)]
    assert answers == ([False] * (LEARN_AFTER - 1) + [True]) * 2


def test_what_could_not_be_learned_is_tried_again_seldom() -> None:
    table = ShapeTable()
    assert [table.missed(payload(b"m", b""), 0) for _ in range(LEARN_AFTER)][-1]
    table.put_off(payload(b"m", b""), 0)
    missed = [table.missed(payload(b"m", b""), 0) for _ in range(LEARN_AGAIN_AFTER)]
    assert missed == [False] * (LEARN_AGAIN_AFTER - 1) + [True]


def test_shapes_that_begin_alike_are_few_and_the_least_used_makes_room() -> None:
    table = ShapeTable()
    for number in range(MAX_ALIKE):
        assert learn(table, payload(b"m", b"", b"%d" % number), [[0]], number)
    for number in range(1, MAX_ALIKE):
        assert any(
            shape.match(payload(b"m", b"x", b"%d" % number), 0)
            for shape in table.find(payload(b"m", b"", b""), 0) or ()
        )
    assert learn(table, payload(b"m", b"", b"new"), [[0]], "new")
    alike = table.find(payload(b"m", b"", b""), 0)
    assert alike is not None
    assert [shape.meaning for shape in alike] == [*range(1, MAX_ALIKE), "new"]
    assert table.known == MAX_ALIKE
    missed = [table.missed(payload(b"m", b"", b"%d" % number), 0) for number in range(LEARN_AGAIN_AFTER)]
    assert missed == [False] * (LEARN_AGAIN_AFTER - 1) + [True]


def test_a_peer_of_ever_new_layouts_fills_neither_table() -> None:
    table = ShapeTable()
    for number in range(4 * MAX_WATCHED):
        data = payload(b"m%d" % number)
        if any(table.missed(data, 0) for _ in range(LEARN_AFTER)):
            learn(table, data, [[]])
    assert table.known == MAX_SHAPES
    assert len(table._missed) <= MAX_WATCHED
    seldom = ShapeTable()
    for number in range(4 * MAX_WATCHED):
        seldom.missed(payload(b"m%d" % number), 0)
    assert len(seldom._missed) <= MAX_WATCHED


def test_a_large_payload_is_not_learned() -> None:
    table = ShapeTable()
    assert not learn(table, payload(b"m", b"x" * MAX_RUNS), [[]])
    assert learn(table, payload(b"m", b"x" * MAX_RUNS), [[0]])
    assert table.known == 1


def test_a_connection_recognises_what_the_table_knows_and_gives_the_same_messages() -> None:
    def frame(data: bytes) -> bytes:
        body = b"\x03\x00\x00\x00\x01\x05\x01" + data
        return len(body).to_bytes(4, "big") + body

    messages = [Message(b"m", ((b"v", b"1"), (b"w", None), (b"x", 7)))]
    table = ShapeTable()
    table.learn(serialize_messages(messages), 0, all_arguments(messages), "known")
    connection = AgentConnection(shapes=table)
    connection.receive_data(hello_of("3.2.0"))
    others = [Message(b"m", ((b"v", b""), (b"w", b"long" * 100), (b"x", -1)))]
    (event,) = connection.receive_data(frame(serialize_messages(others)))
    assert isinstance(event, Notified)
    assert event.match is not None
    assert (event.match.shape.meaning, event.match.values()) == ("known", [b"", b"long" * 100, -1])
    assert unpacked(event.match.packed([2, 0])) == [-1, b""]
    assert event.messages == tuple(others)
    (stranger,) = connection.receive_data(frame(payload(b"n", b"")))
    assert isinstance(stranger, Notified)
    assert (stranger.match, stranger.messages) == (None, (Message(b"n", ((b"v", b""),)),))


def test_layouts_that_share_a_place_are_told_apart() -> None:
    """The place is a hint: of those that share one, the last that was learned is found there, the others by name."""
    table = ShapeTable()
    names = [b"ab%dc" % number for number in range(10)]  # alike in length and in the letter that counts
    for name in names:
        assert learn(table, payload(name, b""), [[0]], name)
    connection = AgentConnection(shapes=table)
    connection.receive_data(hello_of("3.2.0"))
    assert len({id(table.near(payload(name, b""), 0)) for name in names}) == 1
    for name in names:
        body = b"\x03\x00\x00\x00\x01\x05\x01" + payload(name, b"value")
        (event,) = connection.receive_data(len(body).to_bytes(4, "big") + body)
        assert isinstance(event, Notified)
        assert event.match is not None
        assert (event.match.shape.meaning, event.match.values()) == (name, [b"value"])
        connection.acknowledge(event)
