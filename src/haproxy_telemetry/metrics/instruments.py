"""Where measurements add up: a histogram and an up-down counter, each with a bounded number of series.

A series once made stays, and one that found no room never gets any: so a set of attributes always counts in the
same series, and what went up comes down again where it went up.
"""

from __future__ import annotations

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
class Lead:
    """Where measurements of one stream lead to: its span, and when they were taken."""

    __slots__ = ("span_id", "time_ns", "trace_id")

    def __init__(self, trace_id: bytes, span_id: bytes, time_ns: int) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.time_ns = time_ns


@final
class Series:
    """What one set of attributes amounts to; for who measures to keep, and for nobody but its histogram to change.

    ``spilt``: it is the overflow series. ``leads`` and ``values`` are the latest measurement of each bucket that leads
    somewhere.
    """

    __slots__ = ("counts", "leads", "spilt", "sum", "values")

    def __init__(self, buckets: int, spilt: bool) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
        self.leads: list[Lead | None] = [None] * buckets
        self.values = [0.0] * buckets
        self.spilt = spilt

    def exemplars(self) -> tuple[Exemplar | None, ...]:
        """Return the latest of each bucket."""
        return tuple([_exemplar(lead, value) for lead, value in zip(self.leads, self.values, strict=True)])


def _exemplar(lead: Lead | None, value: float) -> Exemplar | None:
    return Exemplar(lead.trace_id, lead.span_id, value, lead.time_ns) if lead is not None else None


@final
class Histogram:
    """Counts by bucket and series. ``overflowed`` is how many measurements went to the overflow series."""

    __slots__ = ("_bounds", "_max_series", "_series", "metric", "overflowed")

    def __init__(self, metric: Metric, max_series: int = MAX_SERIES) -> None:
        self.metric = metric
        self.overflowed = 0
        self._bounds = metric.bounds
        self._max_series = max_series
        self._series: dict[Attributes, Series] = {}

    def series(self, attributes: Attributes) -> Series:
        """Return the series in which these attributes count, now and always."""
        series = self._series.get(attributes)
        return series if series is not None else self._new(attributes)

    def _new(self, attributes: Attributes) -> Series:
        spilt = len(self._series) >= self._max_series - 1
        if spilt:
            attributes = OVERFLOW
        series = self._series.get(attributes)
        if series is None:
            series = self._series[attributes] = Series(len(self._bounds) + 1, spilt)
        return series

    def add(self, series: Series, value: float, lead: Lead | None) -> None:
        """Take one measurement; its lead replaces the one before it in its bucket."""
        bucket = bucket_of(self._bounds, value)
        series.counts[bucket] += 1
        series.sum += value
        if series.spilt:
            self.overflowed += 1
        if lead is not None:
            series.leads[bucket] = lead
            series.values[bucket] = value

    def record(self, attributes: Attributes, value: float, lead: Lead | None = None) -> None:
        """Take one measurement of these attributes."""
        self.add(self.series(attributes), value, lead)

    def data(self) -> HistogramData:
        """Return all series as they are now."""
        return HistogramData(
            self.metric,
            tuple(
                [
                    HistogramPoint(attributes, tuple(one.counts), one.sum, one.exemplars())
                    for attributes, one in self._series.items()
                ]
            ),
        )


def bucket_of(bounds: tuple[float, ...], value: float) -> int:
    """Return the number of the bucket: bounds are inclusive upper ones. Compiled, this is quicker than ``bisect``."""
    low, high = 0, len(bounds)
    while low < high:
        middle = (low + high) >> 1
        if bounds[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@final
class Level:
    """A number of one set of attributes; ``spilt`` as that of :class:`Series`."""

    __slots__ = ("spilt", "value")

    def __init__(self, spilt: bool) -> None:
        self.value = 0
        self.spilt = spilt


@final
class UpDown:
    """A number by series that goes up and down. ``overflowed`` as :class:`Histogram`."""

    __slots__ = ("_levels", "_max_series", "metric", "overflowed")

    def __init__(self, metric: Metric, max_series: int = MAX_SERIES) -> None:
        self.metric = metric
        self.overflowed = 0
        self._max_series = max_series
        self._levels: dict[Attributes, Level] = {}

    def level(self, attributes: Attributes) -> Level:
        """Return the number in which these attributes count, now and always."""
        level = self._levels.get(attributes)
        if level is not None:
            return level
        spilt = len(self._levels) >= self._max_series - 1
        if spilt:
            attributes = OVERFLOW
        level = self._levels.get(attributes)
        if level is None:
            level = self._levels[attributes] = Level(spilt)
        return level

    def move(self, level: Level, change: int) -> None:
        """Add ``change`` to a number of this instrument."""
        level.value += change
        if level.spilt:
            self.overflowed += 1

    def add(self, attributes: Attributes, change: int) -> None:
        """Add ``change`` to the number of these attributes."""
        self.move(self.level(attributes), change)

    def data(self) -> NumberData:
        """Return all series as they are now."""
        return NumberData(
            self.metric, tuple([NumberPoint(attributes, one.value) for attributes, one in self._levels.items()])
        )
