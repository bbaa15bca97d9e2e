"""Where lines go: how wide it is, what it can show, and the lines of a trace."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TextIO

from haproxy_telemetry.terminal.records import SpanRecord, roots_of
from haproxy_telemetry.terminal.waterfall import Style, cut, format_duration, printable, waterfall

FALLBACK_WIDTH: Final = 100
"""Cells, where there is no terminal."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where the words go: how wide it is, and what it can show."""

    width: int
    style: Style

    def mark(self, ok: bool) -> str:
        """Return a tick or a cross."""
        text = ("✔" if ok else "✘") if self.style.unicode else ("ok" if ok else "!!")
        return self.style.paint(text, "32" if ok else "31")


def page_of(stream: TextIO) -> Page:
    """Return what the stream can show now: a terminal may change its width."""
    colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Page(shutil.get_terminal_size((FALLBACK_WIDTH, 24)).columns, Style(colour, _writes_blocks(stream)))


def _writes_blocks(stream: TextIO) -> bool:
    try:
        "✔█▏…µ".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def say(stream: TextIO, line: str) -> None:
    """Write a line at once; a character that the stream does not know becomes a question mark."""
    encoding = stream.encoding or "ascii"
    print(line.encode(encoding, "replace").decode(encoding), file=stream, flush=True)


def trace_lines(spans: list[SpanRecord], when: datetime, page: Page) -> list[str]:
    """Return a trace: its headline, its waterfall, how it ended if not as usual."""
    return [headline(spans, when, page), *waterfall(spans, page.width, page.style), *ending_lines(spans, page)]


def ending_lines(spans: list[SpanRecord], page: Page) -> list[str]:
    """Return HAProxy's own words for the end of each stream that did not just end."""
    told = [(span.service, span.attributes.get("haproxy.termination.reason")) for span in spans]
    lines = dict.fromkeys(f"  {service}: {reason}" for service, reason in told if reason)
    return [cut(printable(line), page.width, page.style) for line in lines]


def headline(spans: list[SpanRecord], when: datetime, page: Page) -> str:
    """Return ``12:03:11  GET /api/items  200  21.3ms  5b8e...c1``, the trace id whole where there is room."""
    root = roots_of(spans)[0] if spans else None
    if root is None:
        return ""
    status = root.attributes.get("http.response.status_code", "-")
    what = f"{root.attributes.get('http.request.method', root.name)} {root.attributes.get('url.path', '')}".strip()
    duration = format_duration(whole_ns(spans))
    duration = duration if page.style.unicode else duration.replace("µ", "u")
    line = f"{when:%H:%M:%S}  {printable(what)}  {printable(str(status))}  {duration}  {printable(root.trace_id)}"
    return page.style.paint(cut(line, page.width, page.style), "1")


def whole_ns(spans: list[SpanRecord]) -> int:
    """Return how long a trace took, from the first start to the last end."""
    return max(span.end_ns for span in spans) - min(span.start_ns for span in spans)


def when(ns: int) -> datetime:
    """Return a moment since the epoch by the reader's own clock; one that no calendar has is the epoch."""
    try:
        return datetime.fromtimestamp(ns / 1e9)  # noqa: DTZ006 (the reader's own clock)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0)  # noqa: DTZ006
