"""``/tail``: traces as they leave, to those who watch, at no cost where nobody does."""

from __future__ import annotations

import json

from haproxy_telemetry.admin.listener import MAX_CONNECTIONS
from haproxy_telemetry.taps import MOST_TAPS, RING_TRACES, Taps
from haproxy_telemetry.trace.spans import FinishedTrace
from otlp.spans import a_trace
from server.running_agent import wait_for

from .pages import World, ask, connect, rest_of, served


class Reader:
    """One who watches."""

    def __init__(self, address: str, host: str = "127.0.0.1") -> None:
        self.sock = connect(address)
        self.sock.sendall(f"GET /tail HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        self.held = b""

    def until(self, mark: bytes) -> bytes:
        while mark not in self.held:
            data = self.sock.recv(65536)
            assert data, self.held[:300]
            self.held += data
        found, _, self.held = self.held.partition(mark)
        return found + mark

    def event(self) -> tuple[str, dict[str, object]]:
        name, _, data = self.until(b"\n\n").strip().partition(b"\n")
        return name.removeprefix(b"event: ").decode(), json.loads(data.removeprefix(b"data: "))


def watching(address: str, world: World) -> Reader:
    reader = Reader(address)
    head = reader.until(b"\r\n\r\n")
    assert b" 200 " in head
    assert b"text/event-stream" in head
    assert b"Content-Length" not in head
    assert reader.event() == ("agent", {"version": "1.2.3", "started": 1_700_000_000.0})
    assert world.taps.open
    return reader


def ids(event: tuple[str, dict[str, object]]) -> str:
    return str(event[1]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"])  # type: ignore[index]


def test_a_trace_is_shown_to_all_who_watch_and_in_order() -> None:
    world = World()
    with served(world) as address:
        first, second = watching(address, world), watching(address, world)
        traces = [a_trace(2), a_trace(3)]
        world.taps.offer(traces)
        for reader in (first, second):
            assert [ids(reader.event()) for _ in traces] == [trace.spans[0].trace_id.hex() for trace in traces]
        first.sock.close()
        wait_for(lambda: len(world.taps.open) == 1, "the first to be forgotten")
        world.taps.offer(traces[:1])
        assert second.event()[0] == "trace"
        second.sock.close()
        wait_for(lambda: world.taps.open == (), "the second to be forgotten")


def test_who_is_too_slow_loses_the_oldest_and_is_told_how_many() -> None:
    tap = Taps().add(lambda: None)
    traces = [a_trace(1) for _ in range(RING_TRACES + 7)]
    tap.offer(traces)
    first = tap.take()
    assert (first.trace, first.lost) == (traces[7], 7)
    assert tap.take() == (traces[8], 0)


def test_a_reader_that_does_not_read_is_told_its_losses_later() -> None:
    world = World()
    with served(world) as address:
        reader = watching(address, world)
        big = FinishedTrace(b"x", tuple(span.replaced(name=b"n" * 100_000) for span in a_trace(1).spans))
        for _ in range(400):
            world.taps.offer([big])
        seen, lost = 0, 0
        while seen + lost < 400:
            name, data = reader.event()
            if name == "lost":
                lost += int(str(data["traces"]))
            else:
                seen += 1
        assert seen + lost == 400
        assert lost > 0


def test_watchers_are_bounded_and_do_not_keep_scrapers_out() -> None:
    world = World()
    with served(world) as address:
        readers = [watching(address, world) for _ in range(MOST_TAPS)]
        one_more = Reader(address)
        assert b" 503 " in rest_of(one_more.sock)
        idle = [connect(address) for _ in range(MAX_CONNECTIONS + 4)]
        assert ask(address, "/metrics")[0] == 200
        world.taps.offer([a_trace(1)])
        assert [reader.event()[0] for reader in readers] == ["trace"] * MOST_TAPS
        for sock in (*idle, *(reader.sock for reader in readers)):
            sock.close()


def test_a_page_of_another_site_does_not_watch() -> None:
    world = World()
    with served(world) as address:
        assert b" 403 " in rest_of(Reader(address, "evil.example").sock)
        assert ask(address, "/tail", host="127.0.0.1", origin="https://evil.example")[0] == 403
        assert ask(address, "/tail", "HEAD", host="127.0.0.1")[2] == b""
        assert world.taps.open == ()


def test_the_stream_ends_with_the_agent() -> None:
    world = World()
    with served(world) as address:
        reader = watching(address, world)
    assert rest_of(reader.sock) == b""
    assert world.taps.open == ()
