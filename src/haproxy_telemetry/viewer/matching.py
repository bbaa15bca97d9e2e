"""Whether a span has the tags that a search asks for. Pure: what the terms only promise is looked at here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from haproxy_telemetry.viewer.spans import StoredSpan
from haproxy_telemetry.viewer.terms import marks_of, origin_marks, texts
from haproxy_telemetry.viewer.values import Plain, attributes


def matches(stored: StoredSpan, tags: Mapping[str, str]) -> bool:
    """Say whether the span, its resource or its scope has each of the tags."""
    if not tags:
        return True
    missing = dict(tags)
    for key, value in _tags(stored):
        if key in missing and missing[key] in texts(value):
            del missing[key]
            if not missing:
                return True
    return False


def _tags(stored: StoredSpan) -> Iterator[tuple[str, Plain]]:
    span, origin = Span.FromString(stored.body), ResourceSpans.FromString(stored.origin)
    yield from attributes(span.attributes).items()
    yield from marks_of(span)
    yield from attributes(origin.resource.attributes).items()
    yield from origin_marks(origin)
