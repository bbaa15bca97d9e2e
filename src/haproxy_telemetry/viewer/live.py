"""The live stream: traces that are new or grew, as server-sent events, to a bounded number of clients.

A trace that grows ten times in a moment is told once, with its last state. Who reads more slowly than traces come gets
the newest ones and the number of those it missed; who does not read at all is dropped.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.types import Receive, Scope, Send

MAX_CLIENTS: Final = 32
MAX_PENDING: Final = 500
"""Traces that wait for one client."""

COALESCE_S: Final = 0.2
STATUS_S: Final = 5.0
SLOW_S: Final = 15.0
"""Seconds for a client to take what is sent to it."""

RETRY_MS: Final = 2000

Json = Mapping[str, object]


class TooManyClientsError(Exception):
    """All places are taken."""


class Client:
    """What one client has not been told yet."""

    def __init__(self) -> None:
        self.pending: dict[str, Json] = {}  # by trace id, the one that changed last at the end
        self.missed = 0
        self.more = asyncio.Event()

    def take(self) -> list[Json]:
        """Return what waits, in the order in which it changed."""
        taken, self.pending = list(self.pending.values()), {}
        self.more.clear()
        return taken

    def add(self, trace_id: str, summary: Json) -> None:
        """Put a trace at the end; past the bound the oldest one is missed."""
        self.pending.pop(trace_id, None)
        self.pending[trace_id] = summary
        if len(self.pending) > MAX_PENDING:
            del self.pending[next(iter(self.pending))]
            self.missed += 1
        self.more.set()


class Hub:
    """All clients. Not for several threads."""

    def __init__(self, status: Callable[[], Json]) -> None:
        self._status = status
        self._clients: set[Client] = set()
        self._number = 0
        self.closing = asyncio.Event()

    @property
    def clients(self) -> int:
        """How many listen."""
        return len(self._clients)

    def publish(self, summaries: Sequence[tuple[str, Json]]) -> None:
        """Tell all clients about traces, by their ids."""
        for client in self._clients:
            for trace_id, summary in summaries:
                client.add(trace_id, summary)

    def close(self) -> None:
        """Let all streams end."""
        self.closing.set()
        for client in self._clients:
            client.more.set()

    def open(self) -> Client:
        """Take a client in; raises :class:`TooManyClientsError`."""
        if len(self._clients) >= MAX_CLIENTS:
            raise TooManyClientsError
        client = Client()
        self._clients.add(client)
        return client

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)

    def events(self, client: Client) -> bytes:
        """Return what waits for the client, as events."""
        return b"".join(self._event("trace", summary) for summary in client.take())

    def status_event(self, client: Client) -> bytes:
        """Return how the viewer stands, which is the heartbeat, too."""
        return self._event("status", {**self._status(), "missed": client.missed})

    def _event(self, name: str, data: Json) -> bytes:
        # Ids are for the browser's Last-Event-ID alone: who comes back asks for the list, which has everything.
        self._number += 1
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        return f"event: {name}\nid: {self._number}\ndata: {text}\n\n".encode()


class LiveStream:
    """The ASGI response of one client."""

    def __init__(self, hub: Hub, client: Client) -> None:
        self._hub = hub
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Send until the client has gone, does not read, or the viewer ends."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        gone = asyncio.create_task(_until_gone(receive), name="live-gone")
        telling = asyncio.create_task(self._tell(send, headers), name="live-tell")
        try:
            await asyncio.wait({gone, telling}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._client)
            for task in (gone, telling):
                task.cancel()
            await asyncio.gather(gone, telling, return_exceptions=True)

    async def _tell(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send(send, f"retry: {RETRY_MS}\n\n".encode() + self._hub.status_event(self._client))
        while not self._hub.closing.is_set():
            try:
                await asyncio.wait_for(self._client.more.wait(), STATUS_S)
            except TimeoutError:
                await self._send(send, self._hub.status_event(self._client))
                continue
            await self._send(send, self._hub.events(self._client))
            await asyncio.sleep(COALESCE_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    @staticmethod
    async def _send(send: Send, body: bytes) -> None:
        """Send; a client that does not take it in time raises ``TimeoutError``, and its connection ends."""
        if body:
            await asyncio.wait_for(send({"type": "http.response.body", "body": body, "more_body": True}), SLOW_S)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
