"""What a search finds a span by: its service, its operation, its tags, each as a number of 64 bits. Pure.

A tag is an attribute of the span or of its resource, or one of the names that Jaeger gives to what is no attribute:
``error``, ``span.kind``, ``otel.status_code``, ``otel.scope.name``, ``otel.scope.version``. Its value is compared as
text; of a list, the whole and each item count. The numbers only say where to look: whoever searches compares the
spans themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from haproxy_telemetry.viewer.values import Plain, text

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
UNKNOWN_SERVICE = "unknown_service"
MAX_CACHED = 200  # characters


def kind_name(kind: int) -> str:
    """Return the name of a span's kind, in small letters; the number of one that OTLP has not."""
    return KINDS[kind] if 0 <= kind < len(KINDS) else str(kind)


def service_of(resource: Mapping[str, Plain]) -> str:
    """Return the name of the service that a resource speaks for."""
    return text(resource.get("service.name")) or UNKNOWN_SERVICE


def service_term(service: str) -> int:
    """Return the term of a service."""
    return _term("service", service)


def operation_term(service: str, operation: str) -> int:
    """Return the term of an operation of a service; of any service, if that is ``""``."""
    return _term("operation", service, operation)


def tag_term(key: str, value: str) -> int:
    """Return the term of a tag."""
    return _term("tag", key, value)


def mark(term: int) -> bytes:
    """Return a term in four bytes: what a span has, in a row of these, is looked for before it is decoded."""
    return (term & 0xFFFFFFFF).to_bytes(4)


def origin_terms(origin: ResourceSpans, resource: Mapping[str, Plain]) -> frozenset[int]:
    """Return what all spans of a resource and scope share."""
    return frozenset({service_term(service_of(resource)), *_tag_terms([*resource.items(), *origin_marks(origin)])})


def span_terms(span: Span, service: str, values: Mapping[str, Plain]) -> frozenset[int]:
    """Return what a span has of its own; ``values`` are its attributes."""
    names = (operation_term(service, span.name), operation_term("", span.name))
    return frozenset({*names, *_tag_terms([*values.items(), *marks_of(span)])})


def marks_of(span: Span) -> Iterator[tuple[str, str]]:
    """Return the tags that stand for what is no attribute, by Jaeger's names."""
    yield "span.kind", kind_name(span.kind)
    if span.status.code == Status.STATUS_CODE_ERROR:
        yield "error", "true"
        yield "otel.status_code", "ERROR"
    elif span.status.code == Status.STATUS_CODE_OK:
        yield "otel.status_code", "OK"


def origin_marks(origin: ResourceSpans) -> Iterator[tuple[str, str]]:
    """Return the tags that stand for the scope."""
    for scope_spans in origin.scope_spans:
        if scope_spans.scope.name:
            yield "otel.scope.name", scope_spans.scope.name
        if scope_spans.scope.version:
            yield "otel.scope.version", scope_spans.scope.version


def _tag_terms(tags: Iterable[tuple[str, Plain]]) -> Iterator[int]:
    for key, value in tags:
        for one in texts(value):
            yield tag_term(key, one)


def texts(value: Plain) -> list[str]:
    """Return all that stands for a value in a search."""
    return [text(value), *(text(item) for item in value)] if isinstance(value, list) else [text(value)]


def _term(*words: str) -> int:
    # Most tags come again with each trace; long values do not, and would make the cache large.
    return _short_term(words) if sum(map(len, words)) <= MAX_CACHED else _hash(words)


@lru_cache(4096)
def _short_term(words: tuple[str, ...]) -> int:
    return _hash(words)


def _hash(words: tuple[str, ...]) -> int:
    """Return 63 bits of a hash: sqlite's integers have a sign."""
    data = "\0".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest()) >> 1
