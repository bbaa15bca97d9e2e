"""The ways out of metrics and logs: from the environment to what runs.

``OTEL_METRICS_EXPORTER`` is ``prometheus`` unless set, not ``otlp`` as OpenTelemetry would have it: many trace stores
take no metrics, and would refuse them once a minute. ``OTEL_LOGS_EXPORTER`` is ``none`` for the same reason.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, final

from haproxy_telemetry.exporters.factory import LogExporter
from haproxy_telemetry.metrics.traffic import EXEMPLAR_FILTERS, Rules, Traffic
from haproxy_telemetry.otlp.batch import BatchLimits
from haproxy_telemetry.otlp.resource import ResourceTable, read_resource_attributes
from haproxy_telemetry.otlp.send import OtlpSender
from haproxy_telemetry.otlp.send_logs import OtlpLogExporter
from haproxy_telemetry.otlp.send_metrics import LIMITS, Measured, MetricsExporter
from haproxy_telemetry.otlp.settings import (
    OtlpSettings,
    check_histograms,
    read_batch_limits,
    read_delta,
    read_metric_interval,
    read_otlp_settings,
)
from haproxy_telemetry.otlp.signals import LOGS, METRICS
from haproxy_telemetry.otlp.variables import one_of, read_names
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.conventions import KNOWN_METHODS
from haproxy_telemetry.trace.spans import Attribute

METRICS_EXPORTERS: Final = ("otlp", "prometheus")
DEFAULT_METRICS_EXPORTER: Final = "prometheus"
LOGS_EXPORTERS: Final = ("otlp",)
DEFAULT_LOGS_EXPORTER: Final = "none"


class OutletSettings(NamedTuple):
    """What the environment says of metrics and logs. ``metrics`` and ``logs`` are ``None`` where not by OTLP."""

    measure: bool
    prometheus: bool
    exemplars: str
    metrics: OtlpSettings | None
    interval_s: float
    delta: bool
    logs: OtlpSettings | None
    log_limits: BatchLimits
    resource: tuple[Attribute, ...]


def read_outlets(environ: Mapping[str, str], instance_id: str = "") -> OutletSettings:
    """Read all variables of metrics and logs; a mistake is one even where it decides nothing.

    Raises ``ExportConfigError``.
    """
    metrics = read_names(environ, "OTEL_METRICS_EXPORTER", METRICS_EXPORTERS, DEFAULT_METRICS_EXPORTER)
    logs = read_names(environ, "OTEL_LOGS_EXPORTER", LOGS_EXPORTERS, DEFAULT_LOGS_EXPORTER)
    check_histograms(environ)
    name = "OTEL_METRICS_EXEMPLAR_FILTER"
    return OutletSettings(
        measure=bool(metrics),
        prometheus="prometheus" in metrics,
        exemplars=one_of(name, environ.get(name, "").strip().lower(), EXEMPLAR_FILTERS),
        metrics=read_otlp_settings(environ, METRICS) if "otlp" in metrics else None,
        interval_s=read_metric_interval(environ),
        delta=read_delta(environ),
        logs=read_otlp_settings(environ, LOGS) if "otlp" in logs else None,
        log_limits=read_batch_limits(environ, "OTEL_BLRP"),
        resource=read_resource_attributes(environ, instance_id or str(uuid.uuid4())),
    )


@final
class Outlets:
    """What runs. ``traffic`` is ``None`` where nobody wants metrics, ``logs`` where nobody wants logs."""

    def __init__(self, traffic: Traffic | None, metrics: MetricsExporter | None, logs: LogExporter | None) -> None:
        self.traffic = traffic
        self.logs = logs
        self._metrics = metrics

    def also(self, measured: Measured) -> None:
        """Send the metrics of this one too, if metrics are sent at all."""
        if self._metrics is not None:
            self._metrics.also(measured)

    def close(self, timeout_s: float) -> None:
        """Send what is left, for at most ``timeout_s``, both at once; blocks. What was lost is counted."""
        closing = [one.close for one in (self._metrics, self.logs) if one is not None]
        if closing:
            with ThreadPoolExecutor(len(closing)) as pool:
                for future in [pool.submit(close, timeout_s) for close in closing]:
                    future.result()


def open_outlets(
    settings: OutletSettings, stats: Stats, max_series: int, known_methods: frozenset[bytes] = KNOWN_METHODS
) -> Outlets:
    """Start what the settings ask for; ``known_methods`` are those that the spans call by their names."""
    traffic = None
    if settings.measure:
        traffic = Traffic(stats, time.time_ns(), Rules(max_series, settings.exemplars, known_methods))
    resources = ResourceTable(settings.resource, stats)
    metrics: MetricsExporter | None = None
    if traffic is not None and settings.metrics is not None:
        sender = OtlpSender(settings.metrics, LIMITS, resources, stats, signal=METRICS)
        metrics = MetricsExporter(traffic, sender, interval_s=settings.interval_s, delta=settings.delta)
    logs: LogExporter | None = None
    if settings.logs is not None:
        # A table of its own: it is not made for two threads.
        own = ResourceTable(settings.resource, stats)
        logs = OtlpLogExporter(settings.logs, settings.log_limits, own, stats, signal=LOGS)
    return Outlets(traffic, metrics, logs)
