"""Metrics for Prometheus: a collector that a ``prometheus_client`` registry takes.

Names by OpenTelemetry's rules ("Prometheus and OpenMetrics Compatibility"): dots become underscores, the unit becomes
a suffix. Exemplars carry ``trace_id`` and ``span_id``; they show in the OpenMetrics format only. What cannot be
printed is escaped, so that no label can break a line for any reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Final, Protocol, final

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ClientExemplar

from haproxy_telemetry.metrics.points import (
    COUNTER,
    HISTOGRAM,
    Attributes,
    Data,
    Exemplar,
    HistogramData,
    HistogramPoint,
    Metric,
)
from haproxy_telemetry.trace.spans import AttributeValue

UNITS: Final = {b"s": "seconds", b"By": "bytes"}


def family_name(metric: Metric) -> str:
    """Return the name as Prometheus has it, without the ``_total`` of a counter's samples."""
    name = metric.name.decode().replace(".", "_")
    unit = UNITS.get(metric.unit)
    return f"{name}_{unit}" if unit else name


class Measured(Protocol):
    """What has metrics."""

    def collect(self) -> list[Data]:
        """Return all metrics, cumulative."""


@final
class MeasuredCollector(Collector):
    """Gives what was ``measured`` at each scrape; ``registry.register(MeasuredCollector(traffic))``."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def describe(self) -> list[Family]:
        """Nothing is promised before the first stream; without this, registering would collect."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield a family for each metric; from any thread."""
        for data in self._measured.collect():
            yield _family(data)


def kind_of(metric: Metric) -> str:
    """Return the type as Prometheus has it: what may go down is a gauge."""
    return metric.kind if metric.kind in (HISTOGRAM, COUNTER) else "gauge"


def _family(data: Data) -> Family:
    metric = data.metric
    family = Family(family_name(metric), metric.description.decode(), kind_of(metric), UNITS.get(metric.unit, ""))
    if isinstance(data, HistogramData):
        for point in data.points:
            _add_histogram(family, point, metric.bounds)
    else:
        sample = f"{family.name}_total" if metric.kind == COUNTER else family.name
        for number in data.points:
            family.add_sample(sample, _labels(number.attributes), float(number.value))
    return family


def _add_histogram(family: Family, point: HistogramPoint, bounds: tuple[float, ...]) -> None:
    labels = _labels(point.attributes)
    total = 0
    for bound, count, exemplar in zip((*bounds, inf), point.counts, point.exemplars, strict=True):
        total += count
        with_bound = {**labels, "le": "+Inf" if bound == inf else repr(bound)}
        family.add_sample(f"{family.name}_bucket", with_bound, float(total), None, _exemplar(exemplar))
    family.add_sample(f"{family.name}_count", labels, float(total))
    family.add_sample(f"{family.name}_sum", labels, point.sum)


def _exemplar(exemplar: Exemplar | None) -> ClientExemplar | None:
    if exemplar is None:
        return None
    ids = {"trace_id": exemplar.trace_id.hex(), "span_id": exemplar.span_id.hex()}
    return ClientExemplar(ids, exemplar.value, exemplar.time_ns / 1e9)


def _labels(attributes: Attributes) -> dict[str, str]:
    return {key.decode().replace(".", "_"): _text(value) for key, value in attributes}


def _text(value: AttributeValue) -> str:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
        return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return str(value).lower() if isinstance(value, bool) else str(value)
