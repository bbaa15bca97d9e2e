"""Where traces come from: a stream that says nothing for a while is still there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from haproxy_telemetry.watch import sources
from haproxy_telemetry.watch.sources import Hello, Spans, watch

ANSWER_S = 1.0
"""How long an answer may take here. What the agent sends comes after a longer silence."""

TRACE = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "aa", "spanId": "01", "name": "late"}]}]}]}


class _QuietAgent(BaseHTTPRequestHandler):
    """Says who it is, then nothing, then a trace. HTTP/1.0 and `Connection: close`, as the agent's pages have it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b'event: agent\ndata: {"started": 5}\n\n')
        threading.Event().wait(1.5 * ANSWER_S)
        self.wfile.write(b"event: trace\ndata: %s\n\n" % json.dumps(TRACE).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def quiet_agent() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _QuietAgent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_agent_that_is_quiet_for_longer_than_an_answer_may_take_has_not_gone(
    quiet_agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CONNECT_S", ANSWER_S)
    assert [type(news) for news in watch(quiet_agent)] == [Hello, Spans]
