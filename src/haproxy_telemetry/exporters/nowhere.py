"""Traces that are wanted by nobody: HAProxy is answered and contexts go on, and spans end here, counted."""

from __future__ import annotations

from typing import final

from haproxy_telemetry.otlp.ledger import CloseReport, ExportState
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.spans import FinishedTrace


@final
class NoExporter:
    """An ``Exporter`` without a thread (see ``haproxy_telemetry.exporters``)."""

    target = "nowhere (export.to is none)"

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def export(self, trace: FinishedTrace) -> None:
        """Count the spans as dropped, because it was asked for."""
        self._stats.count("spans_dropped", "not_wanted", len(trace.spans))

    def close(self, timeout_s: float) -> CloseReport:  # noqa: ARG002 (an exporter's)
        """Return that nothing was exported and nothing lost that anybody wanted."""
        return CloseReport(0, {})

    def state(self) -> ExportState:
        """Return that nothing was attempted."""
        return ExportState(0, None, None, None)
