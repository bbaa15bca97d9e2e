"""Which traces are wanted: errors, slow ones, those in which some span is as asked. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from haproxy_telemetry.terminal.page import whole_ns
from haproxy_telemetry.terminal.records import AttributeValue, SpanRecord

_UNITS: Final = {"us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m)")
_STATUS: Final = "http.response.status_code"


@dataclass(frozen=True, slots=True)
class Filter:
    """``key=value``: what a span must have. The key is ``service``, ``name``, ``status``, or an attribute's."""

    key: str
    pattern: str

    def holds(self, span: SpanRecord) -> bool:
        """Say whether a span is as asked; the value is a shell pattern."""
        return any(fnmatchcase(text, self.pattern) for text in self._texts(span))

    def _texts(self, span: SpanRecord) -> list[str]:
        if self.key == "service":
            return [span.service]
        if self.key == "name":
            return [span.name]
        if self.key == "status":
            code = span.attributes.get(_STATUS)
            return ["error" if span.error else "ok", *([str(code)] if code is not None else [])]
        return [_text(span.attributes[self.key])] if self.key in span.attributes else []


@dataclass(frozen=True, slots=True)
class Choice:
    """What a trace must be; of several filters each needs a span for which it holds."""

    errors: bool = False
    slow_ns: int = 0
    filters: Sequence[Filter] = ()

    def wants(self, spans: list[SpanRecord]) -> bool:
        """Say whether a trace is wanted."""
        if not spans or (self.errors and not any(span.error for span in spans)):
            return False
        if self.slow_ns and whole_ns(spans) < self.slow_ns:
            return False
        return all(any(one.holds(span) for span in spans) for one in self.filters)


def parse_filter(text: str) -> Filter:
    """Return the filter that ``text`` writes; raises ``ValueError``."""
    key, equals, value = text.partition("=")
    if not key.strip() or not equals:
        raise ValueError(f"{text!r} is no filter: expected key=value, such as service=edge or http.route=/items/*")
    return Filter(key.strip(), value)


def parse_duration(text: str) -> int:
    """Return nanoseconds; raises ``ValueError``."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration: expected a number and its unit, such as 500ms or 1.5s")
    return int(float(found[1]) * _UNITS[found[2]])


def _text(value: AttributeValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
