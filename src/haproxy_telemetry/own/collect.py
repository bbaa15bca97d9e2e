"""The agent's own metrics as points, for any reader. Values are read when somebody asks, from any thread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias, final

from haproxy_telemetry import framecounts
from haproxy_telemetry.acktimes import AckTimes
from haproxy_telemetry.metrics.points import Data, HistogramData, HistogramPoint, Metric, NumberData, NumberPoint
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.own import catalog
from haproxy_telemetry.stats import Stats

_NS: Final = 1e9

_Reasons: TypeAlias = Mapping[str, int]
"""A counter's numbers by reason, ``""`` for none."""


class Sources(NamedTuple):
    """Where the values come from. ``gauges`` by name, without the prefix."""

    stats: Stats
    ack_times: AckTimes
    export: Callable[[], ExportState]
    gauges: Mapping[str, Callable[[], int]]


@final
class Own:
    """All metrics of the agent about itself; ``start_ns`` is when it began, since the epoch."""

    def __init__(self, sources: Sources, version: str, start_ns: int) -> None:
        self.start_ns = start_ns
        self._sources = sources
        self._version = version

    def collect(self) -> list[Data]:
        """Return every metric of the catalog, also one that has no point yet."""
        counts = _by_name(framecounts.complete(self._sources.stats.snapshot()))
        return [*self._own(counts), *self._mirrored(counts)]

    def _own(self, counts: Mapping[str, _Reasons]) -> Iterator[Data]:
        for metric in catalog.COUNTERS:
            yield _counter(metric, counts.get(catalog.stat_of(metric), {}))
        for metric in catalog.GAUGES:
            yield _number(metric, self._sources.gauges[catalog.stat_of(metric)]())
        export = self._sources.export()
        yield _number(catalog.QUEUE, export.queue)
        yield _number(catalog.LAST_EXPORT, export.last_success)
        yield _number(catalog.START, self.start_ns / _NS)
        yield NumberData(catalog.BUILD, (NumberPoint(((catalog.VERSION, self._version.encode()),), 1),))
        yield self._ack()

    def _ack(self) -> HistogramData:
        times = self._sources.ack_times
        counts = tuple(times.counts)
        return HistogramData(catalog.ACK, (HistogramPoint((), counts, times.sum_ns / _NS, (None,) * len(counts)),))

    def _mirrored(self, counts: Mapping[str, _Reasons]) -> Iterator[Data]:
        """OpenTelemetry's names, from the same counters: what came, by how its way ended."""
        made = {reason: n for reason, n in counts.get("spans_dropped", {}).items() if reason not in catalog.NEVER_MADE}
        yield from _ways(catalog.SPANS_PROCESSED, catalog.SPANS_EXPORTED, counts.get("spans_exported", {}), made)
        export = self._sources.export()
        yield _number(catalog.QUEUE_SIZE, export.queue)
        yield _number(catalog.QUEUE_CAPACITY, export.capacity)
        logs = counts.get("log_records_exported", {}), counts.get("log_records_dropped", {})
        yield from _ways(catalog.LOGS_PROCESSED, catalog.LOGS_EXPORTED, *logs)
        points = counts.get("metric_points_exported", {})
        yield _with_errors(catalog.POINTS_EXPORTED, sum(points.values()), counts.get("metric_points_dropped", {}))


def _by_name(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (what, reason), number in counts.items():
        found[what][reason] = number
    return dict(found)


def _counter(metric: Metric, reasons: _Reasons) -> NumberData:
    """A point for each reason; one that has none is there from the start, with 0."""
    if not metric.attributes:
        return NumberData(metric, (NumberPoint((), sum(reasons.values())),))
    [attribute] = metric.attributes
    points = [NumberPoint(((attribute, reason.encode()),), number) for reason, number in sorted(reasons.items())]
    return NumberData(metric, tuple(points))


def _ways(processed: Metric, exported: Metric, well: _Reasons, lost: _Reasons) -> Iterator[Data]:
    """What is lost before its export was processed with an error; what the receiver refused, exported with one."""
    before = {reason: n for reason, n in lost.items() if reason in catalog.BEFORE_EXPORT}
    failed = {reason: n for reason, n in lost.items() if reason not in catalog.BEFORE_EXPORT}
    done = sum(well.values())
    yield _with_errors(processed, done + sum(failed.values()), before)
    yield _with_errors(exported, done, failed)


def _with_errors(metric: Metric, well: int, errors: _Reasons) -> NumberData:
    points = [NumberPoint(((catalog.ERROR, reason.encode()),), number) for reason, number in sorted(errors.items())]
    return NumberData(metric, (NumberPoint((), well), *points))


def _number(metric: Metric, value: float | None) -> NumberData:
    return NumberData(metric, (NumberPoint((), value),) if value is not None else ())
