"""A trace for a person's eyes: a tree of its spans with times and attributes. Pure.

::

    trace 4bf92f3577b34da6a3ce929d0e0e4736  haproxy  2026-01-31T12:00:00.000123Z  3 spans
      HAProxy session  12.345 ms
        Client session  12.001 ms  http.method=GET
          Frontend HTTP request  +0.120 ms  1.234 ms  server  error: no server is available

Children stand under their parents in the order of their start; ``+`` is the start relative to the trace's.
Spans whose parent is not in this trace (the caller's, or one that was lost) stand at the left.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from haproxy_telemetry.otlp.text import to_str
from haproxy_telemetry.trace.spans import (
    KIND_CLIENT,
    KIND_SERVER,
    STATUS_ERROR,
    STATUS_OK,
    Attribute,
    Blob,
    FinishedSpan,
    FinishedTrace,
    SpanEvent,
)

MAX_VALUE_CHARS: Final = 120
_KINDS: Final = {KIND_SERVER: "server", KIND_CLIENT: "client"}
_STATUSES: Final = {STATUS_OK: "ok", STATUS_ERROR: "error"}


def render_trace(trace: FinishedTrace, service: bytes) -> bytes:
    """Return the trace as lines of UTF-8 text, each ended by a line feed; ``service`` where it names none."""
    if not trace.spans:
        return b""
    begin = min(span.start_ns for span in trace.spans)
    name = _shown(trace.service or service)
    head = f"trace {trace.spans[0].trace_id.hex()}  {name}  {_time_of_day(begin)}  {len(trace.spans)} spans"
    lines = [head, *(_span_line(span, depth, begin) for span, depth in _in_tree_order(trace.spans))]
    return ("\n".join(lines) + "\n").encode()


def _in_tree_order(spans: tuple[FinishedSpan, ...]) -> list[tuple[FinishedSpan, int]]:
    """Return every span exactly once with its depth, whatever the parent ids say (loops, repeated ids)."""
    ids = {span.span_id for span in spans}
    children: dict[bytes, list[FinishedSpan]] = {}
    tops: list[FinishedSpan] = []
    for span in sorted(spans, key=lambda span: span.start_ns):
        inside = span.parent_span_id in ids and span.parent_span_id != span.span_id
        (children.setdefault(span.parent_span_id, []) if inside else tops).append(span)
    ordered: list[tuple[FinishedSpan, int]] = []
    waiting = [(span, 0) for span in reversed(tops)]
    while waiting or children:
        if not waiting:  # what is left hangs in a loop: cut it open
            waiting = [(span, 0) for span in children.pop(next(iter(children)))]
        span, depth = waiting.pop()
        ordered.append((span, depth))
        waiting.extend((child, depth + 1) for child in reversed(children.pop(span.span_id, [])))
    return ordered


def _span_line(span: FinishedSpan, depth: int, begin_ns: int) -> str:
    words = ["  " * (depth + 1) + _shown(span.name)]
    if span.start_ns != begin_ns:
        words.append(f"+{_milliseconds(span.start_ns - begin_ns)}")
    words.append(_milliseconds(span.end_ns - span.start_ns))
    if span.kind in _KINDS:
        words.append(_KINDS[span.kind])
    if span.status in _STATUSES:
        message = f": {_shown(span.status_message)}" if span.status_message else ""
        words.append(_STATUSES[span.status] + message)
    words.extend(_attribute(attribute) for attribute in span.attributes)
    words.extend(_event(event, begin_ns) for event in span.events)
    return "  ".join(words)


def _event(event: SpanEvent, begin_ns: int) -> str:
    inner = " ".join([_shown(event.name), *(_attribute(attribute) for attribute in event.attributes)])
    return f"[+{_milliseconds(event.time_ns - begin_ns)} {inner}]"


def _attribute(attribute: Attribute) -> str:
    key, value = attribute
    if isinstance(value, Blob):
        return f"{_shown(key)}=0x{value[: MAX_VALUE_CHARS // 2].hex()}"
    if isinstance(value, bytes):
        return f"{_shown(key)}={_shown(value)}"
    return f"{_shown(key)}={str(value).lower() if isinstance(value, bool) else value}"


def _shown(raw: bytes) -> str:
    """Return text that can't move the cursor or forge a line: control characters are escaped, length is cut."""
    text = to_str(raw[: MAX_VALUE_CHARS * 4])
    if len(text) > MAX_VALUE_CHARS:
        text = text[: MAX_VALUE_CHARS - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.3f} ms"


def _time_of_day(ns: int) -> str:
    seconds, rest = divmod(ns, 1_000_000_000)
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1000:06d}Z"
    except (ValueError, OverflowError, OSError):
        return f"{ns} ns"
