"""The encoder's bytes, judged by two parties that are not us: opentelemetry-proto and the SDK's own encoder."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from haproxy_telemetry import __version__
from haproxy_telemetry.otlp import encode
from haproxy_telemetry.otlp.encode import encode_request, encode_resource, encode_span
from haproxy_telemetry.trace.conventions import LIST_KEYS
from haproxy_telemetry.trace.spans import Attribute, AttributeValue, Blob, FinishedSpan, SpanEvent
from retained import retained

from .spans import a_span, a_trace, any_text, attributes, spans

SCHEMA = Schemas.V1_44_0.value
RESOURCE = ((b"service.name", b"edge"), (b"weight", 3), (b"raw", b"caf\xe9"))


def parse(*groups: tuple[bytes, list[bytes]]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(encode_request(groups))


def parse_span(span: FinishedSpan) -> Span:
    [resource_spans] = parse((encode_resource(()), [encode_span(span)])).resource_spans
    [scope_spans] = resource_spans.scope_spans
    [parsed] = scope_spans.spans
    return parsed


def shown(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def expected_value(value: AttributeValue) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, Blob):
        return AnyValue(bytes_value=bytes(value))
    if isinstance(value, bytes):
        return AnyValue(string_value=shown(value))
    if -(2**63) <= value < 2**63:
        return AnyValue(int_value=value)
    return AnyValue(string_value=str(value))


def expected_attributes(pairs: tuple[Attribute, ...]) -> list[KeyValue]:
    return [KeyValue(key=shown(key), value=expected_of(key, value)) for key, value in pairs]


def expected_of(key: bytes, value: AttributeValue) -> AnyValue:
    expected = expected_value(value)
    return AnyValue(array_value=ArrayValue(values=[expected])) if key.startswith(LIST_KEYS) else expected


# The official classes read what we write


@given(spans)
@settings(max_examples=60)
def test_every_field_of_a_span_is_read_back_by_the_official_classes(span: FinishedSpan) -> None:
    parsed = parse_span(span)
    assert (parsed.trace_id, parsed.span_id) == (span.trace_id, span.span_id)
    assert parsed.parent_span_id == span.parent_span_id
    assert parsed.trace_state == shown(span.trace_state)
    assert parsed.flags == span.flags
    assert (parsed.name, parsed.kind) == (shown(span.name), span.kind)
    assert (parsed.start_time_unix_nano, parsed.end_time_unix_nano) == (span.start_ns, span.end_ns)
    assert list(parsed.attributes) == expected_attributes(span.attributes)
    assert parsed.dropped_attributes_count == span.dropped_attributes
    assert [(e.time_unix_nano, e.name, list(e.attributes)) for e in parsed.events] == [
        (e.time_ns, shown(e.name), expected_attributes(e.attributes)) for e in span.events
    ]
    assert parsed.dropped_events_count == span.dropped_events
    assert [(k.trace_id, k.span_id, k.trace_state, list(k.attributes), k.flags) for k in parsed.links] == [
        (k.trace_id, k.span_id, shown(k.trace_state), expected_attributes(k.attributes), k.flags) for k in span.links
    ]
    assert (parsed.status.code, parsed.status.message) == (span.status, shown(span.status_message))


def test_spans_stand_under_the_resource_and_scope_they_were_given() -> None:
    edge, other = encode_resource(RESOURCE), encode_resource(((b"service.name", b"other"),))
    request = parse((edge, [encode_span(a_span(1)), encode_span(a_span(2))]), (other, [encode_span(a_span(3))]))
    first, second = request.resource_spans
    assert list(first.resource.attributes) == expected_attributes(RESOURCE)
    assert [span.span_id[-1] for span in first.scope_spans[0].spans] == [1, 2]
    assert [span.span_id[-1] for span in second.scope_spans[0].spans] == [3]
    scope = second.scope_spans[0].scope
    assert (scope.name, scope.version) == ("haproxy_telemetry", __version__)


@pytest.mark.parametrize("key", [b"http.request.header.x-id", b"http.response.header.via"])
def test_a_headers_value_is_a_list_as_the_conventions_ask(key: bytes) -> None:
    [written] = parse_span(a_span(attributes=((key, b"caf\xe9"),))).attributes
    assert written == KeyValue(
        key=key.decode(), value=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="caf\\xe9")]))
    )


def test_both_name_the_version_of_the_conventions() -> None:
    for group in parse((encode_resource(()), [encode_span(a_span())]), (encode_resource(RESOURCE), [])).resource_spans:
        assert (group.schema_url, group.scope_spans[0].schema_url) == (SCHEMA, SCHEMA)


def test_nan_and_infinities_stay_what_they_are() -> None:
    parsed = parse_span(a_span(attributes=((b"nan", math.nan), (b"inf", math.inf), (b"-inf", -math.inf))))
    nan, *rest = [attribute.value.double_value for attribute in parsed.attributes]
    assert math.isnan(nan)
    assert rest == [math.inf, -math.inf]


def test_values_that_compare_equal_keep_their_types_apart() -> None:
    """``True == 1 == 1.0`` and ``Blob(b"x") == b"x"``: a cache by value alone would mix them up."""
    values: list[AttributeValue] = [b"1", Blob(b"1"), b"1", True, 1, 1.0, Blob(b"1"), False, 0, 0.0]
    for value in values:
        [attribute] = parse_span(a_span(attributes=((b"same", value),))).attributes
        assert attribute.value == expected_value(value)


@given(st.lists(attributes, min_size=2, max_size=4))
@settings(max_examples=50)
def test_what_was_written_before_does_not_change_what_is_written(lists: list[tuple[Attribute, ...]]) -> None:
    for pairs in lists:
        assert list(parse_span(a_span(attributes=pairs)).attributes) == expected_attributes(pairs)


def test_the_caches_stay_bounded_whatever_values_come() -> None:
    for i in range(3 * encode.CACHED_FIELDS):
        encode_span(a_span(name=b"name%d" % i, attributes=((b"key%d" % i, b"value%d" % i),)))
        assert encode._keys.count <= encode.CACHED_FIELDS
    assert len(encode._keys.known) <= encode.CACHED_FIELDS
    assert all(len(names) <= encode.CACHED_NAMES for names in encode._names)
    for i in range(3 * encode.CACHED_OF_ONE_KEY):
        encode_span(a_span(attributes=((b"one", b"value%d" % i),)))
    assert len(encode._keys.known[b"one"].fields) == encode.CACHED_OF_ONE_KEY
    kept = encode._keys.count
    encode_span(a_span(attributes=((b"long", b"x" * 10_000),)))
    assert encode._keys.count == kept


def test_the_caches_stay_bounded_however_long_the_names_are() -> None:
    """Names are the peer's, and as long as a frame; each byte of this one is four on its way out."""
    before = retained(encode._names, encode._keys)
    for i in range(200):
        long = b"\xff%d" % i * 10_000
        event = SpanEvent(0, long, ((long, b"v"),))
        encode_span(a_span(name=long, attributes=((long, b"v"), (long, 1)), events=(event,)))
    assert retained(encode._names, encode._keys) < before + 10_000


def test_the_caches_stay_below_what_they_are_said_to_take() -> None:
    encode._keys.clear()
    for names in encode._names:
        names.clear()
    for i in range(encode.CACHED_FIELDS):
        tail = b"%05d" % i
        for kind in range(1, 6):
            name = tail.rjust(encode.CACHED_NAME_SIZE, b"\xff")
            encode_span(a_span(name=name, kind=kind, attributes=(), events=(), links=()))
        key, value = tail.rjust(encode.CACHED_NAME_SIZE, b"\xff"), tail.rjust(encode.CACHED_VALUE_SIZE, b"\xff")
        for _ in range(2):  # the first time the key is new
            encode_span(a_span(attributes=((key, value),), events=(), links=()))
    assert encode._keys.count == encode.CACHED_FIELDS
    assert retained(encode._names, encode._keys) < 7_000_000


@pytest.mark.parametrize("size", [encode.CACHED_NAME_SIZE, encode.CACHED_NAME_SIZE + 1])
def test_a_name_is_written_the_same_whether_it_is_kept_or_not(size: int) -> None:
    name = b"n" * size
    for _ in range(2):
        span = parse_span(a_span(name=name, attributes=((name, b"v"), (name[:-1], 1))))
        assert span.name == name.decode()
        assert [attribute.key for attribute in span.attributes] == [name.decode(), name[:-1].decode()]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        ("Zürich ✓ 🎉 \0".encode(), "Zürich ✓ 🎉 \0"),
        (b"caf\xe9", "caf\\xe9"),  # Latin-1
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),  # a lone surrogate: no valid UTF-8
        (b"ok \xc3\xbc \xff", "ok ü \\xff"),
    ],
)
def test_text_that_is_not_utf8_stays_readable(raw: bytes, text: str) -> None:
    assert parse_span(a_span(name=raw)).name == text


@pytest.mark.parametrize("changes", [{"trace_id": b"short"}, {"span_id": b""}, {"parent_span_id": b"1"}])
def test_ids_of_the_wrong_size_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="bytes"):
        encode_span(a_span(**changes))


# The OpenTelemetry SDK writes the same message for the same span


def sdk_value(value: AttributeValue) -> Any:
    """The same value in the SDK's terms."""
    if isinstance(value, Blob):
        return bytes(value)
    if isinstance(value, bytes):
        return shown(value)
    return value if isinstance(value, bool | float) or -(2**63) <= value < 2**63 else str(value)


def sdk_attributes(pairs: tuple[Attribute, ...]) -> dict[str, Any]:
    return {shown(key): [sdk_value(value)] if key.startswith(LIST_KEYS) else sdk_value(value) for key, value in pairs}


def sdk_context(trace_id: bytes, span_id: bytes, *, remote: bool, state: bytes = b"") -> SpanContext:
    trace_state = TraceState.from_header([state.decode()]) if state else TraceState()
    ids = int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big")
    return SpanContext(*ids, is_remote=remote, trace_flags=TraceFlags(1), trace_state=trace_state)


def sdk_span(span: FinishedSpan) -> ReadableSpan:
    kinds = {1: SpanKind.INTERNAL, 2: SpanKind.SERVER, 3: SpanKind.CLIENT}
    remote = bool(span.flags & 0x200)
    parent = sdk_context(span.trace_id, span.parent_span_id, remote=remote) if span.parent_span_id else None
    return ReadableSpan(
        name=shown(span.name),
        context=sdk_context(span.trace_id, span.span_id, remote=False, state=span.trace_state),
        parent=parent,
        resource=Resource(sdk_attributes(RESOURCE), SCHEMA),
        attributes=sdk_attributes(span.attributes),
        events=[Event(shown(e.name), sdk_attributes(e.attributes), e.time_ns) for e in span.events],
        links=[
            Link(sdk_context(k.trace_id, k.span_id, remote=bool(k.flags & 0x200)), sdk_attributes(k.attributes))
            for k in span.links
        ],
        kind=kinds[span.kind],
        status=Status(StatusCode(span.status), shown(span.status_message) or None),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=InstrumentationScope("haproxy_telemetry", __version__, SCHEMA),
    )


def sdk_like(span: FinishedSpan) -> FinishedSpan:
    """``span`` with what the SDK can't say (its encoder writes no W3C flags, no link's trace state) left out."""
    remote = 0x200 if span.parent_span_id and span.flags & 0x200 else 0
    return span.replaced(
        flags=0x100 | remote,
        trace_state=b"vendor=1,other=2" if span.trace_state else b"",
        kind=1 + span.kind % 3,
        dropped_attributes=0,
        dropped_events=0,
        status_message=span.status_message if span.status == 2 else b"",
        attributes=unique(span.attributes),
        events=tuple(e._replace(attributes=unique(e.attributes)) for e in span.events),
        links=tuple(
            k.replaced(trace_state=b"", flags=0x100 | k.flags & 0x200, attributes=unique(k.attributes))
            for k in span.links
        ),
    )


def unique(pairs: tuple[Attribute, ...]) -> tuple[Attribute, ...]:
    """The SDK keeps attributes in a mapping, and by names that are not empty."""
    return tuple({shown(key): (key, value) for key, value in pairs if key}.values())


@given(st.lists(spans.map(sdk_like), min_size=1, max_size=3))
@settings(max_examples=60)
def test_the_sdk_makes_the_same_message_of_the_same_spans(ours: list[FinishedSpan]) -> None:
    official = encode_spans([sdk_span(span) for span in ours])
    assert parse((encode_resource(RESOURCE), [encode_span(span) for span in ours])) == official


def test_the_sdk_makes_the_same_bytes_of_a_typical_span() -> None:
    official = encode_spans([sdk_span(a_span())]).SerializeToString()
    assert encode_request([(encode_resource(RESOURCE), [encode_span(a_span())])]) == official


@given(any_text)
@settings(max_examples=30)
def test_any_service_name_makes_a_resource_that_can_be_read(name: bytes) -> None:
    request = parse((encode_resource(((b"service.name", name),)), [encode_span(a_trace().spans[0])]))
    assert request.resource_spans[0].resource.attributes[0].value.string_value == shown(name)
