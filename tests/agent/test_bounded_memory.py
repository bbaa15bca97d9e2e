"""What a HAProxy, or whoever speaks like one, can make the agent keep: so much, however long it goes on."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorder import hello

from haproxy_telemetry.agent import Agent
from haproxy_telemetry.dialect import opentracing
from haproxy_telemetry.exporters import CloseReport
from haproxy_telemetry.otlp import encode
from haproxy_telemetry.otlp.batch import Batcher, BatchLimits
from haproxy_telemetry.otlp.encode import encode_span
from haproxy_telemetry.otlp.resource import ResourceTable
from haproxy_telemetry.session import Session
from haproxy_telemetry.spop import Message, Scope, values
from haproxy_telemetry.spop.frames import serialize_ids
from haproxy_telemetry.spop.messages import serialize_messages
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.spans import FinishedTrace
from retained import retained

# Small, so that some frames pass each of them.
TRACES = TraceLimits(
    max_traces=100,
    max_trace_bytes=65_536,
    max_bytes=131_072,
    max_spans=32,
    max_attributes=32,
    max_events=8,
    max_links=8,
)
QUEUE = BatchLimits(queue_bytes=65_536)

MOST = 2_000_000
"""Bytes that may be kept under these bounds. A byte of payload is up to ten in memory (tags of two characters), and
the queue, the caches and the names of a hundred traces come to some hundred kB."""

TIMES = 300


class Encoding:
    """An exporter that encodes and queues as OTLP's does; nobody takes anything out of the queue."""

    def __init__(self, stats: Stats) -> None:
        self._resources = ResourceTable(((b"service.name", b"edge"),), stats)
        self._batcher = Batcher(QUEUE)

    def export(self, trace: FinishedTrace) -> None:
        resource = self._resources.of(trace.service).encoded
        self._batcher.add(resource, [encode_span(span) for span in trace.spans], 0.0)

    def close(self, timeout_s: float) -> CloseReport:
        raise NotImplementedError


class Target:
    """An agent, one connection to it, and all that it keeps; the caches of the process are empty at first."""

    def __init__(self) -> None:
        for names in encode._names:
            names.clear()
        encode._keys.clear()
        opentracing._is_response_side.cache_clear()
        stats = Stats()
        self.now = 1_700_000_000_000_000_000
        self._exporter = Encoding(stats)
        assembler = Assembler(ids=IdSource(), stats=stats, limits=TRACES)
        self._agent = Agent(assembler=assembler, exporter=self._exporter, stats=stats, scopes=[Scope.TXN])
        self._session = Session(self._agent, "peer")
        assert self._session.receive(greeting(), self.now)

    def notify(self, messages: list[Message]) -> None:
        payload = serialize_messages(messages)
        frame = b"\x03\x00\x00\x00\x01" + serialize_ids(1, 1) + payload
        assert self._session.receive(len(frame).to_bytes(4, "big") + frame, self.now)
        assert not self._session.closed
        self._agent.carry_out()
        self.now += 1000

    @property
    def kept(self) -> int:
        caches = (encode._names, encode._keys, opentracing._is_response_side, values._ipv4)
        return retained(self._agent, self._session, self._exporter, *caches)


def greeting() -> bytes:
    """HAProxy's HELLO with the largest frames that the agent takes."""
    usual = hello("3.2.0")[4:]
    assert usual.count(b"\x03\xfc\xf0\x06") == 1
    large = usual.replace(b"\x03\xfc\xf0\x06", b"\x03\xf0\xf1\xfe\x1e")  # 1,032,192
    return len(large).to_bytes(4, "big") + large


Text = Callable[[int], bytes]
"""A text of the frame of that number: another one in each, or the same in all."""

Arguments = list[tuple[Text, Text]]
Shape = list[tuple[Text, Text, list[Arguments]]]
"""Messages, each with its name, the id of its stream, and what it says of it."""


def text(size: int, changes: bool) -> Text:
    return lambda number: (b"%06d" % number if changes else b"").ljust(size, b"x")[:size]


def word(known: bytes) -> Text:
    return lambda number: known


def about(known: bytes, *values: st.SearchStrategy[Text]) -> st.SearchStrategy[Arguments]:
    """An argument, and the further values that belong to it."""
    names = [word(known)] + [word(b"")] * (len(values) - 1)
    return st.tuples(*values).map(lambda drawn: list(zip(names, drawn, strict=True)))


IDS = st.sampled_from((text(7, True), text(100, True), text(7, False), text(0, False)))
any_text = st.sampled_from((text(12_000, True), text(7, True), text(7, False), text(0, False)))
BEGIN = about(b"span", any_text)
END = [(word(b"finish"), word(b"*"))]
SAID = st.one_of(
    BEGIN,
    about(b"tag", any_text, any_text),
    about(b"log", any_text, any_text),
    about(b"baggage", any_text, any_text),
    about(b"finish", any_text),
    st.sampled_from((b"child-of", b"follows-from", b"traceparent", b"tracestate", b"upstream")).flatmap(
        lambda name: about(name, any_text)
    ),
    st.sampled_from((b"link", b"m", b"uri", b"host", b"svc", b"ua", b"t0")).flatmap(lambda name: about(name, any_text)),
    st.tuples(any_text, any_text).map(lambda pair: [pair]),
)
SAYS = st.tuples(BEGIN, st.lists(SAID, max_size=5), st.sampled_from(([], END))).map(lambda s: [s[0], *s[1], s[2]])
NAMES = st.sampled_from((b"opentracing:", b"opentracing:", b"otel:", b"")).flatmap(
    lambda prefix: any_text.map(lambda rest: lambda number: prefix + rest(number))
)
SHAPES: st.SearchStrategy[Shape] = st.lists(st.tuples(NAMES, IDS, SAYS), min_size=1, max_size=3)


def frame(shape: Shape, number: int) -> list[Message]:
    return [
        Message(
            name(number),
            ((b"id", id_(number)), *((key(number), value(number)) for one in said for key, value in one)),
        )
        for name, id_, said in shape
    ]


@given(SHAPES)
@settings(max_examples=150)
def test_hostile_frames_leave_only_so_much_behind(shape: Shape) -> None:
    target = Target()
    for number in range(TIMES):
        target.notify(frame(shape, number))
    assert target.kept < MOST


def spans(number: int, *pairs: tuple[bytes, bytes], id_: bytes = b"") -> list[Message]:
    """A stream of one span, which ends at once."""
    about = ((b"id", id_ or b"%d" % number), (b"span", b"A"), *pairs, (b"finish", b"*"))
    return [Message(b"opentracing:x", about)]


def long_text(number: int) -> bytes:
    return b"%d" % number + b"x" * 12_000


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda n: spans(n, (b"tag", long_text(n)), (b"", b"v")), id="names of tags"),
        pytest.param(lambda n: spans(n, (b"log", long_text(n)), (b"", b"v")), id="names of logs"),
        pytest.param(lambda n: spans(n, (b"span", long_text(n))), id="names of spans"),
        pytest.param(lambda n: spans(n, (b"tag", b"service.name"), (b"", long_text(n))), id="names of services"),
        pytest.param(lambda n: spans(n, (long_text(n), b"")), id="names of arguments"),
        pytest.param(lambda n: spans(n, (b"child-of", long_text(n))), id="names of parents"),
        pytest.param(lambda n: spans(n, id_=long_text(n)), id="names of streams"),
        pytest.param(lambda n: [Message(b"opentracing:" + long_text(n), ())], id="names of messages"),
    ],
)
def test_long_names_that_come_once_are_not_kept(made: Callable[[int], list[Message]]) -> None:
    target = Target()
    before = target.kept
    for number in range(400):
        target.notify(made(number))
    assert target.kept - before < 500_000


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda n: spans(n, id_=b"%d" % n + b"x" * 100_000), id="ids"),
        pytest.param(
            lambda n: spans(
                n,
                *[pair for i in range(60) for pair in ((b"baggage", b"%d" % i), (b"", b"%d" % n + b"v" * 1_000))],
                (b"log", b"x" * 100_000),
            ),
            id="baggage",
        ),
    ],
)
def test_a_frame_too_large_for_its_trace_leaves_little(made: Callable[[int], list[Message]]) -> None:
    target = Target()
    for number in range(200):
        target.notify(made(number))
    assert target.kept < MOST


def test_wide_frames_in_ever_other_orders_leave_only_so_much_behind() -> None:
    """Each order is a course of its own, which knows all that its frames say of spans."""
    target, chance = Target(), random.Random(1)

    def wide(layout: int, stream: int) -> list[Message]:
        said = [pair for n in range(30) for pair in ((b"span", b"%d" % n), (b"tag", b"%d" % layout), (b"", b"v"))]
        return [Message(b"opentracing:%d" % layout, ((b"id", b"%d" % stream), *said))]

    for layout in range(40):
        for time in range(8):
            target.notify(wide(layout, time))
    for stream in range(400):
        for _ in range(8):
            target.notify(wide(chance.randrange(40), stream))
        target.notify(spans(stream))
    assert target.kept < MOST
