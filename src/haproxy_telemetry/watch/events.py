"""Server-sent events, as far as the agent and the viewer send them (HTML standard, 9.2.6). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

LONGEST_EVENT: Final = 64 << 20
"""Bytes; a trace of 10,000 spans has some megabytes."""


class Event(NamedTuple):
    """One event; ``data`` is its lines, joined."""

    name: str
    data: bytes


class EventTooLongError(Exception):
    """The other side sends what is no stream of events, or one without end."""


def parse_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Yield an event for each group of lines that has data; raises :class:`EventTooLongError`."""
    name, size = "message", 0
    data: list[bytes] = []
    for raw in lines:
        line = raw.rstrip(b"\r\n")
        size += len(line)
        if size > LONGEST_EVENT:
            raise EventTooLongError
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                yield Event(name, b"\n".join(data))
            name, data, size = "message", [], 0
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"data":
            data.append(value)
