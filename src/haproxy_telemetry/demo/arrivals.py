"""The traces that came: what the viewer's store holds, as the proof and the terminal read it, and a wait for more.

The store decodes with OpenTelemetry's own classes, not with the agent's encoder turned round: the demo would otherwise
believe whatever the agent says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from haproxy_telemetry.terminal.otlpjson import span_records
from haproxy_telemetry.terminal.records import SpanRecord
from haproxy_telemetry.viewer.otlpjson import traces_data
from haproxy_telemetry.viewer.queries import MAX_LIMIT, Search
from haproxy_telemetry.viewer.spans import Summary
from haproxy_telemetry.viewer.store import Store


class Arrivals:
    """All of it is for the loop."""

    def __init__(self, store: Store) -> None:
        self.grown: dict[str, float] = {}  # trace, and when it grew last by the loop's clock; until it is shown
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()

    def told(self, summaries: Sequence[Summary]) -> None:
        """Hear of traces that are new or grew."""
        for summary in summaries:
            self.grown[summary.trace_id] = self._loop.time()
        self._more.set()

    async def more(self, seconds: float) -> None:
        """Return when something came, or after ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._more.wait(), seconds)
        self._more.clear()

    def spans(self, trace_id: str) -> list[SpanRecord]:
        """Return the spans of a trace, in order of time; none for a trace that is not known."""
        if not trace_id:
            return []
        spans = span_records(traces_data(self._store.trace(bytes.fromhex(trace_id))))
        return sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))

    def spans_with(self, key: str, value: str) -> list[SpanRecord]:
        """Return the spans of all traces in which one has the attribute."""
        found = self._store.search(Search(tags={key: value}, limit=MAX_LIMIT))
        return [span for summary in found.summaries for span in self.spans(str(summary["traceId"]))]
