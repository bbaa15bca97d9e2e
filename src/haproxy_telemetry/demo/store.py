"""The traces that came in: the last so many, by their id, and what had to go.

Bounded, since the demo may run for days under somebody's load test: the trace that was silent longest goes
first, and a trace takes only so many spans. What was turned away is counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from haproxy_telemetry.terminal.records import SpanRecord

MAX_TRACES = 200
MAX_SPANS = 500  # of one trace; the demo's have 21


class TraceStore:
    """Spans by trace. Not for several threads at once."""

    def __init__(self, max_traces: int = MAX_TRACES, max_spans: int = MAX_SPANS) -> None:
        self._max_traces = max_traces
        self._max_spans = max_spans
        self._traces: OrderedDict[str, list[SpanRecord]] = OrderedDict()
        self.traces_evicted = 0
        self.spans_dropped = 0

    def add(self, spans: Iterable[SpanRecord]) -> list[str]:
        """Take spans in; return the ids of the traces that grew."""
        grown: dict[str, None] = {}
        for span in spans:
            if self._add(span):
                grown[span.trace_id] = None
        while len(self._traces) > self._max_traces:
            evicted, _ = self._traces.popitem(last=False)
            self.traces_evicted += 1
            grown.pop(evicted, None)
        return list(grown)

    def _add(self, span: SpanRecord) -> bool:
        spans = self._traces.setdefault(span.trace_id, [])
        self._traces.move_to_end(span.trace_id)
        if len(spans) >= self._max_spans:
            self.spans_dropped += 1
            return False
        spans.append(span)
        return True

    def spans(self, trace_id: str) -> list[SpanRecord]:
        """Return the spans of a trace, in order of time; none for a trace that isn't known."""
        return sorted(self._traces.get(trace_id, []), key=lambda span: (span.start_ns, -span.end_ns))

    def all_spans(self) -> list[SpanRecord]:
        """Return the spans of all traces; those of the trace that grew last at the end."""
        return [span for spans in self._traces.values() for span in spans]
