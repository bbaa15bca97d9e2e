"""The three signals of OTLP: what differs between them on the way out, and nothing else does."""

from __future__ import annotations

from typing import Final, NamedTuple


class Signal(NamedTuple):
    """One signal. ``what`` its items are called in a log line; ``exported`` and ``dropped`` are its counters."""

    name: str
    """In ``OTEL_EXPORTER_OTLP_<name>_…``."""
    path: str
    """Appended to the base endpoint of HTTP."""
    service: str
    """gRPC's service, whose one method is ``Export``."""
    what: str
    exported: str
    dropped: str
    budget: str
    """The variable that bounds a batch with all its attempts."""


TRACES: Final = Signal(
    "TRACES",
    "/v1/traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "spans",
    "spans_exported",
    "spans_dropped",
    "OTEL_BSP_EXPORT_TIMEOUT",
)
METRICS: Final = Signal(
    "METRICS",
    "/v1/metrics",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "metric points",
    "metric_points_exported",
    "metric_points_dropped",
    "OTEL_METRIC_EXPORT_TIMEOUT",
)
LOGS: Final = Signal(
    "LOGS",
    "/v1/logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "log records",
    "log_records_exported",
    "log_records_dropped",
    "OTEL_BLRP_EXPORT_TIMEOUT",
)

TO_VIEWER: Final = TRACES._replace(
    what="spans for the viewer", exported="viewer_spans_exported", dropped="viewer_spans_dropped"
)
"""Traces once more, beside those of the export: what is lost on this way is another matter."""

SIGNALS: Final = (TRACES, METRICS, LOGS)
