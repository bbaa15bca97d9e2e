"""Metrics as OTLP protobuf bytes (opentelemetry-proto v1, metrics.proto).

Pure. A metric becomes one ``ScopeMetrics.metrics`` field; resource, scope and request are those of
:func:`~.encode.encode_request`, since the three requests of OTLP have the same numbers there. A large metric is
encoded piece by piece (:func:`metric_pieces`), so that a thread can let others work in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, pack
from typing import Final

from haproxy_telemetry.metrics.points import (
    COUNTER,
    GAUGE,
    Data,
    Exemplar,
    HistogramData,
    HistogramPoint,
    Metric,
    NumberPoint,
)
from haproxy_telemetry.otlp.encode import attribute_field
from haproxy_telemetry.otlp.protobuf import length_field, varint_field

# AggregationTemporality
DELTA: Final = 1
CUMULATIVE: Final = 2

_TIMES: Final = Struct("<BQBQ").pack  # start_time_unix_nano = 2, time_unix_nano = 3, of both kinds of points
_TIME: Final = Struct("<BQ").pack  # the second alone
_COUNT: Final = Struct("<BQ").pack  # HistogramDataPoint.count = 4
_SUM: Final = Struct("<Bd").pack  # .sum = 5
_INTEGER: Final = Struct("<Bq").pack  # NumberDataPoint.as_int = 6
_DOUBLE: Final = Struct("<Bd").pack  # NumberDataPoint.as_double = 4
_EXEMPLAR: Final = Struct("<BQBd").pack  # Exemplar.time_unix_nano = 2, .as_double = 3


def encode_metric(data: Data, start_ns: int, now: int, temporality: int) -> bytes:
    """Return ``data`` as one ``ScopeMetrics.metrics`` field: tag, length and body."""
    return join_metric(data, list(metric_pieces(data, start_ns, now)), temporality)


def metric_pieces(data: Data, start_ns: int, now: int) -> Iterator[bytes]:
    """Yield each series as a ``data_points`` field; ``start_ns`` is when its counting began."""
    times = _TIMES(0x11, start_ns, 0x19, now)
    if isinstance(data, HistogramData):
        bounds = _packed(7, "d", data.metric.bounds)
        for histogram in data.points:
            yield length_field(1, _histogram(histogram, times, bounds))
    else:
        if data.metric.kind == GAUGE:
            times = _TIME(0x19, now)  # it has no beginning
        for number in data.points:
            yield length_field(1, _number(number, times))


def join_metric(data: Data, pieces: list[bytes], temporality: int) -> bytes:
    """Return the whole field; an up-down counter is always cumulative, as readers of all preferences want it."""
    metric = data.metric
    points = b"".join(pieces)
    if isinstance(data, HistogramData):
        kind = length_field(9, points + varint_field(2, temporality))  # Metric.histogram = 9
    elif metric.kind == GAUGE:
        kind = length_field(5, points)  # Metric.gauge = 5
    elif metric.kind == COUNTER:
        kind = length_field(7, points + varint_field(2, temporality) + varint_field(3, 1))  # Metric.sum = 7, monotonic
    else:
        kind = length_field(7, points + varint_field(2, CUMULATIVE))
    return length_field(2, _head(metric) + kind)


def _head(metric: Metric) -> bytes:
    """Write Metric.name = 1, .description = 2, .unit = 3."""
    return length_field(1, metric.name) + length_field(2, metric.description) + length_field(3, metric.unit)


def _histogram(point: HistogramPoint, times: bytes, bounds: bytes) -> bytes:
    parts = [times, _COUNT(0x21, point.total), _SUM(0x29, point.sum), _packed(6, "Q", point.counts), bounds]
    parts.extend([length_field(8, _exemplar(one)) for one in point.exemplars if one is not None])
    parts.extend([attribute_field(b"\x4a", key, value) for key, value in point.attributes])  # .attributes = 9
    return b"".join(parts)


def _number(point: NumberPoint, times: bytes) -> bytes:
    attributes = [attribute_field(b"\x3a", key, value) for key, value in point.attributes]  # .attributes = 7
    value = point.value
    written = _INTEGER(0x31, value) if isinstance(value, int) else _DOUBLE(0x21, value)
    return b"".join((times, written, *attributes))


def _exemplar(exemplar: Exemplar) -> bytes:
    ids = length_field(4, exemplar.span_id) + length_field(5, exemplar.trace_id)
    return _EXEMPLAR(0x11, exemplar.time_ns, 0x19, exemplar.value) + ids


def _packed(field: int, code: str, values: tuple[float, ...]) -> bytes:
    return length_field(field, pack(f"<{len(values)}{code}", *values))
