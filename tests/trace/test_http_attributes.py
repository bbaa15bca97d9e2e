"""The names, attributes and status that OpenTelemetry's HTTP conventions ask for."""

from __future__ import annotations

import pytest
from streams import GOOD, spans_of, timers

from haproxy_telemetry.trace.conventions import Conventions
from haproxy_telemetry.trace.http import (
    client_attributes,
    full_url,
    request_attributes,
    server_attributes,
    server_outcome,
    span_name,
    split_host,
    split_target,
    termination_of,
)
from haproxy_telemetry.trace.privacy import Privacy
from haproxy_telemetry.trace.spans import STATUS_ERROR, STATUS_UNSET, AttributeValue
from haproxy_telemetry.trace.stream import EndOfStream, Request, Target


def server(end: EndOfStream) -> dict[str, AttributeValue]:
    return {key.decode(): value for key, value in server_attributes(end)}


def client(end: EndOfStream) -> dict[str, AttributeValue]:
    return {key.decode(): value for key, value in client_attributes(end)}


def test_all_that_a_server_span_says() -> None:
    assert server(GOOD) == {
        "http.request.method": b"GET",
        "url.path": b"/items",
        "url.query": b"id=REDACTED",
        "url.scheme": b"http",
        "network.protocol.name": b"http",
        "network.protocol.version": b"1.1",
        "server.address": b"shop.example",
        "server.port": 8080,
        "user_agent.original": b"probe/1",
        "client.address": b"192.0.2.7",
        "client.port": 4711,
        "network.peer.address": b"192.0.2.7",
        "network.peer.port": 4711,
        "haproxy.frontend.name": b"web",
        "http.response.status_code": 200,
        "haproxy.backend.name": b"origin",
        "haproxy.server.name": b"s1",
        "haproxy.unique_id": b"an-id",
        "haproxy.bytes.received": 56,
        "haproxy.bytes.sent": 1234,
        "haproxy.termination.state": b"----",
    }


def test_all_that_a_client_span_says() -> None:
    assert client(GOOD.replaced(retries=2, redispatched=True)) == {
        "http.request.method": b"GET",
        "server.address": b"10.0.0.1",
        "server.port": 8443,
        "network.peer.address": b"10.0.0.1",
        "network.peer.port": 8443,
        "url.full": b"http://shop.example:8080/items?id=REDACTED",
        "http.response.status_code": 200,
        "http.request.resend_count": 2,
        "haproxy.backend.name": b"origin",
        "haproxy.server.name": b"s1",
        "haproxy.retries": 2,
        "haproxy.redispatched": True,
    }


def test_what_went_wrong_is_said_on_both() -> None:
    end = GOOD.replaced(status=504, termination=b"sH--", timers=timers(0, 0, 0, None), spoe_error=257)
    assert server(end)["error.type"] == client(end)["error.type"] == b"server_timeout"
    assert server(end)["haproxy.termination.cause"] == b"server"
    assert server(end)["haproxy.spoe.error"] == 257


def test_tcp_mode_says_nothing_of_http() -> None:
    end = GOOD.replaced(tcp=True, status=0, request=Request(client_address=b"::1", client_port=9, frontend=b"plain"))
    for said in (server(end), client(end)):
        assert not [name for name in said if name.startswith(("http.", "url.", "network.protocol", "user_agent"))]
        assert said["network.transport"] == b"tcp"
    assert span_name(end.request, True) == b"TCP"


# Names and methods


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PATCH", b"OPTIONS", b"CONNECT"])
def test_a_span_is_named_by_its_method(method: bytes) -> None:
    assert span_name(GOOD.request.replaced(method=method), False) == method


@pytest.mark.parametrize("method", [b"BREW", b"get", b"G" * 100])
def test_another_method_is_other_and_keeps_its_name_aside(method: bytes) -> None:
    request = GOOD.request.replaced(method=method)
    assert span_name(request, False) == b"HTTP"
    assert request_attributes(request)[:2] == [
        (b"http.request.method", b"_OTHER"),
        (b"http.request.method_original", method),
    ]


def test_a_request_that_could_not_be_read_has_no_original_method() -> None:
    assert dict(request_attributes(Request(scheme=b"http"))) == {
        b"http.request.method": b"_OTHER",
        b"url.scheme": b"http",
    }


# Targets and hosts


@pytest.mark.parametrize(
    ("method", "target", "parts"),
    [
        (b"GET", b"/a/b?c=d&e", (b"", b"", b"/a/b", b"c=d&e")),
        (b"GET", b"/", (b"", b"", b"/", b"")),
        (b"GET", b"/?", (b"", b"", b"/", b"")),
        (b"GET", b"/a?b?c", (b"", b"", b"/a", b"b?c")),
        (b"GET", b"/a#b?c", (b"", b"", b"/a", b"")),
        (b"GET", b"/to?u=http://x/y", (b"", b"", b"/to", b"u=http://x/y")),
        (b"GET", b"http://shop.example/a?b", (b"http", b"shop.example", b"/a", b"b")),
        (b"GET", b"HTTPS://me:secret@shop.example:8443", (b"https", b"shop.example:8443", b"/", b"")),
        (b"GET", b"http://shop.example?q", (b"http", b"shop.example", b"/", b"q")),
        (b"OPTIONS", b"*", (b"", b"", b"*", b"")),
        (b"CONNECT", b"shop.example:443", (b"", b"shop.example:443", b"", b"")),
        (b"", b"", (b"", b"", b"", b"")),
    ],
)
def test_targets_are_taken_apart(method: bytes, target: bytes, parts: tuple[bytes, ...]) -> None:
    assert split_target(method, target) == Target(*parts)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        (b"shop.example", (b"shop.example", 0)),
        (b"shop.example:8080", (b"shop.example", 8080)),
        (b"[2001:db8::1]:8080", (b"2001:db8::1", 8080)),
        (b"[2001:db8::1]", (b"2001:db8::1", 0)),
        (b"2001:db8::1", (b"2001:db8::1", 0)),
        (b"[broken", (b"[broken", 0)),
        (b"x:99999", (b"x", 0)),
        (b"x:port", (b"x", 0)),
        (b"x:", (b"x", 0)),
        (b"", (b"", 0)),
    ],
)
def test_hosts_are_taken_apart(authority: bytes, host: tuple[bytes, int]) -> None:
    assert split_host(authority) == host


@pytest.mark.parametrize(("scheme", "port"), [(b"http", 80), (b"https", 443)])
def test_a_host_without_a_port_means_the_schemes(scheme: bytes, port: int) -> None:
    attributes = dict(request_attributes(GOOD.request.replaced(host=b"shop.example", scheme=scheme)))
    assert attributes[b"server.port"] == port


def test_an_absolute_target_stands_in_for_a_missing_host() -> None:
    attributes = dict(request_attributes(Request(method=b"GET", target=b"https://me:pw@shop.example/a")))
    assert attributes[b"server.address"] == b"shop.example"
    assert attributes[b"url.scheme"] == b"https"
    assert attributes[b"url.path"] == b"/a"


@pytest.mark.parametrize(
    ("written", "version"),
    [
        (b"HTTP/1.0", b"1.0"),
        (b"HTTP/1.1", b"1.1"),
        (b"HTTP/2.0", b"2"),
        (b"HTTP/3.0", b"3"),
        (b"2.0", b"2"),
        (b"1.1", b"1.1"),
    ],
)
def test_versions_as_the_log_and_the_message_write_them(written: bytes, version: bytes) -> None:
    assert dict(request_attributes(GOOD.request.replaced(version=written)))[b"network.protocol.version"] == version


def test_a_unix_socket_is_no_address() -> None:
    end = GOOD.replaced(request=GOOD.request.replaced(client_address=b"unix", client_port=1), server_address=b"unix")
    assert "client.address" not in server(end)
    assert "server.address" not in client(end)


@pytest.mark.parametrize(
    ("end", "url"),
    [
        (GOOD, b"http://shop.example:8080/items?id=REDACTED"),
        (GOOD.replaced(request=GOOD.request.replaced(host=b"")), b"http://10.0.0.1:8443/items?id=REDACTED"),
        (GOOD.replaced(server_address=b"::1", request=Request(b"GET", b"/")), b"http://[::1]:8443/"),
        (GOOD.replaced(request=Request(b"OPTIONS", b"*", host=b"x")), b"http://x"),
        (GOOD.replaced(request=Request(b"GET", b"https://me:pw@x/a?b")), b"https://REDACTED:REDACTED@x/a?REDACTED"),
        (GOOD.replaced(request=Request(b"GET", b"http://me@x?a", host=b"x")), b"http://REDACTED:REDACTED@x/?REDACTED"),
        (GOOD.replaced(request=Request(b"GET", b"/@/", host=b"me:pw@x")), b"http://REDACTED:REDACTED@x/@/"),
        (GOOD.replaced(server_address=b"", request=Request(b"GET", b"/")), b""),
    ],
)
def test_the_full_url_is_the_clients_without_credentials(end: EndOfStream, url: bytes) -> None:
    assert full_url(end) == url


def test_what_may_stay_of_a_query_is_asked_wherever_one_is_written() -> None:
    kept = Conventions(privacy=Privacy(keep_queries=True))
    assert dict(request_attributes(GOOD.request, kept))[b"url.query"] == b"id=7"
    assert full_url(GOOD, kept.privacy).endswith(b"/items?id=7")


def test_a_hosts_credentials_are_no_part_of_its_name() -> None:
    assert dict(request_attributes(Request(b"GET", b"/", host=b"me:pw@x:81")))[b"server.address"] == b"x"


# Where HAProxy went


def test_the_frontends_name_is_no_backend() -> None:
    denied = GOOD.replaced(
        status=403, termination=b"PR--", backend=b"web", server=b"", timers=timers(0, None, None, None)
    )
    assert "haproxy.backend.name" not in server(denied)
    assert server(denied.replaced(backend=b"origin"))["haproxy.backend.name"] == b"origin"


def test_a_listen_section_is_both() -> None:
    assert server(GOOD.replaced(backend=b"web"))["haproxy.backend.name"] == b"web"


# Status


@pytest.mark.parametrize(
    ("status", "state", "error_type"),
    [
        (200, b"----", ""),
        (304, b"----", ""),
        (404, b"----", ""),
        (500, b"----", "500"),
        (503, b"LR--", "503"),
        (302, b"LR--", ""),
        (200, b"LR--", ""),
        (403, b"PR--", ""),
        (400, b"PR--", ""),
        (0, b"PR--", ""),
        (429, b"PT--", ""),
        (400, b"PH--", ""),
        (500, b"PR--", "proxy_denied"),
        (500, b"PT--", "proxy_denied"),
        (502, b"PH--", "response_blocked"),
        (200, b"PD--", "proxy_error"),
        (502, b"SH--", "server_abort"),
        (503, b"SC--", "connect_error"),
        (503, b"sC--", "connect_timeout"),
        (503, b"sQ--", "queue_timeout"),
        (504, b"sH--", "server_timeout"),
        (200, b"SD--", "server_abort"),
        (200, b"sD--", "server_timeout"),
        (200, b"CD--", "client_abort"),
        (200, b"CL--", "client_abort"),
        (200, b"cD--", "client_timeout"),
        (400, b"CH--", "client_abort"),
        (400, b"CR--", "client_abort"),
        (408, b"cR--", "client_timeout"),
        (503, b"RC--", "resource_exhausted"),
        (200, b"XX--", ""),
    ],
)
def test_the_server_spans_status(status: int, state: bytes, error_type: str) -> None:
    end = GOOD.replaced(status=status, termination=state)
    outcome = server_outcome(end, termination_of(end))
    assert outcome.error_type == error_type.encode()
    assert outcome.status == (STATUS_ERROR if error_type else STATUS_UNSET)


def test_a_refused_connection_is_not_the_want_of_a_server() -> None:
    end = GOOD.replaced(status=503, termination=b"SC--", server=b"", timers=timers(0, None, None, None))
    assert server(end)["error.type"] == b"no_server"
    assert server(end)["haproxy.termination.reason"] == b"no server was available"


@pytest.mark.parametrize(
    ("status", "state", "response_ms", "error_type", "answered"),
    [
        (200, b"----", 40, "", 200),
        (404, b"----", 40, "404", 404),
        (500, b"----", 40, "500", 500),
        (504, b"sH--", None, "server_timeout", None),
        (502, b"SH--", None, "server_abort", None),
        (200, b"SD--", 40, "server_abort", 200),
        (502, b"PH--", 40, "response_blocked", None),
        (302, b"LH--", 40, "", None),
        (400, b"CD--", None, "client_abort", None),
    ],
)
def test_the_client_spans_status(
    status: int, state: bytes, response_ms: int | None, error_type: str, answered: int | None
) -> None:
    end = GOOD.replaced(status=status, termination=state, timers=timers(1, 2, 3, response_ms))
    said = client(end)
    assert said.get("error.type", b"") == error_type.encode()
    assert said.get("http.response.status_code") == answered
    assert spans_of(end)[1].status == (STATUS_ERROR if error_type else STATUS_UNSET)
