"""The agent's own metrics for a ``prometheus_client`` registry. Values are read when somebody asks, from any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import Final, NamedTuple, final

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector

from haproxy_telemetry import framecounts
from haproxy_telemetry.acktimes import BOUNDS_NS, AckTimes
from haproxy_telemetry.admin import catalog
from haproxy_telemetry.admin.catalog import About
from haproxy_telemetry.admin.vitals import Heartbeat
from haproxy_telemetry.metrics.traffic import Traffic
from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.stats import Stats

_NS: Final = 1e9


class Sources(NamedTuple):
    """Where the values come from. ``gauges`` by name, without the prefix; ``traffic`` if it is wanted here."""

    stats: Stats
    ack_times: AckTimes
    traffic: Traffic | None
    heart: Heartbeat
    listening: Callable[[], bool]
    export: Callable[[], ExportState]
    gauges: Mapping[str, Callable[[], int]]


@final
class AgentCollector(Collector):
    """Gives the agent's counters, gauges and the ACK's histogram at each scrape."""

    def __init__(self, sources: Sources, version: str, started: float) -> None:
        self._sources = sources
        self._version = version
        self._started = started

    def describe(self) -> list[Family]:
        """Nothing; without this, registering would collect."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield every family of the catalog."""
        yield from self._counters()
        for about in catalog.GAUGES:
            yield _gauge(about, float(self._sources.gauges[about.name.removeprefix(catalog.PREFIX)]()))
        export = self._sources.export()
        yield _gauge(catalog.QUEUE, float(export.queue))
        yield _gauge(catalog.LAST_EXPORT, export.last_success)
        yield _gauge(catalog.START, self._started)
        build = _family(catalog.BUILD)
        build.add_sample(build.name, {"version": self._version}, 1.0)
        yield build
        yield self._ack()

    def _counters(self) -> Iterator[Family]:
        counts = framecounts.complete(self._sources.stats.snapshot())
        by_name: dict[str, list[tuple[str, int]]] = {}
        for (what, reason), number in counts.items():
            by_name.setdefault(what, []).append((reason, number))
        for about in catalog.COUNTERS:
            found = sorted(by_name.get(catalog.stat_of(about), ()))
            family = _family(about)
            if about.labels:
                for reason, number in found:
                    family.add_sample(about.name, {about.labels[0]: reason}, float(number))
            else:
                family.add_sample(about.name, {}, float(sum(number for _, number in found)))
            yield family

    def _ack(self) -> Family:
        times = self._sources.ack_times
        family = _family(catalog.ACK)
        counts, seconds, total = list(times.counts), times.sum_ns / _NS, 0
        for bound, count in zip((*BOUNDS_NS, inf), counts, strict=True):
            total += count
            le = "+Inf" if bound == inf else repr(bound / _NS)
            family.add_sample(f"{family.name}_bucket", {"le": le}, float(total))
        family.add_sample(f"{family.name}_count", {}, float(total))
        family.add_sample(f"{family.name}_sum", {}, seconds)
        return family


def _family(about: About) -> Family:
    # The registry writes a counter's _total itself.
    return Family(about.name.removesuffix("_total"), f"{about.what}.", about.kind)


def _gauge(about: About, value: float | None) -> Family:
    family = _family(about)
    if value is not None:
        family.add_sample(family.name, {}, value)
    return family
