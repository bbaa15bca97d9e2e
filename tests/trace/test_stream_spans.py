"""One stream's spans: whose trace, which ids, what hangs under what; by hand and from HAProxy's own lines."""

from __future__ import annotations

import random

import pytest
from streams import GOOD, MS, START, TRACE, identify, said, spans_of, timers

from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.spans import (
    FLAG_HAS_IS_REMOTE,
    FLAG_IS_REMOTE,
    KIND_CLIENT,
    KIND_INTERNAL,
    KIND_SERVER,
    STATUS_ERROR,
    STATUS_UNSET,
    FinishedSpan,
)
from haproxy_telemetry.trace.stream import EndOfStream, Identity, StreamStart
from haproxy_telemetry.trace.streamspans import incomplete_spans
from records.golden import VERSIONS, stream

CALLER = f"00-{TRACE}-00f067aa0ba902b7-01".encode()
STRANGER = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UPSTREAM_ID = bytes.fromhex("b7ad6b7169203331")


def ids() -> IdSource:
    return IdSource(random.Random(3))


def of(identity: Identity) -> EndOfStream:
    return GOOD.replaced(identity=identity)


# Whose trace


def test_the_header_that_went_upstream_decides_the_trace() -> None:
    server, client, *rest = spans_of(GOOD)
    assert {span.trace_id for span in (server, client, *rest)} == {bytes.fromhex(TRACE)}
    assert client.span_id == UPSTREAM_ID
    assert server.parent_span_id == b""
    assert server.flags == 1 | FLAG_HAS_IS_REMOTE


def test_a_believed_caller_is_the_parent() -> None:
    identity = GOOD.identity.replaced(caller=CALLER, tracestate=b"a=1, b=2")
    server, client, *_ = spans_of(of(identity))
    assert server.parent_span_id == bytes.fromhex("00f067aa0ba902b7")
    assert server.flags == 1 | FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE
    assert client.flags == 1 | FLAG_HAS_IS_REMOTE
    assert (server.trace_state, client.trace_state) == (b"a=1,b=2", b"a=1,b=2")


def test_without_an_upstream_header_the_callers_trace_goes_on() -> None:
    context = identify(Identity(caller=CALLER.replace(b"-01", b"-00")), ids())
    assert context.trace_id == bytes.fromhex(TRACE)
    assert context.flags == 0
    assert len({context.parent_id, context.server_id, context.upstream_id}) == 3


def test_without_any_a_new_sampled_trace_begins() -> None:
    context = identify(Identity(), ids())
    assert context.flags == 1
    assert context.parent_id == b""
    assert context.trace_id != bytes(16)


@pytest.mark.parametrize("broken", [b"garbage", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", b"\xff" * 55])
def test_a_broken_header_is_none(broken: bytes) -> None:
    context = identify(Identity(broken, broken, broken, b"a=1"), ids())
    assert (context.parent_id, context.links, context.trace_state) == (b"", (), b"")


def test_an_untrusted_caller_becomes_a_link() -> None:
    server, client, *_ = spans_of(of(GOOD.identity.replaced(untrusted=STRANGER, tracestate=b"a=1")))
    (link,) = server.links
    assert link.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert link.attributes == ((b"haproxy.link", b"untrusted caller"),)
    assert (server.parent_span_id, server.trace_state, client.links) == (b"", b"", ())


def test_a_caller_of_another_trace_than_the_upstreams_is_a_link_too() -> None:
    context = identify(GOOD.identity.replaced(caller=STRANGER), ids())
    assert (context.trace_id.hex(), context.parent_id) == (TRACE, b"")
    assert [link.attributes for link in context.links] == [((b"haproxy.link", b"caller of another trace"),)]


def test_a_header_that_was_passed_on_as_it_came_gives_nobody_its_id() -> None:
    context = identify(Identity(upstream=CALLER, caller=CALLER), ids())
    assert context.parent_id.hex() == "00f067aa0ba902b7"
    assert len({context.parent_id, context.server_id, context.upstream_id}) == 3


# The tree


def tree(spans: tuple[FinishedSpan, ...]) -> list[tuple[str, int, str]]:
    """Name, kind, and the parent's kind and name."""
    names = {span.span_id: f"{span.kind} {span.name.decode()}" for span in spans}
    return [(span.name.decode(), span.kind, names.get(span.parent_span_id, "")) for span in spans]


def test_phases_hang_where_they_were_spent() -> None:
    assert tree(spans_of(GOOD)) == [
        ("GET", KIND_SERVER, ""),
        ("GET", KIND_CLIENT, "2 GET"),
        ("receive request", KIND_INTERNAL, "2 GET"),
        ("queue", KIND_INTERNAL, "3 GET"),
        ("connect", KIND_INTERNAL, "3 GET"),
        ("wait for response", KIND_INTERNAL, "3 GET"),
        ("transfer", KIND_INTERNAL, "3 GET"),
    ]


def test_times_of_server_and_client() -> None:
    server, client, *_ = spans_of(GOOD)
    assert (server.start_ns, server.end_ns) == (START, START + 250 * MS)
    assert (client.start_ns, client.end_ns) == (START + 10 * MS, START + 250 * MS)


def test_without_a_server_the_servers_span_answers_to_the_upstream_id() -> None:
    end = GOOD.replaced(status=503, termination=b"sQ--", server=b"", timers=timers(1, 249, None, None))
    spans = spans_of(end)
    assert tree(spans) == [
        ("GET", KIND_SERVER, ""),
        ("receive request", KIND_INTERNAL, "2 GET"),
        ("queue", KIND_INTERNAL, "2 GET"),
    ]
    assert spans[0].span_id == UPSTREAM_ID


def test_the_phase_that_a_stream_was_cut_short_in_is_in_error() -> None:
    end = GOOD.replaced(status=504, termination=b"sH--", timers=timers(1, 1, 1, None))
    failed = [span.name for span in spans_of(end) if span.status == STATUS_ERROR]
    assert failed == [b"GET", b"GET", b"wait for response"]


def test_an_answer_in_error_cuts_no_phase_short() -> None:
    failed = [span.name for span in spans_of(GOOD.replaced(status=500)) if span.status == STATUS_ERROR]
    assert failed == [b"GET", b"GET"]


def test_phases_as_events() -> None:
    server, client = spans_of(GOOD, "events")
    assert [(event.name, event.time_ns - START) for event in server.events] == [(b"receive request", 0)]
    assert [(event.name, (event.time_ns - START) // MS) for event in client.events] == [
        (b"queue", 10),
        (b"connect", 30),
        (b"wait for response", 60),
        (b"transfer", 100),
    ]
    assert client.events[3].attributes == ((b"haproxy.phase.duration", 0.15),)


def test_phases_off() -> None:
    assert [span.events for span in spans_of(GOOD, "off")] == [(), ()]


def test_a_stream_whose_end_nobody_told() -> None:
    start = StreamStart(b"an-id", GOOD.identity, GOOD.request, START)
    (span,) = incomplete_spans(start, identify(start.identity, ids()), START + 9, ((b"tag", 1),))
    assert (span.span_id, span.kind, span.status, span.end_ns) == (UPSTREAM_ID, KIND_SERVER, STATUS_UNSET, START + 9)
    assert said(span, "haproxy.incomplete") is True
    assert said(span, "url.path") == b"/items"
    assert said(span, "tag") == 1


# HAProxy's own lines: scenario, the SERVER span's status and error.type, the kinds of its spans, the phases

NO_TRY = ["receive request"]
TO_CONNECT = [*NO_TRY, "connect"]
TO_WAIT = [*TO_CONNECT, "wait for response"]
ALL = [*TO_WAIT, "transfer"]

SCENARIOS = [
    ("get", 200, "", True, ALL),
    ("head", 200, "", True, ALL),
    ("404", 404, "", True, ALL),
    ("500", 500, "500", True, ALL),
    ("streamed", 200, "", True, ALL),
    ("h2", 200, "", True, ALL),
    ("no-server", 503, "no_server", False, NO_TRY),
    ("refused", 503, "connect_error", True, TO_CONNECT),
    ("connect-timeout", 503, "connect_timeout", True, TO_CONNECT),
    ("server-timeout", 504, "server_timeout", True, TO_WAIT),
    ("server-close", 502, "server_abort", True, TO_WAIT),
    ("garbage", 502, "response_blocked", True, TO_WAIT),
    ("queue-timeout", 503, "queue_timeout", False, [*NO_TRY, "queue"]),
    ("deny", 403, "", False, NO_TRY),
    ("return", 200, "", False, NO_TRY),
    ("redirect", 302, "", False, NO_TRY),
    ("tarpit", 500, "proxy_denied", False, ["tarpit"]),
    ("reject", None, "", False, NO_TRY),
    ("silent-drop", None, "", False, NO_TRY),
    ("response-deny", 502, "response_blocked", True, None),
    ("stats", 200, "", False, NO_TRY),
    ("server-abort", 200, "server_abort", True, ALL),
    ("client-stall", 200, "client_timeout", True, ALL),
    ("half-request", 400, "client_abort", False, NO_TRY),
    ("request-timeout", 408, "client_timeout", False, NO_TRY),
    ("bad-request", 400, "", False, NO_TRY),
    ("tcp", None, "", True, ["queue", "connect", "transfer"]),
    ("tcp-refused", None, "connect_error", True, ["queue", "connect"]),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("scenario", "status", "error_type", "tried", "names"), SCENARIOS)
def test_endings_as_haproxy_logged_them(
    version: str, scenario: str, status: int | None, error_type: str, tried: bool, names: list[str] | None
) -> None:
    spans = spans_of(stream(version, scenario))
    assert said(spans[0], "http.response.status_code") == status
    assert (said(spans[0], "error.type") or b"") == error_type.encode()
    assert spans[0].status == (STATUS_ERROR if error_type else STATUS_UNSET)
    assert [span.kind for span in spans if span.kind == KIND_CLIENT] == [KIND_CLIENT] * tried
    if names is not None:
        assert [span.name.decode() for span in spans if span.kind == KIND_INTERNAL] == names


@pytest.mark.parametrize("version", VERSIONS)
def test_the_origin_was_sent_the_client_spans_id(version: str) -> None:
    end = stream(version, "trusted-caller")
    server, client, *_ = spans_of(end)
    assert end.identity.upstream.split(b"-")[2].decode() == client.span_id.hex()
    assert client.parent_span_id == server.span_id
    assert server.parent_span_id.hex() == "00f067aa0ba902b7"
    assert server.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert server.trace_state == b"vendor=1,other=2"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_quarter_second_of_streaming_is_one_of_transfer(version: str) -> None:
    transfer = spans_of(stream(version, "streamed"))[-1]
    assert transfer.name == b"transfer"
    assert 245 * MS <= transfer.end_ns - transfer.start_ns <= 300 * MS
