"""Who may ask: checked before anything else sees the request. Pure but for ASGI's calls.

The viewer listens on loopback, and so do attackers' pages, in the reader's own browser. A page of another site may
send requests here, and one whose name it makes point to 127.0.0.1 (DNS rebinding) may read the answers: so the Host
must be one of ours, and an Origin, where the browser tells one, this very host. What the browser gets is kept from
loading or sending anything elsewhere by its policy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_QUERY: Final = 8192
"""Bytes of a query; a search with all its tags has some hundred."""

MAX_PATH: Final = 4096
MAX_HEAD: Final = 32 * 1024
"""Bytes of all headers. The HTTP server bounds a head that is not whole yet; one read may bring 256 KiB."""

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # for what does not know frame-ancestors
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def host_name(host: str) -> str:
    """Return the name in a Host header, without its port, in small letters."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0]


class Guard:
    """Refuses requests that are none of ours, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str], refused: Callable[[str], None]) -> None:
        """``hosts`` are the names that are allowed beside loopback's; ``refused`` counts by reason."""
        self._app = app
        self._hosts = {*LOOPBACK, *(host_name(host) for host in hosts)}
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        problem = self._problem(scope)
        if problem is None:
            await self._app(scope, receive, send_safely)
        else:
            status, reason, text = problem
            self._refused(reason)
            await _answer(send_safely, status, text)

    def _problem(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or host_name(hosts[0]) not in self._hosts:
            name = hosts[0][:100] if hosts else "nothing"
            return 403, "foreign_host", f"the viewer is not called {name}; if it is, start it with --allow-host"
        if any(origin != f"{scope['scheme']}://{hosts[0]}".lower() for origin in headers.getlist("origin")):
            return 403, "foreign_origin", "requests of other sites' pages are not answered"
        if sum(len(name) + len(value) for name, value in headers.raw) > MAX_HEAD:
            return 431, "long_head", f"the head of a request has at most {MAX_HEAD} bytes"
        if len(scope["query_string"]) > MAX_QUERY or len(scope.get("raw_path") or b"") > MAX_PATH:
            return 414, "long_url", f"a query has at most {MAX_QUERY} bytes, a path {MAX_PATH}"
        return None


async def _answer(send: Send, status: int, text: str) -> None:
    body = json.dumps({"data": None, "errors": [{"code": status, "msg": text}]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
