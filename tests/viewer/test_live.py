"""The live stream: what is new comes, once; clients are bounded, and so is what waits for each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from starlette.types import Message

from haproxy_telemetry.viewer import live
from haproxy_telemetry.viewer.live import MAX_CLIENTS, MAX_PENDING, Hub, LiveStream, TooManyClientsError
from viewer.otlp import Spec, request, trace_id
from viewer.running import Running


@contextmanager
def listening(viewer: Running, **headers: str) -> Iterator[HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", viewer.port, timeout=10)
    connection.request("GET", "/api/viewer/live", headers=headers)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def next_event(stream: HTTPResponse) -> tuple[str, Any]:
    """Read lines up to the end of the next event."""
    name, data = "", ""
    while (line := stream.readline().decode().rstrip("\n")) or not data:
        name = line.removeprefix("event: ") if line.startswith("event: ") else name
        data = line.removeprefix("data: ") if line.startswith("data: ") else data
    return name, json.loads(data)


@pytest.mark.parametrize("headers", [{}, {"Last-Event-ID": "41"}, {"Last-Event-ID": "nonsense"}])
def test_a_new_trace_comes_and_comes_again_when_it_grows(viewer: Running, headers: dict[str, str]) -> None:
    with listening(viewer, **headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert next_event(stream)[0] == "status"
        viewer.send(request(Spec()))
        name, summary = next_event(stream)
        assert (name, summary["traceId"], summary["spans"]) == ("trace", trace_id(1).hex(), 1)
        viewer.send(request(Spec(), Spec(span=2, parent=1)))
        assert next_event(stream)[1]["spans"] == 2
    assert viewer.get("/api/viewer/status")["viewer"]["traces"] == 1


def test_who_has_gone_holds_no_place(viewer: Running) -> None:
    for _ in range(MAX_CLIENTS + 5):
        with listening(viewer) as stream:
            assert next_event(stream)[0] == "status"
            clients = viewer.get("/api/viewer/status")["viewer"]["clients"]
        assert clients <= MAX_CLIENTS


def test_past_the_bound_of_clients_one_more_is_turned_away() -> None:
    async def scenario() -> None:
        hub = Hub(dict)
        clients = [hub.open() for _ in range(MAX_CLIENTS)]
        with pytest.raises(TooManyClientsError):
            hub.open()
        hub.leave(clients[0])
        hub.open()

    asyncio.run(scenario())


def test_what_changes_often_is_told_once_and_what_is_too_much_is_missed() -> None:
    async def scenario() -> None:
        hub = Hub(dict)
        client = hub.open()
        for spans in range(3):
            hub.publish([("a", {"spans": spans}), ("b", {})])
        assert hub.events(client).count(b"event: trace") == 2
        assert hub.events(client) == b""
        hub.publish([(str(number), {"n": number}) for number in range(MAX_PENDING + 10)])
        assert (len(client.pending), client.missed) == (MAX_PENDING, 10)
        assert list(client.pending)[-1] == str(MAX_PENDING + 9)
        assert b'"missed":10' in hub.status_event(client)

    asyncio.run(scenario())


def test_a_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SLOW_S", 0.05)

    async def scenario() -> None:
        hub = Hub(dict)
        stream = LiveStream(hub, hub.open())

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        await asyncio.wait_for(stream({"type": "http"}, receive, send), 5)
        assert hub.clients == 0

    asyncio.run(scenario())
