"""How a trace leaves: what its messages told, and what its record adds, as finished spans."""

from __future__ import annotations

from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import LiveTrace
from haproxy_telemetry.trace.spans import FinishedTrace


def finished_trace(trace: LiveTrace, ids: IdSource, phases: str) -> FinishedTrace | None:
    """Return the trace as it leaves; ``None`` where nothing was told that could be a span."""
    if trace.spans:
        return _of_messages(trace)
    return None


def _of_messages(trace: LiveTrace) -> FinishedTrace:
    """Spans that messages made; what is still open ends when HAProxy says that the stream did."""
    if trace.end is not None:
        for span in list(trace.open.values()):
            trace.finish(span, trace.end.end_ns)
    return trace.finished()
