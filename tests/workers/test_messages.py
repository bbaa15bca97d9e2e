"""What supervisor and worker say to each other arrives as it was, in whatever pieces, compiled or not."""

from __future__ import annotations

from typing import cast

import pytest

from haproxy_telemetry.engines import About, Engine
from haproxy_telemetry.seen import Seen
from haproxy_telemetry.settings import Settings
from haproxy_telemetry.trace.spans import Blob, FinishedSpan, FinishedTrace, SpanEvent, SpanLink
from haproxy_telemetry.workers.messages import (
    Answer,
    Beat,
    Begin,
    Ended,
    Failed,
    Listening,
    Message,
    Offer,
    Question,
    Reader,
    Refused,
    Shown,
    Stop,
    Take,
    Watch,
    encode,
)

LINK = SpanLink(b"t" * 16, b"l" * 8, b"a=1", ((b"n", 1),), 1)
SPAN = FinishedSpan(
    trace_id=b"t" * 16,
    span_id=b"s" * 8,
    parent_span_id=b"p" * 8,
    trace_state=b"a=1",
    flags=1,
    name=b"GET",
    kind=2,
    start_ns=1,
    end_ns=2,
    attributes=((b"text", b"\xff"), (b"blob", Blob(b"\0")), (b"number", 1.5), (b"yes", True)),
    dropped_attributes=3,
    events=(SpanEvent(1, b"event", ((b"a", b"b"),)),),
    dropped_events=4,
    links=(LINK,),
    status=2,
    status_message=b"why",
)

MESSAGES: list[Message] = [
    Begin(1, Settings(), {"A": "b"}, b"secret", "http://127.0.0.1:1/v1/traces"),
    Take([b"\xff", b""]),
    Offer(b"x", 5),
    Question(1, "status"),
    Watch(True),
    Stop(),
    Listening(["127.0.0.1:7000"]),
    Failed(2, "why"),
    Beat({("spans", ""): 1}, "problem"),
    Refused(b"x", 7),
    Shown([FinishedTrace(b"service", (SPAN,)), FinishedTrace(None, (SPAN,))], 2),
    Ended({("spans", ""): 1}, 3),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_arrives_as_it_was(message: Message) -> None:
    assert Reader().receive(encode(message)) == [message]


def test_a_blob_stays_one() -> None:
    [shown] = Reader().receive(encode(Shown([FinishedTrace(None, (SPAN,))], 0)))
    assert isinstance(shown, Shown)
    assert [type(value) for _, value in shown.traces[0].spans[0].attributes] == [bytes, Blob, float, bool]


def test_what_the_status_page_is_made_of_arrives_with_all_it_holds() -> None:
    engine = Engine("127.0.0.1:1", About(*range(len(About._fields))), 5)
    engine.failed("timeout")
    engine.frames = 7
    seen = Seen()
    seen.messages, seen.trace_ns = 3, 9
    [answer] = Reader().receive(encode(Answer(1, (engine, seen))))
    assert isinstance(answer, Answer)
    there, also = cast("tuple[Engine, Seen]", answer.content)
    assert (there.peer, there.about, there.first_ns, there.frames, there.errors) == (
        "127.0.0.1:1",
        engine.about,
        5,
        7,
        {"timeout": 1},
    )
    assert (also.messages, also.trace_ns, also.traces) == (3, 9, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 1 << 20])
def test_messages_come_in_any_pieces(size: int) -> None:
    data = b"".join(map(encode, MESSAGES))
    reader = Reader()
    received = [one for at in range(0, len(data), size) for one in reader.receive(data[at : at + size])]
    assert received == MESSAGES
