"""Routes, methods and privacy in the spans that leave, by whichever way they were told."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import Laboratory, say
from opentelemetry.semconv.attributes import (
    client_attributes,
    error_attributes,
    http_attributes,
    network_attributes,
    server_attributes,
    service_attributes,
    url_attributes,
    user_agent_attributes,
)
from streams import GOOD, START, identify, said, timers

from haproxy_telemetry.spop import Message
from haproxy_telemetry.trace.conventions import Conventions
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.privacy import TRUNCATE, Privacy
from haproxy_telemetry.trace.routes import RouteTable
from haproxy_telemetry.trace.spans import KIND_CLIENT, KIND_SERVER, Attribute, FinishedSpan
from haproxy_telemetry.trace.stream import EndOfStream, Request, StreamStart
from haproxy_telemetry.trace.streamspans import incomplete_spans, stream_spans

ROUTES = RouteTable([(b"", b"/users/{id}"), (b"GET", b"/{*all}")])
CHOSEN = Conventions(
    known_methods=frozenset((b"GET", b"PROPFIND")),
    routes=ROUTES,
    privacy=Privacy(allowed=frozenset((b"page",)), addresses=TRUNCATE),
)
WITHOUT_CATCH_ALL = Conventions(routes=RouteTable([(b"", b"/users/{id}")]))


def asked(target: bytes, method: bytes = b"GET") -> EndOfStream:
    return GOOD.replaced(request=GOOD.request.replaced(target=target, method=method))


def spans(end: EndOfStream, conventions: Conventions = CHOSEN, *tags: Attribute) -> tuple[FinishedSpan, ...]:
    ids = IdSource()
    return stream_spans(end, identify(end.identity, ids), ids, "spans", tags, conventions)


def test_the_server_span_is_named_by_method_and_route_and_the_client_span_by_its_method() -> None:
    server, client = spans(asked(b"/users/7?token=a&page=2"))[:2]
    assert (server.name, server.kind) == (b"GET /users/{id}", KIND_SERVER)
    assert (client.name, client.kind) == (b"GET", KIND_CLIENT)
    assert said(server, "http.route") == b"/users/{id}"
    assert said(client, "http.route") is None
    assert said(server, "url.path") == b"/users/7"
    assert said(server, "url.query") == b"token=REDACTED&page=2"
    assert said(client, "url.full") == b"http://shop.example:8080/users/7?token=REDACTED&page=2"


def test_an_absolute_target_has_a_route_as_well() -> None:
    assert spans(asked(b"http://shop.example/users/7"))[0].name == b"GET /users/{id}"


def test_the_client_is_truncated_and_the_server_is_not() -> None:
    server, client = spans(GOOD)[:2]
    assert said(server, "client.address") == said(server, "network.peer.address") == b"192.0.2.0"
    assert said(client, "network.peer.address") == said(client, "server.address") == b"10.0.0.1"


def test_in_tcp_mode_too() -> None:
    end = GOOD.replaced(tcp=True, status=0, request=Request(client_address=b"192.0.2.7", client_port=9))
    server = spans(end)[0]
    assert (server.name, said(server, "client.address"), said(server, "http.route")) == (b"TCP", b"192.0.2.0", None)


def test_methods_are_known_by_the_list_that_is_given() -> None:
    known, other = (spans(asked(b"/", method), CHOSEN) for method in (b"PROPFIND", b"POST"))
    assert (known[0].name, said(known[0], "http.request.method")) == (b"PROPFIND", b"PROPFIND")
    assert (other[0].name, other[1].name) == (b"HTTP", b"HTTP")
    for span in other[:2]:
        assert said(span, "http.request.method") == b"_OTHER"
        assert said(span, "http.request.method_original") == b"POST"


def test_a_route_of_the_configurations_own_wins_and_stands_once() -> None:
    tag = (b"http.route", b"/by-a-map/{x}")
    server = spans(asked(b"/users/7"), CHOSEN, tag)[0]
    assert server.name == b"GET /by-a-map/{x}"
    assert [value for key, value in server.attributes if key == b"http.route"] == [b"/by-a-map/{x}"]


def test_a_stream_whose_end_nobody_told_obeys_too() -> None:
    request = GOOD.request.replaced(target=b"/users/7?a=1")
    start = StreamStart(b"k", GOOD.identity, request, START)
    [span] = incomplete_spans(start, identify(GOOD.identity, IdSource()), START + 1, (), CHOSEN)
    assert span.name == b"GET /users/{id}"
    assert (said(span, "url.query"), said(span, "client.address")) == (b"a=REDACTED", b"192.0.2.0")


def test_messages_tags_of_these_names_obey_and_others_do_not() -> None:
    lab = Laboratory(conventions=CHOSEN)
    tags = {b"url.query": b"token=a&page=2", b"url.full": b"https://me:pw@x/?a=1", b"my.query": b"a=1"}
    pairs = [part for key, value in tags.items() for part in ((b"tag", key), (b"", value))]
    client = (
        (b"tag", b"client.address"),
        (b"", IPv4Address("192.0.2.7")),
        (b"tag", b"network.peer.address"),
        (b"", b"?"),
    )
    lab.notify(say((b"span", b"s"), *pairs, *client, (b"finish", b"s")))
    assert dict(lab.trace.spans[0].attributes) == {
        b"url.query": b"token=REDACTED&page=2",
        b"url.full": b"https://REDACTED:REDACTED@x/?a=REDACTED",
        b"my.query": b"a=1",
        b"client.address": b"192.0.2.0",
    }


def test_the_peer_of_the_span_that_goes_upstream_is_no_client() -> None:
    lab = Laboratory(conventions=CHOSEN)
    peer = ((b"tag", b"network.peer.address"), (b"", IPv4Address("10.0.0.1")))
    lab.notify(say((b"span", b"Server session"), *peer, (b"finish", b"Server session")))
    assert dict(lab.trace.spans[0].attributes) == {b"network.peer.address": b"10.0.0.1"}


def test_the_one_message_of_the_standard_profile_obeys() -> None:
    lab = Laboratory(conventions=CHOSEN, limits=TraceLimits(grace_ns=1, ttl_ns=100))
    facts = {b"id": b"stream-1", b"m": b"GET", b"uri": b"/users/7?a=1", b"ci": b"2001:db8:1:2::3", b"t0": b"1000"}
    lab.notify(Message(b"otel:request", (*facts.items(), (b"tag", b"url.query"), (b"", b"b=2"))))
    lab.close()
    [span] = lab.trace.spans
    assert span.name == b"GET /users/{id}"
    assert (said(span, "url.query"), said(span, "client.address")) == (b"b=REDACTED", b"2001:db8:1::")


def test_where_a_record_joins_the_version_is_written_as_the_conventions_write_it() -> None:
    lab = Laboratory(limits=TraceLimits(grace_ns=1, ttl_ns=100))
    version = ((b"tag", b"network.protocol.version"), (b"", b"2.0"))
    lab.notify(say((b"span", b"HAProxy session"), *version, id=b"an-id"))
    lab.record(GOOD.replaced(request=GOOD.request.replaced(version=b"HTTP/2.0")))
    lab.close()
    assert said(lab.trace.spans[0], "network.protocol.version") == b"2"


# Whatever a client sends

SECRET = b"s3cr3t"
targets = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=100).map(lambda raw: b"/users/" + raw),
    st.binary(max_size=30).map(
        lambda raw: b"/x/" + raw.replace(b"#", b"") + b"?a=" + SECRET + raw.replace(b"#", b"") + SECRET
    ),
)


@given(st.one_of(st.just(b"GET"), st.binary(max_size=30)), targets, st.binary(max_size=30), st.binary(max_size=30))
def test_names_are_few_and_values_hidden_for_any_request(method: bytes, target: bytes, host: bytes, ip: bytes) -> None:
    request = Request(method, target, b"http", b"HTTP/1.1", host.replace(SECRET, b""), b"", ip, 1, b"web")
    for span in spans(GOOD.replaced(request=request), WITHOUT_CATCH_ALL):
        if span.kind in (KIND_SERVER, KIND_CLIENT):
            known = method if method in Conventions().known_methods else b"HTTP"
            assert span.name in (known, known + b" /users/{id}")
        for key, value in span.attributes:
            if target.startswith(b"/x/") and key in (b"url.query", b"url.full"):
                assert isinstance(value, bytes)
                assert b"a=" + SECRET not in value


@pytest.mark.parametrize("path", [b"/users/" + b"x" * 20_000, b"/users/\x00\xff\r\n", b"/users/\xc3\x28?\xff=\xff"])
def test_a_path_of_any_kind_is_one_of_its_template(path: bytes) -> None:
    server = spans(asked(path), WITHOUT_CATCH_ALL)[0]
    assert server.name == b"GET /users/{id}"
    assert said(server, "url.path") == path.partition(b"?")[0]


# The names are those of the conventions

STABLE = {
    value
    for page in (
        client_attributes,
        error_attributes,
        http_attributes,
        network_attributes,
        server_attributes,
        service_attributes,
        url_attributes,
        user_agent_attributes,
    )
    for name, value in vars(page).items()
    if name.isupper() and isinstance(value, str)
}


@pytest.mark.parametrize(
    "end",
    [
        asked(b"/users/7?a"),
        asked(b"/", b"BREW").replaced(retries=2, redispatched=True, spoe_error=1),
        GOOD.replaced(tcp=True, status=0),
        GOOD.replaced(status=504, termination=b"sH--", timers=timers(0, 0, 0, None)),
    ],
)
def test_what_is_not_haproxys_own_is_a_stable_attribute_of_the_conventions(end: EndOfStream) -> None:
    """Against the list that OpenTelemetry publishes for Python (stable ones only)."""
    keys = {key.decode() for span in spans(end) for key, _ in span.attributes}
    assert {key for key in keys if not key.startswith("haproxy.")} - STABLE == set()
