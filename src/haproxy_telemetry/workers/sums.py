"""The metrics of all workers, added up: what one reader sees of one agent. Pure.

Counters, up-down counters and histograms add, of an exemplar the latest stays, of a gauge the greatest value (but for
the start, of which it is the first). The series of a metric are bounded as in one process, and one that was shown once
stays, so that no counter goes down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, final

from haproxy_telemetry.metrics.points import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    OVERFLOW,
    Attributes,
    Data,
    Exemplar,
    HistogramData,
    HistogramPoint,
    Metric,
    NumberData,
    NumberPoint,
)
from haproxy_telemetry.own import catalog

_OWN: Final = frozenset(metric.name for metric in catalog.ALL)


@final
class Sums:
    """Adds up; remembers which series there are. ``max_series`` holds for each metric of the traffic."""

    def __init__(self, max_series: int) -> None:
        self._max_series = max_series
        self._shown: dict[bytes, set[Attributes]] = {}

    def add(self, many: Iterable[Sequence[Data]]) -> list[Data]:
        """Return each metric once, with all series."""
        metrics: dict[bytes, Metric] = {}
        histograms: dict[bytes, dict[Attributes, list[HistogramPoint]]] = {}
        numbers: dict[bytes, dict[Attributes, list[NumberPoint]]] = {}
        for data in (data for one in many for data in one):
            metric = metrics.setdefault(data.metric.name, data.metric)
            if isinstance(data, HistogramData):
                of_metric = histograms.setdefault(metric.name, {})
                for point in data.points:
                    of_metric.setdefault(self._series(metric, point.attributes), []).append(point)
            else:
                of_number = numbers.setdefault(metric.name, {})
                for number in data.points:
                    of_number.setdefault(self._series(metric, number.attributes), []).append(number)
        return [
            HistogramData(metric, tuple([_histogram(*item) for item in histograms[name].items()]))
            if name in histograms
            else NumberData(metric, tuple([_number(metric, *item) for item in numbers[name].items()]))
            for name, metric in metrics.items()
        ]

    def _series(self, metric: Metric, attributes: Attributes) -> Attributes:
        if metric.name in _OWN:
            return attributes
        shown = self._shown.setdefault(metric.name, set())
        if attributes not in shown:
            if len(shown) >= self._max_series - 1:
                return OVERFLOW
            shown.add(attributes)
        return attributes


def lasting(metrics: Sequence[Data]) -> list[Data]:
    """Return what stays of a worker that has gone: what it counted, not how it stood."""
    return [data for data in metrics if data.metric.kind in (COUNTER, HISTOGRAM)]


def _histogram(attributes: Attributes, points: Sequence[HistogramPoint]) -> HistogramPoint:
    counts = tuple([sum(bucket) for bucket in zip(*[point.counts for point in points], strict=True)])
    exemplars = tuple([_latest(bucket) for bucket in zip(*[point.exemplars for point in points], strict=True)])
    return HistogramPoint(attributes, counts, sum(point.sum for point in points), exemplars)


def _latest(exemplars: Sequence[Exemplar | None]) -> Exemplar | None:
    return max((one for one in exemplars if one is not None), key=lambda one: one.time_ns, default=None)


def _number(metric: Metric, attributes: Attributes, points: Sequence[NumberPoint]) -> NumberPoint:
    values = [point.value for point in points]
    if metric.kind != GAUGE:
        return NumberPoint(attributes, sum(values))
    return NumberPoint(attributes, min(values) if metric.name == catalog.START.name else max(values))
