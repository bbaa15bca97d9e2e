"""The exporter of tests that look at traces themselves."""

from __future__ import annotations

from haproxy_telemetry.exporters import CloseReport
from haproxy_telemetry.trace.spans import FinishedTrace


class Kept:
    """An exporter that keeps what it gets."""

    def __init__(self) -> None:
        self.traces: list[FinishedTrace] = []

    def export(self, trace: FinishedTrace) -> None:
        self.traces.append(trace)

    def close(self, timeout_s: float) -> CloseReport:
        raise NotImplementedError
