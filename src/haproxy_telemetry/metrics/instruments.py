"""Where measurements add up: a histogram and an up-down counter, each with a bounded number of series.

A series once made stays, and one that found no room never gets any: so a set of attributes always counts in the
same series, and what went up comes down again where it went up.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, final

from haproxy_telemetry.metrics.points import (
    OVERFLOW,
    Attributes,
    Exemplar,
    HistogramData,
    HistogramPoint,
    Metric,
    NumberData,
    NumberPoint,
)

MAX_SERIES: Final = 2000
"""Of one metric, the overflow series included: OpenTelemetry's default (SDK specification, "Cardinality limits")."""


@final
class _Series:
    __slots__ = ("counts", "exemplars", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
        self.exemplars: list[Exemplar | None] = [None] * buckets


@final
class Histogram:
    """Counts by bucket and series. ``overflowed`` is how many measurements went to the overflow series."""

    __slots__ = ("_max_series", "_series", "metric", "overflowed")

    def __init__(self, metric: Metric, max_series: int = MAX_SERIES) -> None:
        self.metric = metric
        self.overflowed = 0
        self._max_series = max_series
        self._series: dict[Attributes, _Series] = {}

    def record(self, attributes: Attributes, value: float, exemplar: Exemplar | None = None) -> None:
        """Take one measurement; its exemplar replaces the one before it in its bucket."""
        series = self._series.get(attributes) or self._new(attributes)
        bucket = bisect_left(self.metric.bounds, value)  # bounds are inclusive upper ones
        series.counts[bucket] += 1
        series.sum += value
        if exemplar is not None:
            series.exemplars[bucket] = exemplar

    def _new(self, attributes: Attributes) -> _Series:
        if len(self._series) >= self._max_series - 1:
            self.overflowed += 1
            attributes = OVERFLOW
        series = self._series.get(attributes)
        if series is None:
            series = self._series[attributes] = _Series(len(self.metric.bounds) + 1)
        return series

    def data(self) -> HistogramData:
        """Return all series as they are now."""
        return HistogramData(
            self.metric,
            tuple(
                [
                    HistogramPoint(attributes, tuple(one.counts), one.sum, tuple(one.exemplars))
                    for attributes, one in self._series.items()
                ]
            ),
        )


@final
class UpDown:
    """A number by series that goes up and down. ``overflowed`` as :class:`Histogram`."""

    __slots__ = ("_max_series", "_values", "metric", "overflowed")

    def __init__(self, metric: Metric, max_series: int = MAX_SERIES) -> None:
        self.metric = metric
        self.overflowed = 0
        self._max_series = max_series
        self._values: dict[Attributes, int] = {}

    def add(self, attributes: Attributes, change: int) -> None:
        """Add ``change`` to the series."""
        if attributes not in self._values and len(self._values) >= self._max_series - 1:
            self.overflowed += 1
            attributes = OVERFLOW
        self._values[attributes] = self._values.get(attributes, 0) + change

    def data(self) -> NumberData:
        """Return all series as they are now."""
        return NumberData(self.metric, tuple([NumberPoint(*item) for item in self._values.items()]))
