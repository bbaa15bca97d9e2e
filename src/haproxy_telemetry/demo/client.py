"""The requests that the demo sends to prove itself, and what came back."""

from __future__ import annotations

import http.client
import json
import secrets
from dataclasses import dataclass, field

from haproxy_telemetry.demo.files import REFUSED_PATH

SECONDS = 10.0

USER_AGENT = "haproxy-telemetry-demo"
TRACESTATE = "demo=caller"


class RequestFailedError(Exception):
    """No answer came: says for which request, and why."""

    def __init__(self, request: Request, port: int, cause: Exception) -> None:
        super().__init__(f"{request.method} http://127.0.0.1:{port}{request.path} failed: {cause or repr(cause)}")
        self.request = request
        self.port = port


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``entry`` names its port; ``caller`` is the trace id and the span id of its traceparent.

    ``refused``: the first HAProxy gives the answer.
    """

    title: str
    method: str
    path: str
    status: int  # of the answer
    entry: str = "haproxy-1"
    body: bytes | None = None
    caller: tuple[str, str] | None = None
    refused: bool = False

    @property
    def traced(self) -> bool:
        """It goes through the ports that are traced."""
        return not self.entry.endswith("-plain")

    @property
    def headers(self) -> dict[str, str]:
        """The headers beside those that HTTP needs."""
        headers = {"user-agent": USER_AGENT}
        if self.caller is not None:
            headers["traceparent"] = f"00-{self.caller[0]}-{self.caller[1]}-01"
            headers["tracestate"] = TRACESTATE
        return headers


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client got: the status, HAProxy's ``x-trace-id`` ("" for none), the fake server's words."""

    status: int
    trace_id: str
    echo: dict[str, object] = field(default_factory=dict)


def demo_requests() -> list[Request]:
    """Return the requests of the proof, the plain one last."""
    caller = (secrets.token_hex(16), secrets.token_hex(8))
    return [
        Request("GET", "GET", "/", 200),
        Request("GET with the caller's traceparent", "GET", "/api/items?page=2", 200, caller=caller),
        Request("POST", "POST", "/api/items", 200, body=b'{"name": "item"}'),
        Request("GET, answered 404", "GET", "/missing", 404),
        Request("GET, answered 500", "GET", "/error", 500),
        Request("GET, refused by HAProxy", "GET", REFUSED_PATH, 403, refused=True),
        Request("GET, not traced", "GET", "/", 200, entry="haproxy-1-plain"),
    ]


def send(request: Request, port: int) -> Answer:
    """Send a request and wait for the answer; raises ``RequestFailedError``. Blocks, for ``SECONDS`` a step at most."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(request.method, request.path, request.body, request.headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers.get("x-trace-id", ""), _echo(response.read(65536)))
    except (OSError, http.client.HTTPException) as error:
        raise RequestFailedError(request, port, error) from error
    finally:
        connection.close()


def _echo(body: bytes) -> dict[str, object]:
    try:
        echo = json.loads(body)
    except ValueError:
        return {}
    return echo if isinstance(echo, dict) else {}
