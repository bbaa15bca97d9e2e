"""OTLP's messages as JSON names them: of each field its name, how its value is written, and whether there may be many.

OTLP specification, "JSON Protobuf Encoding": lowerCamelCase names, ids in hex, enums and 32-bit numbers as numbers,
64-bit ones as strings, bytes in base64. A test holds every line against the official descriptors. What the agent never
writes (summaries, exponential histograms, entities) is not here.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from math import isfinite
from struct import Struct, unpack
from typing import Final, NamedTuple, TypeAlias

from haproxy_telemetry.otlp.signals import LOGS, METRICS, TRACES

Value: TypeAlias = int | bytes
Write: TypeAlias = "Callable[[Value], object]"

_DOUBLE: Final = Struct("<d").unpack
_SIGN: Final = 1 << 63
_NOT_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # protobuf's JSON mapping


class Message:
    """A message by its field numbers.

    ``piece``: large requests are made of these, one by one. ``repeats``: the same bytes come again and again.
    """

    def __init__(self, fields: dict[int, Field] | None = None, *, piece: bool = False, repeats: bool = False) -> None:
        self.fields: dict[int, Field] = fields or {}
        self.piece = piece
        self.repeats = repeats


class Field(NamedTuple):
    """One field: a message in it, or how its value is written."""

    name: str
    write: Message | Write
    many: bool = False


def text(value: Value) -> str:
    """Write a string; it is valid UTF-8, for the encoders see to that."""
    return str(_bytes(value), "utf-8")


def hexadecimal(value: Value) -> str:
    """Write an id."""
    return _bytes(value).hex()


def base64(value: Value) -> str:
    """Write bytes."""
    return b64encode(_bytes(value)).decode()


def boolean(value: Value) -> bool:
    """Write a bool."""
    return bool(value)


def number(value: Value) -> int:
    """Write an enum, an uint32 or a fixed32."""
    return value if isinstance(value, int) else int.from_bytes(value, "little")


def int64(value: Value) -> str:
    """Write an int64 that is a varint."""
    assert isinstance(value, int)
    return str(value - (_SIGN << 1) if value >= _SIGN else value)


def fixed64(value: Value) -> str:
    """Write a fixed64: a time, a count."""
    return str(int.from_bytes(_bytes(value), "little"))


def sfixed64(value: Value) -> str:
    """Write an sfixed64."""
    return str(int.from_bytes(_bytes(value), "little", signed=True))


def double(value: Value) -> float | str:
    """Write a double."""
    return _finite(_DOUBLE(_bytes(value))[0])


def doubles(value: Value) -> list[float | str]:
    """Write packed doubles."""
    return [_finite(one) for one in unpack(f"<{len(_bytes(value)) // 8}d", _bytes(value))]


def fixed64s(value: Value) -> list[str]:
    """Write packed fixed64s."""
    return [str(one) for one in unpack(f"<{len(_bytes(value)) // 8}Q", _bytes(value))]


def _finite(value: float) -> float | str:
    return value if isfinite(value) else _NOT_FINITE[str(value)]


def _bytes(value: Value) -> bytes:
    assert isinstance(value, bytes)
    return value


ANY_VALUE: Final = Message()
ARRAY: Final = Message({1: Field("values", ANY_VALUE, many=True)})
ANY_VALUE.fields |= {
    1: Field("stringValue", text),
    2: Field("boolValue", boolean),
    3: Field("intValue", int64),
    4: Field("doubleValue", double),
    5: Field("arrayValue", ARRAY),
    7: Field("bytesValue", base64),
}
KEY_VALUE: Final = Message({1: Field("key", text), 2: Field("value", ANY_VALUE)}, repeats=True)
_ATTRIBUTES: Final = Field("attributes", KEY_VALUE, many=True)
_DROPPED_ATTRIBUTES: Final = Field("droppedAttributesCount", number)
RESOURCE: Final = Message({1: _ATTRIBUTES})
SCOPE: Final = Message({1: Field("name", text), 2: Field("version", text)})

EVENT: Final = Message({1: Field("timeUnixNano", fixed64), 2: Field("name", text), 3: _ATTRIBUTES})
LINK: Final = Message(
    {
        1: Field("traceId", hexadecimal),
        2: Field("spanId", hexadecimal),
        3: Field("traceState", text),
        4: _ATTRIBUTES,
        6: Field("flags", number),
    }
)
STATUS: Final = Message({2: Field("message", text), 3: Field("code", number)})
SPAN: Final = Message(
    {
        1: Field("traceId", hexadecimal),
        2: Field("spanId", hexadecimal),
        3: Field("traceState", text),
        4: Field("parentSpanId", hexadecimal),
        5: Field("name", text),
        6: Field("kind", number),
        7: Field("startTimeUnixNano", fixed64),
        8: Field("endTimeUnixNano", fixed64),
        9: _ATTRIBUTES,
        10: _DROPPED_ATTRIBUTES,
        11: Field("events", EVENT, many=True),
        12: Field("droppedEventsCount", number),
        13: Field("links", LINK, many=True),
        14: Field("droppedLinksCount", number),
        15: Field("status", STATUS),
        16: Field("flags", number),
    },
    piece=True,
)

EXEMPLAR: Final = Message(
    {
        2: Field("timeUnixNano", fixed64),
        3: Field("asDouble", double),
        4: Field("spanId", hexadecimal),
        5: Field("traceId", hexadecimal),
        6: Field("asInt", sfixed64),
        7: Field("filteredAttributes", KEY_VALUE, many=True),
    }
)
NUMBER_POINT: Final = Message(
    {
        2: Field("startTimeUnixNano", fixed64),
        3: Field("timeUnixNano", fixed64),
        4: Field("asDouble", double),
        5: Field("exemplars", EXEMPLAR, many=True),
        6: Field("asInt", sfixed64),
        7: _ATTRIBUTES,
    },
    piece=True,
)
HISTOGRAM_POINT: Final = Message(
    {
        2: Field("startTimeUnixNano", fixed64),
        3: Field("timeUnixNano", fixed64),
        4: Field("count", fixed64),
        5: Field("sum", double),
        6: Field("bucketCounts", fixed64s),
        7: Field("explicitBounds", doubles),
        8: Field("exemplars", EXEMPLAR, many=True),
        9: _ATTRIBUTES,
        11: Field("min", double),
        12: Field("max", double),
    },
    piece=True,
)
GAUGE: Final = Message({1: Field("dataPoints", NUMBER_POINT, many=True)})
SUM: Final = Message(
    {
        1: Field("dataPoints", NUMBER_POINT, many=True),
        2: Field("aggregationTemporality", number),
        3: Field("isMonotonic", boolean),
    }
)
HISTOGRAM: Final = Message(
    {1: Field("dataPoints", HISTOGRAM_POINT, many=True), 2: Field("aggregationTemporality", number)}
)
METRIC: Final = Message(
    {
        1: Field("name", text),
        2: Field("description", text),
        3: Field("unit", text),
        5: Field("gauge", GAUGE),
        7: Field("sum", SUM),
        9: Field("histogram", HISTOGRAM),
    }
)

LOG_RECORD: Final = Message(
    {
        1: Field("timeUnixNano", fixed64),
        2: Field("severityNumber", number),
        3: Field("severityText", text),
        5: Field("body", ANY_VALUE),
        6: _ATTRIBUTES,
        7: _DROPPED_ATTRIBUTES,
        8: Field("flags", number),
        9: Field("traceId", hexadecimal),
        10: Field("spanId", hexadecimal),
        11: Field("observedTimeUnixNano", fixed64),
        12: Field("eventName", text),
    },
    piece=True,
)


def _request(resources: str, scopes: str, items: str, item: Message) -> Message:
    """Return the request of a signal: the three differ in their names only."""
    scope = Message({1: Field("scope", SCOPE), 2: Field(items, item, many=True), 3: Field("schemaUrl", text)})
    resource = Message(
        {1: Field("resource", RESOURCE), 2: Field(scopes, scope, many=True), 3: Field("schemaUrl", text)}
    )
    return Message({1: Field(resources, resource, many=True)})


TRACES_REQUEST: Final = _request("resourceSpans", "scopeSpans", "spans", SPAN)
METRICS_REQUEST: Final = _request("resourceMetrics", "scopeMetrics", "metrics", METRIC)
LOGS_REQUEST: Final = _request("resourceLogs", "scopeLogs", "logRecords", LOG_RECORD)
REQUESTS: Final = {TRACES: TRACES_REQUEST, METRICS: METRICS_REQUEST, LOGS: LOGS_REQUEST}
