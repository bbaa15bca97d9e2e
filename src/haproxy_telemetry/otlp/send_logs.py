"""Logs by OTLP: one record for each stream that has ended, encoded on the event loop as spans are."""

from __future__ import annotations

from typing import final

from haproxy_telemetry.otlp.encode_logs import encode_log
from haproxy_telemetry.otlp.send import OtlpSender
from haproxy_telemetry.trace.stream import EndedStream


@final
class OtlpLogExporter(OtlpSender):
    """Exports ended streams as log records; a ``LogExporter`` (see ``haproxy_telemetry.exporters``)."""

    def export(self, stream: EndedStream) -> None:
        """Encode and queue one record; what does not fit is counted. Never blocks for long, never raises."""
        try:
            encoded = encode_log(stream)
        except Exception:  # a bug of ours must not reach the request
            self._ledger.lost("encode_error", 1, "please report this", exc_info=True)
            return
        self.send(stream.service, [encoded])
