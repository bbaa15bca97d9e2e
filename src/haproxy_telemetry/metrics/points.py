"""What a metric is, and its points as a reader gets them: immutable, cumulative since the agent's start.

Every reader (OTLP, Prometheus) reads the same points and none resets them; what one takes as a difference it makes
by itself (:func:`since`).
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from haproxy_telemetry.trace.spans import Attribute

Attributes: TypeAlias = tuple[Attribute, ...]

HISTOGRAM: Final = "histogram"
UP_DOWN: Final = "up-down counter"
COUNTER: Final = "counter"
GAUGE: Final = "gauge"

OVERFLOW: Final[Attributes] = ((b"otel.metric.overflow", True),)
"""The series that takes what finds no room of its own (OpenTelemetry specification, "Cardinality limits")."""


class Metric(NamedTuple):
    """One metric's name, unit (UCUM) and description; ``bounds`` are the inclusive upper bounds of the buckets."""

    name: bytes
    unit: bytes
    description: bytes
    kind: str
    attributes: tuple[bytes, ...]
    """The names of all attributes that a series of it may have."""
    bounds: tuple[float, ...] = ()


class Exemplar(NamedTuple):
    """One measurement, and the span that it belongs to. ``time_ns`` is when it was taken."""

    trace_id: bytes
    span_id: bytes
    value: float
    time_ns: int


class HistogramPoint(NamedTuple):
    """One series: how many measurements fell into each bucket, the last without an upper bound."""

    attributes: Attributes
    counts: tuple[int, ...]
    sum: float
    exemplars: tuple[Exemplar | None, ...]
    """For each bucket the latest."""

    @property
    def total(self) -> int:
        """All measurements."""
        return sum(self.counts)


class NumberPoint(NamedTuple):
    """One series of a counter of either kind, or of a gauge."""

    attributes: Attributes
    value: float


class HistogramData(NamedTuple):
    """A histogram and its series."""

    metric: Metric
    points: tuple[HistogramPoint, ...]


class NumberData(NamedTuple):
    """A counter of either kind or a gauge, as its metric's ``kind`` says, and its series."""

    metric: Metric
    points: tuple[NumberPoint, ...]


Data: TypeAlias = HistogramData | NumberData


def counted_since(now: NumberData, before: NumberData | None) -> NumberData:
    """Return what was counted after ``before``; a series that stood still is left out."""
    known = {point.attributes: point.value for point in before.points} if before is not None else {}
    changed = (point._replace(value=point.value - known.get(point.attributes, 0)) for point in now.points)
    return NumberData(now.metric, tuple([point for point in changed if point.value]))


def since(now: HistogramData, before: HistogramData | None) -> HistogramData:
    """Return what was measured after ``before``; a series without a measurement is left out."""
    known = {point.attributes: point for point in before.points} if before is not None else {}
    changed = (_difference(point, known.get(point.attributes)) for point in now.points)
    return HistogramData(now.metric, tuple([point for point in changed if any(point.counts)]))


def _difference(point: HistogramPoint, before: HistogramPoint | None) -> HistogramPoint:
    if before is None:
        return point
    counts = tuple([new - old for new, old in zip(point.counts, before.counts, strict=True)])
    return point._replace(counts=counts, sum=point.sum - before.sum)


def only_after(data: HistogramData, time_ns: int) -> HistogramData:
    """Leave the exemplars out that an earlier collection has had already."""
    return HistogramData(
        data.metric,
        tuple(
            [
                point._replace(
                    exemplars=tuple([one if one and one.time_ns > time_ns else None for one in point.exemplars])
                )
                for point in data.points
            ]
        ),
    )
