"""What a search asks for, and how the words of a URL become it. Pure: the time comes in.

Times are nanoseconds since the epoch. A value that cannot be obeyed is a :class:`QueryError` that names its parameter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

MAX_LIMIT: Final = 1500
"""Traces in one answer."""

MAX_NS: Final = 2**63 - 1
MAX_TAGS: Final = 32

MANY: Final = ("tags", "tag")
"""Parameters of Jaeger's that may be repeated."""

_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d)")
_HEX: Final = re.compile(r"[0-9a-fA-F]{1,32}")


class QueryError(ValueError):
    """A parameter that cannot be obeyed."""

    def __init__(self, name: str, value: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}, not {value[:100]!r}")


@dataclass(frozen=True, slots=True)
class Search:
    """A search. What one span must have: service, operation, tags, the span's bounds; the rest is of the trace.

    Jaeger's durations are those of a span, the page's those of the trace.
    """

    service: str = ""
    operation: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    start_ns: int = 0
    end_ns: int = MAX_NS
    min_span_ns: int = 0
    max_span_ns: int = MAX_NS
    min_trace_ns: int = 0
    max_trace_ns: int = MAX_NS
    errors: bool | None = None
    incomplete: bool | None = None
    limit: int = 20


def parse_trace_id(text: str) -> bytes:
    """Return the 16 bytes of an id of 16 or 32 hex digits; zeros in front may be missing."""
    if not _HEX.fullmatch(text):
        raise QueryError("traceID", text, "expected 1 to 32 hexadecimal digits")
    return bytes.fromhex(text.rjust(32, "0"))


def parse_duration(name: str, text: str) -> int:
    """Return a duration as Go writes it, ``1.2s``, ``100ms``, ``1m30s``, in nanoseconds; ``0`` needs no unit."""
    if text == "0":
        return 0
    total, position = 0.0, 0
    while position < len(text) and (part := _PART.match(text, position)):
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not text or position < len(text) or total > MAX_NS:
        raise QueryError(name, text, "expected a duration such as 1.2s, 100ms or 500us")
    return round(total)


def parse_number(name: str, text: str, *, scale: int = 1) -> int:
    """Return a whole number times ``scale``."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) * scale <= MAX_NS):
        raise QueryError(name, text, "expected a whole number")
    return int(text) * scale


def parse_time(name: str, text: str) -> int:
    """Return a time of RFC 3339, in nanoseconds. A ``+`` that came as a space is one: Grafana does not encode it."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+ -]\d\d:\d\d)", text, re.ASCII)
    try:
        if found is None:
            raise ValueError
        zone = "+00:00" if found[3] in "Zz" else found[3].replace(" ", "+")
        seconds = datetime.fromisoformat(found[1].upper().replace(" ", "T") + zone).timestamp()
    except (ValueError, OverflowError):
        raise QueryError(name, text, "expected a time such as 2026-11-25T10:00:00Z") from None
    nanoseconds = int(seconds) * 10**9 + int((found[2] or "").ljust(9, "0"))
    return min(max(nanoseconds, 0), MAX_NS)


def parse_tags(name: str, text: str) -> dict[str, str]:
    """Return the tags of a JSON object; scalars that are no strings are written as JSON writes them."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(isinstance(value, dict | list) for value in found.values()):
        raise QueryError(name, text, 'expected a JSON object such as {"http.response.status_code":"500"}')
    if len(found) > MAX_TAGS:
        raise QueryError(name, text, f"expected at most {MAX_TAGS} tags")
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def parse_limit(name: str, text: str, default: int) -> int:
    """Return how many traces are wanted; more than ``MAX_LIMIT`` are as many."""
    return min(parse_number(name, text), MAX_LIMIT) if text else default


def page_search(asked: Mapping[str, str]) -> Search:
    """Return the search of ``/api/viewer/traces``: times in microseconds."""
    status = asked.get("status", "")
    if status not in ("", "ok", "error"):
        raise QueryError("status", status, "expected error or ok")
    return Search(
        service=asked.get("service", ""),
        operation=asked.get("operation", ""),
        tags=parse_tags("tags", asked.get("tags", "")),
        start_ns=_microseconds(asked, "start", 0),
        end_ns=_microseconds(asked, "end", MAX_NS),
        min_trace_ns=_duration(asked, "minDuration", 0),
        max_trace_ns=_duration(asked, "maxDuration", MAX_NS),
        errors=status == "error" if status else None,
        incomplete=True if asked.get("incomplete", "") in ("1", "true") else None,
        limit=parse_limit("limit", asked.get("limit", ""), 20),
    )


def jaeger_search(asked: Mapping[str, str], now_ns: int, many: Mapping[str, Sequence[str]] | None = None) -> Search:
    """Return the search of ``/api/traces``. Without ``start``, ``lookback`` says how far back from ``end``.

    ``many`` has all values of ``tag`` and ``tags``, which may be repeated; all of them count.
    """
    end = _microseconds(asked, "end", now_ns)
    lookback = asked.get("lookback", "")
    if asked.get("start", ""):
        start = _microseconds(asked, "start", 0)
    else:  # the UI writes "custom" where start and end say it
        start = max(0, end - parse_duration("lookback", lookback)) if lookback not in ("", "custom") else 0
    return Search(
        service=asked.get("service", ""),
        operation=asked.get("operation", ""),
        tags=_all_tags(many or {name: [asked[name]] for name in MANY if name in asked}),
        start_ns=start,
        end_ns=end if "end" in asked else MAX_NS,
        min_span_ns=_duration(asked, "minDuration", 0),
        max_span_ns=_duration(asked, "maxDuration", MAX_NS),
        limit=parse_limit("limit", asked.get("limit", ""), 100),
    )


def v3_search(asked: Mapping[str, str]) -> Search:
    """Return the search of ``/api/v3/traces``: ``query.serviceName`` and the like, or ``query.service_name``.

    Jaeger needs both times; here one that is missing is none.
    """

    def get(name: str) -> tuple[str, str]:
        camel, snake = f"query.{name}", "query." + re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), name)
        return (camel, asked[camel]) if asked.get(camel) else (snake, asked.get(snake, ""))

    times = [parse_time(*found) if (found := get(name))[1] else None for name in ("startTimeMin", "startTimeMax")]
    durations = [parse_duration(*found) if (found := get(name))[1] else None for name in ("durationMin", "durationMax")]
    depth = get("searchDepth")[1] or asked.get("query.num_traces", "")
    if get("filter")[1]:
        raise QueryError("query.filter", get("filter")[1], "expected query.attributes: structured filters are not here")
    return Search(
        service=get("serviceName")[1],
        operation=get("operationName")[1],
        tags=parse_tags(*get("attributes")),
        start_ns=times[0] or 0,
        end_ns=MAX_NS if times[1] is None else times[1],
        min_span_ns=durations[0] or 0,
        max_span_ns=MAX_NS if durations[1] is None else durations[1],
        limit=parse_limit("query.searchDepth", depth, 100),
    )


def _microseconds(asked: Mapping[str, str], name: str, default: int) -> int:
    return parse_number(name, asked[name], scale=1000) if asked.get(name) else default


def _duration(asked: Mapping[str, str], name: str, default: int) -> int:
    return parse_duration(name, asked[name]) if asked.get(name) else default


def _all_tags(many: Mapping[str, Sequence[str]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for text in many.get("tags", ()):
        tags |= parse_tags("tags", text)
    for text in many.get("tag", ()):
        tags |= _pairs(text)
    if len(tags) > MAX_TAGS:
        raise QueryError("tag", str(len(tags)), f"expected at most {MAX_TAGS} tags")
    return tags


def _pairs(text: str) -> dict[str, str]:
    """Read ``tag=key:value``."""
    key, colon, value = text.partition(":")
    if text and not colon:
        raise QueryError("tag", text, "expected key:value")
    return {key: value} if text else {}
