"""A recognised payload says exactly what the readers say of it, whatever its values and whatever happened to its bytes.

The readers are the truth; a shape and its script are only faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.core_loop import renumbered
from bench.scenarios import STANDARD, parse_frames
from haproxy_telemetry.dialect import Script, translate, write_script
from haproxy_telemetry.dialect.scripts import MAX_ARGUMENTS
from haproxy_telemetry.dialect.stream import FACTS
from haproxy_telemetry.spop import Binary, Message, Pair, Shape, SpopError, Value
from haproxy_telemetry.spop.messages import parse_messages, serialize_messages
from haproxy_telemetry.spop.shapes import shape_of
from haproxy_telemetry.trace.instructions import Told
from spop.captures import NOTIFY, VERSIONS, frames_from_haproxy

SCENARIOS = ("get200", "seed-chain-7001-ok", "seed-chain-7001-404", "types")

VALUES = st.one_of(
    st.binary(max_size=12),
    st.binary(min_size=230, max_size=260),
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.binary(max_size=4).map(Binary),
    st.ip_addresses(v=4),
    st.sampled_from((b"", b"true", b"1", b"00-" + b"ab" * 16 + b"-" + b"cd" * 8 + b"-01")),
)
NAMES = st.sampled_from(
    (b"id", b"span", b"child-of", b"follows-from", b"tag", b"log", b"baggage", b"finish", b"", b"", b"", b"traceparent",
     b"tracestate", b"upstream", b"link", b"b3", b"uberctx-a", b"what")
)  # fmt: skip
SPANS = st.sampled_from((b"HAProxy session", b"Server session", b"*", b"*req*", b""))
PAIRS = st.tuples(NAMES, st.one_of(SPANS, VALUES))
MESSAGES = st.builds(
    lambda name, key, pairs: Message(b"opentracing:" + name, ((b"id", key), *pairs)),
    st.sampled_from((b"request", b"http_response", b"server_session_end")),
    st.one_of(st.just(b"4e8a-1"), VALUES),
    st.lists(PAIRS, max_size=12),
)


def told_by(shape: Shape, script: Script, payload: bytes) -> list[Told] | None:
    """What shape and script say of a payload, if they say anything."""
    match = shape.match(payload, 0)
    if match is None:
        return None
    told, spoken = script.say(match), script.speak(match)
    if spoken is not None:
        assert told is not None
        assert repr(as_one(told)) == repr(as_one([spoken.told()]))
    return told


def as_one(told: Sequence[Told]) -> list[object]:
    """What several messages tell of one stream, with the values in their places."""
    blocks = [
        (block.replaced(attributes=(), log=(), baggage=()), [
            [(key, one.values[number]) for key, number in places]
            for places in (block.attributes, block.log, block.baggage)
        ])
        for one in told
        for block in one.blocks
    ]  # fmt: skip
    first, *others = told
    assert all(one.key == first.key and one.identity is None and not one.baggage for one in others)
    assert not any(one.marks or one.start or one.attributes for one in told)
    return [first.key, first.identity, first.baggage, blocks]


def learned(messages: Sequence[Message], strict: bool) -> tuple[Shape, Script, list[list[int]]] | None:
    written = write_script(messages, strict)
    if written is None:
        return None
    varying, script = written
    return shape_of(serialize_messages(messages), 0, varying, script), script, varying


def same(fast: list[Told], messages: Sequence[Message], strict: bool) -> None:
    """``repr`` too, since ``True == 1`` and a blob equals its bytes."""
    slow = translate(messages, strict)
    assert (fast, slow.problems, slow.skipped_messages) == (slow.told, [], 0)
    assert repr(fast) == repr(slow.told)


def others(messages: Sequence[Message], varying: list[list[int]], values: Sequence[Value]) -> list[Message]:
    """The messages with other values in the places that differ."""
    left = iter(values)
    changed: list[Message] = []
    for message, numbers in zip(messages, varying, strict=True):
        arguments: list[Pair] = list(message.arguments)
        for number in numbers:
            arguments[number] = (arguments[number][0], next(left))
        changed.append(Message(message.name, tuple(arguments)))
    return changed


@given(st.data(), st.lists(MESSAGES, min_size=1, max_size=3), st.booleans())
def test_a_script_says_what_the_readers_say_for_any_values(
    data: st.DataObject, messages: list[Message], strict: bool
) -> None:
    known = learned(messages, strict)
    if known is None:
        return
    shape, script, varying = known
    count = sum(map(len, varying))
    values = data.draw(st.lists(st.one_of(st.just(b"some"), VALUES), min_size=count, max_size=count))
    changed = others(messages, varying, values)
    payload = serialize_messages(changed)
    fast = told_by(shape, script, payload)
    if fast is not None:
        same(fast, parse_messages(payload, 0), strict)


@given(st.data(), st.sampled_from(VERSIONS), st.sampled_from(SCENARIOS), st.booleans())
def test_damaged_captures_are_recognised_as_what_they_are_or_not_at_all(
    data: st.DataObject, version: str, scenario: str, strict: bool
) -> None:
    payloads = notified(version, scenario)
    payload = bytearray(data.draw(st.sampled_from(payloads)))
    known = learned(parse_messages(bytes(payload), 0), strict)
    if known is None:
        return
    shape, script, _ = known
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(payload)))
        stop = min(len(payload), start + data.draw(st.integers(0, 4)))
        payload[start:stop] = data.draw(st.binary(max_size=4))
    damaged = bytes(payload)
    try:
        truth = parse_messages(damaged, 0)
    except (SpopError, IndexError):
        with suppress(SpopError):
            assert shape.match(damaged, 0) is None
        return
    fast = told_by(shape, script, damaged)
    if fast is not None:
        same(fast, truth, strict)


def notified(version: str, scenario: str) -> list[bytes]:
    """The payloads of a capture's NOTIFYs with small ids."""
    frames = [frame for frame in frames_from_haproxy(version, scenario) if frame[4] == NOTIFY]
    return [frame[11:] for frame in frames if frame[9] < 240 and frame[10] < 240]


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("version", VERSIONS)
def test_what_haproxy_sends_is_recognised(version: str, strict: bool) -> None:
    """Else all of this would be slow and right, and nobody would notice."""
    payloads = notified(version, "seed-chain-7001-ok")
    assert len(payloads) >= 8
    for payload in payloads:
        messages = parse_messages(payload, 0)
        known = learned(messages, strict)
        assert known is not None
        fast = told_by(known[0], known[1], payload)
        assert fast is not None
        same(fast, messages, strict)


def test_values_that_come_and_go_do_not_change_the_shape() -> None:
    def message(key: bytes, caller: Value, address: Value) -> Message:
        tag: tuple[Pair, ...] = ((b"tag", b"client.address"), (b"", address))
        return Message(b"opentracing:request", ((b"id", key), (b"traceparent", caller), (b"span", b"one"), *tag))

    known = learned([message(b"1", None, None)], False)
    assert known is not None
    for key, caller, address in ((b"2", b"00-a", IPv4Address("127.0.0.1")), (b"3", b"", b"unix"), (b"4", None, 7)):
        messages = [message(key, caller, address)]
        fast = told_by(known[0], known[1], serialize_messages(messages))
        assert fast is not None
        same(fast, messages, False)


def test_strictly_a_span_of_which_nothing_is_said_is_left_to_the_readers() -> None:
    """A tag of which the value is missing says nothing, so the span does not begin."""

    def message(value: Value) -> list[Message]:
        tag: tuple[Pair, ...] = ((b"tag", b"a"), (b"", value))
        return [Message(b"opentracing:request", ((b"id", b"1"), (b"span", b"one"), *tag))]

    for strict in (True, False):
        known = learned(message(b"x"), strict)
        assert known is not None
        fast = told_by(known[0], known[1], serialize_messages(message(None)))
        assert (fast is None) is strict
        if fast is not None:
            same(fast, message(None), strict)


@pytest.mark.parametrize("key", [None, b""])
def test_without_an_id_the_readers_have_to_see_it(key: Value) -> None:
    def message(key: Value) -> list[Message]:
        return [Message(b"opentracing:request", ((b"id", key), (b"span", b"one")))]

    known = learned(message(b"1"), False)
    assert known is not None
    assert told_by(known[0], known[1], serialize_messages(message(key))) is None


@pytest.mark.parametrize(
    "pairs",
    [
        ((b"what", b"x"),),
        ((b"traceparent", b"a"), (b"traceparent", b"b")),
        ((b"tracestate", b"a"), (b"tracestate", b"b")),
    ],
    ids=["a problem", "two callers", "two lines of one header"],
)
def test_what_cannot_be_told_in_advance_is_left_to_the_readers(pairs: tuple[Pair, ...]) -> None:
    assert write_script([Message(b"opentracing:request", ((b"id", b"1"), *pairs, (b"span", b"one")))], False) is None


def test_other_families_of_messages_are_left_to_the_readers() -> None:
    start, spans = (
        Message(b"otel:request", ((b"id", b"1"),)),
        Message(b"opentracing:a", ((b"id", b"1"), (b"span", b"b"))),
    )
    assert write_script([Message(b"mine", ((b"id", b"1"),))], False) is None
    assert write_script([start, spans], False) is None
    assert write_script([], False) is None


# The message otel:request

FACT_PAIRS = st.tuples(st.sampled_from((*FACTS, b"tag", b"tag", b"", b"", b"what")), st.one_of(SPANS, VALUES))
STARTS = st.builds(
    lambda key, pairs: Message(b"otel:request", ((b"id", key), *pairs)),
    st.one_of(st.just(b"4e8a-1"), VALUES),
    st.lists(FACT_PAIRS, max_size=12),
)


@given(st.data(), st.lists(STARTS, min_size=1, max_size=2), st.booleans())
def test_a_request_is_told_by_its_script_as_by_its_reader(
    data: st.DataObject, messages: list[Message], strict: bool
) -> None:
    known = learned(messages, strict)
    if known is None:
        return
    shape, script, varying = known
    count = sum(map(len, varying))
    values = data.draw(st.lists(st.one_of(st.just(b"some"), VALUES), min_size=count, max_size=count))
    payload = serialize_messages(others(messages, varying, values))
    fast = told_by(shape, script, payload)
    if fast is not None:
        same(fast, parse_messages(payload, 0), strict)


def test_what_the_profile_standard_sends_is_recognised() -> None:
    """Its last value is a bool: one byte at the very end."""
    frames = parse_frames(STANDARD.path.read_text())
    [payload] = frames.filled(frames.values)
    known = learned(parse_messages(payload, 0), False)
    assert known is not None
    for number in (7, 8):
        [other] = frames.filled(tuple([renumbered(value, number) for value in frames.values]))
        fast = told_by(known[0], known[1], other)
        assert fast is not None
        same(fast, parse_messages(other, 0), False)


def test_a_tag_with_a_value_that_comes_and_goes() -> None:
    def start(value: Value) -> list[Message]:
        return [Message(b"otel:request", ((b"id", b"1"), (b"tag", b"a"), (b"", value), (b"", b"!"), (b"m", b"GET")))]

    known = learned(start(b"x"), False)
    assert known is not None
    for value in (b"y", None, 7, True, Binary(b"\x00")):
        fast = told_by(known[0], known[1], serialize_messages(start(value)))
        assert fast is not None
        same(fast, start(value), False)


def test_a_payload_of_very_many_arguments_is_not_worth_knowing() -> None:
    """What is known of an argument takes far more memory than an empty one on the wire."""
    known = [Message(b"opentracing:request", ((b"id", b"1"),) * (MAX_ARGUMENTS // 2))] * 2
    assert learned(known, False) is not None
    assert learned([*known, known[0]], False) is None
