"""Attributes of OTLP as plain values and as text. Pure.

Text is what a search compares and what Jaeger's tags say: as OTLP's JSON writes a scalar, JSON for what is nested.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from math import isfinite

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Plain = str | bool | int | float | bytes | list["Plain"] | dict[str, "Plain"] | None

NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # protobuf's JSON mapping


def plain(value: AnyValue) -> Plain:
    """Return the value; protobuf bounds how deep it is nested (100)."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    found: str | bool | int | float | bytes = getattr(value, kind)
    return found


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Plain]:
    """Return attributes by name; of a name that is there twice, the last counts."""
    return {pair.key: plain(pair.value) for pair in pairs}


def text(value: Plain) -> str:
    """Return the value as a search and a tag write it."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value) if isfinite(value) else NOT_FINITE[str(value)]
        case bytes():
            return b64encode(value).decode()
        case None:
            return ""
        case _:
            return json.dumps(jsonable(value), ensure_ascii=False, separators=(",", ":"))


def jsonable(value: Plain) -> object:
    """Return the value as JSON can hold it."""
    match value:
        case bytes():
            return b64encode(value).decode()
        case list():
            return [jsonable(item) for item in value]
        case dict():
            return {key: jsonable(item) for key, item in value.items()}
        case float() if not isfinite(value):
            return NOT_FINITE[str(value)]
        case _:
            return value
