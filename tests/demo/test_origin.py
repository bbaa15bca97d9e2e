"""The fake server in this process, its spans in memory."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from haproxy_telemetry.demo.origin import Origin

CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def port(spans: InMemorySpanExporter) -> Iterator[int]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with Origin(0, provider.get_tracer("test")) as origin:
        thread = threading.Thread(target=origin.serve_forever, args=(0.01,))
        thread.start()
        yield origin.server_address[1]
        origin.shutdown()
        thread.join()


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None
    finally:
        connection.close()


def server_span(spans: InMemorySpanExporter) -> ReadableSpan:
    [span] = [span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER]
    return span


def test_it_continues_the_callers_trace_and_says_what_it_got(port: int, spans: InMemorySpanExporter) -> None:
    headers = {"TraceParent": f"00-{CALLER[0]}-{CALLER[1]}-01", "tracestate": "a=b"}
    status, said = ask(port, "POST", "/api/items?page=2", b"12345", headers)
    assert status == 200
    assert (said["trace_id"], said["traceparent"], said["tracestate"]) == (CALLER[0], headers["TraceParent"], "a=b")
    assert (said["method"], said["body_bytes"]) == ("POST", 5)

    span = server_span(spans)
    assert span.parent is not None
    assert format_span_id(span.parent.span_id) == CALLER[1]
    assert span.context is not None
    assert format_trace_id(span.context.trace_id) == CALLER[0]
    assert span.name == "POST"
    attributes = dict(span.attributes or {})
    assert attributes["url.path"] == "/api/items"
    assert attributes["url.query"] == "page=2"
    assert attributes["server.address"] == "127.0.0.1"
    assert attributes["http.response.status_code"] == 200
    children = [one for one in spans.get_finished_spans() if one.parent and one.parent.span_id == span.context.span_id]
    assert [one.name for one in children] == ["look up", "render"]


@pytest.mark.parametrize("traceparent", [None, "", "00-zz", f"00-{'0' * 32}-{CALLER[1]}-01"])
def test_without_a_valid_context_it_begins_a_trace(
    port: int, spans: InMemorySpanExporter, traceparent: str | None
) -> None:
    _, said = ask(port, "GET", "/", headers={} if traceparent is None else {"traceparent": traceparent})
    assert server_span(spans).parent is None
    assert said["trace_id"] != CALLER[0]
    assert said["traceparent"] == traceparent


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/missing", 404, StatusCode.UNSET), ("/error?x", 500, StatusCode.ERROR), ("/else", 200, StatusCode.UNSET)],
)
def test_its_status_is_an_error_of_the_server_from_500_on(
    port: int, spans: InMemorySpanExporter, path: str, status: int, code: StatusCode
) -> None:
    assert ask(port, "GET", path)[0] == status
    assert server_span(spans).status.status_code is code


def test_head_has_no_body(port: int) -> None:
    assert ask(port, "HEAD", "/") == (200, None)


def test_a_body_that_it_does_not_read_is_refused_and_the_connection_ends(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        said = b""
        while piece := peer.recv(4096):
            said += piece
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1") == 1
