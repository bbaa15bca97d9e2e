"""The way out with a second one beside it, for the viewer: what becomes of the second never touches the first."""

from __future__ import annotations

import threading
from typing import Final, Protocol, final

from haproxy_telemetry.otlp.batch import BatchLimits
from haproxy_telemetry.otlp.ledger import CloseReport, ExportState
from haproxy_telemetry.otlp.send import OtlpExporter
from haproxy_telemetry.otlp.settings import PROTOBUF, OtlpSettings
from haproxy_telemetry.trace.spans import FinishedTrace

VIEWER_LIMITS: Final = BatchLimits(max_age_s=0.2, queue_spans=16_384, queue_bytes=32 << 20)
"""Somebody is watching, so traces leave soon; what waits for a viewer that does not keep up is no more than this."""

VIEWER_CLOSE_S: Final = 2.0
"""Seconds for the last spans at the end; the viewer ends with the agent, and only a file keeps what it got."""


class Watched(Protocol):
    """What the first way out can do: :class:`~haproxy_telemetry.exporters.factory.WatchedExporter`."""

    target: str

    def export(self, trace: FinishedTrace) -> None:
        """Take a trace over."""

    def close(self, timeout_s: float) -> CloseReport:
        """Flush and stop."""

    def state(self) -> ExportState:
        """Return how the export stands."""


def viewer_settings(url: str) -> OtlpSettings:
    """Return how spans go to the viewer: on this machine, so soon tried again and not compressed."""
    return OtlpSettings(PROTOBUF, url, headers={}, timeout_s=5.0, budget_s=10.0, gzip=False, tls=None)


@final
class Tee:
    """Exports by ``main`` and by ``viewer``; says of itself what ``main`` says."""

    def __init__(self, main: Watched, viewer: OtlpExporter) -> None:
        self.target = main.target
        self._main = main
        self._viewer = viewer

    def export(self, trace: FinishedTrace) -> None:
        """Hand a trace to both; what OTLP sends twice is encoded once."""
        if isinstance(self._main, OtlpExporter):
            if spans := self._main.encode(trace):
                self._main.send(trace.service, spans)
                self._viewer.send(trace.service, spans)
        else:
            self._main.export(trace)
            self._viewer.export(trace)

    def close(self, timeout_s: float) -> CloseReport:
        """Close both at the same time; the report is that of ``main``."""
        beside = threading.Thread(
            target=self._viewer.close, args=(min(timeout_s, VIEWER_CLOSE_S),), name="viewer-close"
        )
        beside.start()
        report = self._main.close(timeout_s)
        beside.join()
        return report

    def state(self) -> ExportState:
        """Return how the export of ``main`` stands."""
        return self._main.state()
