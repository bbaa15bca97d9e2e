"""Finished spans as OTLP protobuf bytes (opentelemetry-proto v1, trace.proto and common.proto).

Pure, and quick: a span becomes bytes the moment it ends, ready to stand as one ``ScopeSpans.spans`` field,
so that a batch is made by joining. Field order is the field numbers', as the official encoder's is.

Text is repaired by :func:`~haproxy_telemetry.otlp.text.utf8`, a :class:`Blob` leaves as ``bytes_value``,
an integer beyond int64 as its decimal text (OTLP has no unsigned value), a header's value as a list of one, which the
conventions ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final, final

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp.protobuf import length_field, varint
from haproxy_telemetry.otlp.text import utf8
from haproxy_telemetry.trace.conventions import LIST_KEYS, SCHEMA_URL
from haproxy_telemetry.trace.spans import Attribute, AttributeValue, Blob, FinishedSpan, SpanEvent, SpanLink

SCOPE_NAME: Final = b"haproxy_telemetry"
SCOPE_VERSION: Final = __version__.encode()

TRACE_ID_SIZE: Final = 16
SPAN_ID_SIZE: Final = 8
_IDS_SIZE: Final = 2 + TRACE_ID_SIZE + 2 + SPAN_ID_SIZE
_TIMES_SIZE: Final = 18

# Most attributes repeat from request to request (method, host, backend): their fields are kept, ready made.
# Bounded in number and in bytes, because names and values are the peer's: some 7 MB if every byte is escaped.
# Short values only, because long ones (URLs) seldom repeat; names in use are shorter than this (semantic
# conventions, SPOE arguments). Of one key the values that come first: a key that has many hardly repeats one (ids).
CACHED_FIELDS: Final = 4096
CACHED_NAMES: Final = 1024  # of each kind of span
CACHED_OF_ONE_KEY: Final = 64
CACHED_VALUE_SIZE: Final = 48
CACHED_NAME_SIZE: Final = 64
_names: Final[list[dict[bytes, bytes]]] = [{} for _ in range(6)]  # by kind (trace.proto, Span.SpanKind: 0 to 5)

# Flags are three bits of W3C's and two of OTLP's, statuses three: a list finds what was written before quicker than a
# dictionary. Links' attributes are few constants, known by being the same object.
CACHED_FLAGS: Final = 1024
_tails: Final[list[list[bytes]]] = [[b""] * CACHED_FLAGS for _ in range(3)]  # by status
CACHED_LINKS: Final = 8
_links: Final[list[tuple[tuple[Attribute, ...], int, bytes]]] = []

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1
_SMALL_INT: Final = 1 << 61  # compared as a machine word
_TIMES: Final = Struct("<BQBQ").pack  # Span.start_time_unix_nano = 7, .end_time_unix_nano = 8
_TIME: Final = Struct("<BQ").pack  # Span.Event.time_unix_nano = 1
_FLAGS: Final = Struct("<HI").pack  # a two-byte tag and its fixed32
_LINK_FLAGS: Final = Struct("<BI").pack
_DOUBLE: Final = Struct("<d").pack

_NUMBERS: Final = [varint(len(varint(n)) + 1) + b"\x18" + varint(n) for n in range(1024)]  # AnyValue.int_value = 3
_SPAN_HEADS: Final = [b"\x12" + varint(size) for size in range(1024)]

# InstrumentationScope.name = 1, .version = 2; ScopeSpans.scope = 1
_SCOPE: Final = length_field(1, length_field(1, SCOPE_NAME) + length_field(2, SCOPE_VERSION))
# ScopeSpans.schema_url = 3, ResourceSpans.schema_url = 3: what the attributes of both are called by
_SCHEMA: Final = length_field(3, SCHEMA_URL)


def encode_span(span: FinishedSpan) -> bytes:
    """Return ``span`` as one ``ScopeSpans.spans`` field: tag, length and body.

    Raises ``ValueError``, ``TypeError`` or ``struct.error`` for a span that was built wrongly.
    """
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    _check_ids(trace_id, span_id)
    parent = b""
    if parent_id:
        if len(parent_id) != SPAN_ID_SIZE:
            raise ValueError(f"parent span id of {len(parent_id)} bytes, not {SPAN_ID_SIZE}")
        parent = b"\x22\x08" + parent_id
    state = _text(b"\x1a", span.trace_state) if span.trace_state else b""
    name = _names[span.kind].get(span.name) or _name(span.name, span.kind)
    times = _TIMES(0x39, span.start_ns, 0x41, span.end_ns)
    said = _said(span)
    tail = _tail(span)
    size = _IDS_SIZE + len(state) + len(parent) + len(name) + _TIMES_SIZE + len(said) + len(tail)
    head = _SPAN_HEADS[size] if size < len(_SPAN_HEADS) else b"\x12" + varint(size)
    return b"%b\x0a\x10%b\x12\x08%b%b%b%b%b%b%b" % (head, trace_id, span_id, state, parent, name, times, said, tail)


def _said(span: FinishedSpan) -> bytes:
    """Write attributes, events and links; most spans have no more than some of the first."""
    parts: list[bytes] = []
    for attribute in span.attributes:
        parts.append(_span_attribute(attribute))  # noqa: PERF401 (compiled, this is the loop that it looks like)
    if span.dropped_attributes:
        parts.append(b"\x50" + varint(span.dropped_attributes))
    for event in span.events:
        parts.append(_event(event))  # noqa: PERF401
    if span.dropped_events:
        parts.append(b"\x60" + varint(span.dropped_events))
    for link in span.links:
        parts.append(_link(link))  # noqa: PERF401
    return b"".join(parts) if parts else b""


def _check_ids(trace_id: bytes, span_id: bytes) -> None:
    if len(trace_id) != TRACE_ID_SIZE or len(span_id) != SPAN_ID_SIZE:
        raise ValueError(f"ids of {len(trace_id)} and {len(span_id)} bytes, not {TRACE_ID_SIZE} and {SPAN_ID_SIZE}")


def _tail(span: FinishedSpan) -> bytes:
    """Write the status (15) and the flags (16), of which there are few kinds."""
    flags, status = span.flags, span.status
    if span.status_message or not 0 <= flags < CACHED_FLAGS:
        return _status(status, span.status_message) + _flags(flags)
    tail = _tails[status][flags]
    if not tail:
        tail = _tails[status][flags] = _status(status, b"") + _flags(flags)
    return tail


def _flags(flags: int) -> bytes:
    return _FLAGS(0x0185, flags) if flags else b""  # Span.flags = 16, fixed32


def encode_resource(attributes: Iterable[Attribute]) -> bytes:
    """Return the attributes as one ``ResourceSpans.resource`` field."""
    return length_field(1, b"".join([_attribute(b"\x0a", key, value) for key, value in attributes]))


def attribute_field(tag: bytes, key: bytes, value: AttributeValue) -> bytes:
    """Return a KeyValue under a one-byte tag, for the other kinds of records."""
    return _attribute(tag, key, value)


def any_value(text: bytes) -> bytes:
    """Return text as the body of an AnyValue."""
    return _text(b"\x0a", text)


def encode_request(groups: Iterable[tuple[bytes, Sequence[bytes]]]) -> bytes:
    """Return an ``ExportTraceServiceRequest``, or that of metrics or logs, whose fields have the same numbers.

    Each group is what :func:`encode_resource` gave and the spans, as :func:`encode_span` gave them.
    """
    parts: list[bytes] = []
    for resource, spans in groups:
        scope_size = len(_SCOPE) + sum(map(len, spans)) + len(_SCHEMA)
        scope_head = b"\x12" + varint(scope_size)  # ResourceSpans.scope_spans = 2
        parts.append(b"\x0a" + varint(len(resource) + len(scope_head) + scope_size + len(_SCHEMA)))
        parts.append(resource)
        parts.append(scope_head)
        parts.append(_SCOPE)
        parts.extend(spans)
        parts.append(_SCHEMA)
        parts.append(_SCHEMA)
    return b"".join(parts)


def _name(name: bytes, kind: int) -> bytes:
    """Write Span.name = 5 and .kind = 6; spans' names are few."""
    fields = _text(b"\x2a", name) + b"\x30" + varint(kind)
    if len(name) <= CACHED_NAME_SIZE:
        if len(_names[kind]) >= CACHED_NAMES:
            _names[kind].clear()
        _names[kind][name] = fields
    return fields


def _text(tag: bytes, raw: bytes) -> bytes:
    if not raw.isascii():
        raw = utf8(raw)
    return tag + varint(len(raw)) + raw


def _event(event: SpanEvent) -> bytes:
    time_ns, name, attributes = event
    parts = [_TIME(0x09, time_ns), _text(b"\x12", name)]
    for key, value in attributes:
        parts.append(_attribute(b"\x1a", key, value))
    return length_field(11, b"".join(parts))


def _link(link: SpanLink) -> bytes:
    _check_ids(link.trace_id, link.span_id)
    state = _text(b"\x1a", link.trace_state) if link.trace_state else b""
    end = _end_of_link(link.attributes, link.flags)
    size = varint(_IDS_SIZE + len(state) + len(end))
    return b"\x6a%b\x0a\x10%b\x12\x08%b%b%b" % (size, link.trace_id, link.span_id, state, end)


def _end_of_link(attributes: tuple[Attribute, ...], flags: int) -> bytes:
    """Write Link.attributes = 4 and Link.flags = 6, from the cache if they were written before."""
    for known, its_flags, end in _links:
        if known is attributes and its_flags == flags:
            return end
    end = b"".join([_attribute(b"\x22", key, value) for key, value in attributes])
    if flags:
        end += _LINK_FLAGS(0x35, flags)
    if len(_links) < CACHED_LINKS:
        _links.append((attributes, flags, end))
    return end


def _status(code: int, message: bytes) -> bytes:
    """Write Span.status = 15; an unset one is an empty message, as the SDK writes it."""
    body = _text(b"\x12", message) if message else b""
    return length_field(15, body + (b"\x18" + varint(code) if code else b""))


@final
class _Key:
    """A key, ready made: KeyValue.key = 1 and the tag of KeyValue.value = 2. ``fields`` are attributes by value.

    ``listed``: its values are lists by the conventions.
    """

    __slots__ = ("fields", "head", "listed")

    def __init__(self, key: bytes) -> None:
        self.head = _text(b"\x0a", key) + b"\x12"
        self.listed = key.startswith(LIST_KEYS)
        self.fields: dict[AttributeValue, bytes] = {}  # of exactly bytes and int: see _span_attribute


@final
class _Keys:
    """The keys that are kept, with ``count`` attributes; ``CACHED_FIELDS`` of both at most."""

    __slots__ = ("count", "known")

    def __init__(self) -> None:
        self.known: dict[bytes, _Key] = {}
        self.count = 0

    def of(self, key: bytes) -> _Key:
        """Return a key."""
        known = self.known.get(key)
        if known is None:
            known = _Key(key)
            if len(key) <= CACHED_NAME_SIZE:
                if len(self.known) >= CACHED_FIELDS:
                    self.clear()
                self.known[key] = known
        return known

    def keep(self, key: _Key, value: AttributeValue, field: bytes) -> None:
        """Keep an attribute."""
        if self.count >= CACHED_FIELDS:
            self.clear()
        self.count += 1
        key.fields[value] = field

    def clear(self) -> None:
        """Forget all."""
        self.known.clear()
        self.count = 0


_keys: Final = _Keys()


def _span_attribute(attribute: Attribute) -> bytes:
    """Write Span.attributes = 9, from the cache if it was written before."""
    key, value = attribute
    known = _keys.known.get(key)
    if known is None or known.listed:
        return _attribute(b"\x4a", key, value)
    # type() and not isinstance(): Blob and text compare and hash alike (as True and 1 do), but differ on the wire.
    if type(value) is bytes:
        if len(value) > CACHED_VALUE_SIZE:
            return _text_attribute(b"\x4a", known.head, value)
    elif type(value) is not int:
        return _attribute(b"\x4a", key, value)
    field = known.fields.get(value)
    if field is None:
        if type(value) is bytes:
            field = _text_attribute(b"\x4a", known.head, value)
        else:
            field = _other_attribute(b"\x4a", known.head, value)
        if len(known.fields) < CACHED_OF_ONE_KEY:
            _keys.keep(known, value, field)
    return field


def _attribute(tag: bytes, key: bytes, value: AttributeValue) -> bytes:
    """Write a KeyValue under a one-byte tag."""
    known = _keys.of(key)
    head = known.head
    if known.listed:
        return _list(tag, head, value)
    if type(value) is bytes:
        return _text_attribute(tag, head, value)
    return _other_attribute(tag, head, value)


def _other_attribute(tag: bytes, head: bytes, value: AttributeValue) -> bytes:
    written = _value(value)
    return b"%b%b%b%b" % (tag, varint(len(head) + len(written)), head, written)


def _text_attribute(tag: bytes, head: bytes, value: bytes) -> bytes:
    """Write a KeyValue of text, and by far the most are text: all lengths first, so that it is put together once."""
    if not value.isascii():
        value = utf8(value)
    size = varint(len(value))
    inner = 1 + len(size) + len(value)
    inner_size = varint(inner)
    return b"%b%b%b%b\x0a%b%b" % (tag, varint(len(head) + len(inner_size) + inner), head, inner_size, size, value)


def _list(tag: bytes, head: bytes, value: AttributeValue) -> bytes:
    """Write a KeyValue whose value is an ArrayValue (AnyValue.array_value = 5) of one."""
    body = head + _sized(b"\x2a" + _sized(b"\x0a" + _value(value)))
    return tag + varint(len(body)) + body


def _value(value: AttributeValue) -> bytes:
    """Write an AnyValue with its length; bool is asked for before int, being one."""
    if type(value) is bytes:  # text, and by far the most frequent
        return _sized(_text(b"\x0a", value))
    if isinstance(value, bool):
        return b"\x02\x10\x01" if value else b"\x02\x10\x00"
    if isinstance(value, int):
        if 0 <= value < len(_NUMBERS):
            return _NUMBERS[value]
        if -_SMALL_INT < value < _SMALL_INT or INT64_MIN <= value <= INT64_MAX:
            number = varint(value)
            return varint(len(number) + 1) + b"\x18" + number
        return _sized(_text(b"\x0a", b"%d" % value))
    if isinstance(value, float):
        return b"\x09\x21" + _DOUBLE(value)
    if isinstance(value, Blob):
        return _sized(b"\x3a" + varint(len(value)) + value)
    raise TypeError(f"an attribute value of type {type(value).__name__}")


def _sized(body: bytes) -> bytes:
    return varint(len(body)) + body
