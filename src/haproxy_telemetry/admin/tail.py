"""``/tail``: finished traces as they leave, as server-sent events, for who asks.

``event: agent`` comes first and says which agent this is, ``event: trace`` holds OTLP JSON, ``event: lost`` how many
traces were not shown because the reader is too slow. Encoded here, in the thread of the pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias, final

from haproxy_telemetry.taps import Tap, Taps
from haproxy_telemetry.trace.spans import FinishedTrace

Encode: TypeAlias = Callable[[FinishedTrace], bytes]
"""A trace as one line of OTLP JSON, without its line feed."""


@final
class TraceStream:
    """What one reader gets; a ``listener.Stream``."""

    def __init__(self, taps: Taps, encode: Encode, version: str, started: float) -> None:
        self._taps = taps
        self._encode = encode
        self._tap: Tap | None = None
        self._first = _event("agent", json.dumps({"version": version, "started": started}).encode())

    def open(self, wake: Callable[[], None]) -> None:
        """Begin to watch; ``wake`` is called, from any thread, when there is something to send."""
        self._tap = self._taps.add(wake)

    def next_chunk(self) -> bytes:
        """Return what is to be sent next, nothing if there is nothing yet."""
        first, self._first = self._first, b""
        if first or self._tap is None:
            return first
        trace, lost = self._tap.take()
        told = _event("lost", json.dumps({"traces": lost}).encode()) if lost else b""
        return told + (_event("trace", self._encode(trace)) if trace is not None else b"")

    def close(self) -> None:
        """Watch no more."""
        if self._tap is not None:
            self._taps.remove(self._tap)


def _event(name: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)
