"""Where finished traces come from: a running agent (``/tail``) or viewer (``/api/viewer/live``), over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from haproxy_telemetry.terminal.otlpjson import BadTraceError, parse_trace
from haproxy_telemetry.watch.events import LONGEST_EVENT, Event, EventTooLongError, parse_events

CONNECT_S: Final = 3.0
SILENCE_S: Final = 30.0
"""Seconds without a sign of life: the agent gives one every 10 s, the viewer every 5 s."""

_FAILURES: Final = (OSError, http.client.HTTPException, EventTooLongError)


class CannotWatchError(Exception):
    """Nobody there, or not who we look for; says where and why."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url}: {reason}")


@dataclass(frozen=True, slots=True)
class Hello:
    """Who is there: ``what`` is agent or viewer; ``began`` tells one run from the next, 0.0 where it is not said."""

    what: str
    url: str
    began: float


@dataclass(frozen=True, slots=True)
class Spans:
    """Parts of a trace (OTLP's ``resourceSpans``), or with ``whole`` all that there is of it now."""

    trace_id: str
    parts: list[Any]
    whole: bool


@dataclass(frozen=True, slots=True)
class Lost:
    """So many traces were not shown, because we are too slow."""

    traces: int


News = Hello | Spans | Lost


def watch(url: str) -> Iterator[News]:
    """Yield what happens at a URL, ``Hello`` first, until the other side ends; raises :class:`CannotWatchError`."""
    base = _base(url)
    for path, read in (("/tail", _from_agent), ("/api/viewer/live", _from_viewer)):
        connection = _connect(base)
        try:
            connection.request("GET", path, headers={"Accept": "text/event-stream"})
            sock = connection.sock  # forgotten by the connection if the answer says `Connection: close`, as the agent's
            answer = connection.getresponse()
            kind = answer.headers.get_content_type()
            if answer.status == 200 and kind == "text/event-stream":
                sock.settimeout(SILENCE_S)
                yield from read(base, parse_events(_lines(answer)))
                return
            if answer.status not in (200, 404):
                raise CannotWatchError(base, f"HTTP {answer.status}: {_first_line(answer)}")
        except _FAILURES as error:
            raise CannotWatchError(base, _reason(error)) from None
        finally:
            connection.close()
    raise CannotWatchError(base, "there is neither an agent nor a viewer")


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield lines; one that is too long comes in pieces, and is refused by who puts them together."""
    while line := answer.readline(LONGEST_EVENT + 1):
        yield line


def _from_agent(base: str, events: Iterator[Event]) -> Iterator[News]:
    for event in events:
        said = _json(event.data)
        if event.name == "agent":
            yield Hello("agent", base, _number(said.get("started")))
        elif event.name == "lost":
            yield Lost(int(_number(said.get("traces"))))
        elif event.name == "trace":
            yield from _spans(event.data, whole=False)


def _from_viewer(base: str, events: Iterator[Event]) -> Iterator[News]:
    yield Hello("viewer", base, 0.0)
    missed = 0
    for event in events:
        said = _json(event.data)
        if event.name == "status" and (now := int(_number(said.get("missed")))) > missed:
            yield Lost(now - missed)
            missed = now
        elif event.name == "trace" and isinstance(said.get("traceId"), str):
            yield from _spans(_fetch(base, said["traceId"]), whole=True)


def _spans(data: bytes, *, whole: bool) -> Iterator[News]:
    """Yield the spans of a trace; what is none is passed over: it may be gone by now."""
    try:
        parts = parse_trace(data)["resourceSpans"]
        trace_id = parts[0]["scopeSpans"][0]["spans"][0]["traceId"]
    except (BadTraceError, IndexError, KeyError, TypeError):
        return
    yield Spans(str(trace_id), parts, whole)


def _fetch(base: str, trace_id: str) -> bytes:
    connection = _connect(base)
    try:
        connection.request("GET", f"/api/v3/traces/{quote(trace_id, safe='')}")
        return connection.getresponse().read()
    finally:
        connection.close()


def _base(url: str) -> str:
    whole = url if "://" in url else f"http://{url}"
    parts = urlsplit(whole)
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        usable = False
    if not usable:
        raise CannotWatchError(url, "no address: expected HOST:PORT or http://HOST:PORT")
    return f"{parts.scheme}://{parts.netloc}"


def _connect(base: str) -> http.client.HTTPConnection:
    parts = urlsplit(base)
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=CONNECT_S)


def _first_line(answer: http.client.HTTPResponse) -> str:
    return answer.read(200).decode("utf-8", "backslashreplace").partition("\n")[0]


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, TimeoutError):
        return "no answer"
    return (error.strerror if isinstance(error, OSError) else "") or f"{type(error).__name__} {error}".strip()
