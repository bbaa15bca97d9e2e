"""Every metric of the agent about itself: name, kind, attributes, meaning. docs/metrics.md has the same.

Names are OpenTelemetry's way to write them; on ``/metrics`` dots are underscores, and a counter ends in ``_total``. The
only attributes that vary are ``reason`` (a word of our own code, or ``http_NNN`` of the receiver's status) and ``type``
(of frames). Nothing that HAProxy or its clients send gets here.

What OpenTelemetry has names for (semantic conventions, "OpenTelemetry SDK metrics") is said under those too, from the
same counters: :data:`MIRRORED`.
"""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.acktimes import BOUNDS_NS
from haproxy_telemetry.metrics.points import COUNTER, GAUGE, HISTOGRAM, UP_DOWN, Metric

PREFIX: Final = "haproxy_telemetry."
REASON: Final = b"reason"
TYPE: Final = b"type"
VERSION: Final = b"version"
ERROR: Final = b"error.type"


def _own(name: str, kind: str, what: str, *attributes: bytes, unit: bytes = b"") -> Metric:
    return Metric((PREFIX + name).encode(), unit, f"{what}.".encode(), kind, attributes)


_REASONED: Final = {
    "baggage_dropped": "Items of baggage that were left out",
    "attributes_dropped": "Attributes of spans that were left out",
    "connections_refused": "Connections of HAProxy that were reset",
    "context_ignored": "Callers' contexts in a format that is not configured",
    "context_invalid": "Callers' contexts that break the rules of their format",
    "disconnects": "Goodbyes of HAProxy, by status",
    "dsl_problems": "Messages that say what cannot be done",
    "events_dropped": "Events of spans that were left out",
    "frames_dropped": "NOTIFY frames that were answered and are in no trace",
    "frames_skipped": "Frames that were passed over",
    "internal_errors": "Bugs of the agent, by place",
    "links_dropped": "Links of spans that were left out",
    "log_records_dropped": "Log records that were lost",
    "metric_points_dropped": "Metric points that were lost",
    "protocol_errors": "Peers that broke the protocol, by status",
    "recorder_dropped": "Reads, answers and records that the flight recorder lost",
    "records_dropped": "Records of HAProxy that were not used",
    "reloads": "Readings of the settings by SIGHUP",
    "service_names_ignored": "Traces whose service name was not used",
    "spans_dropped": "Spans that were lost",
    "traces_dropped": "Traces that sampling left out",
    "traces_incomplete": "Traces that were exported unfinished",
    "viewer_spans_dropped": "Spans that were lost on the way to the viewer of this agent",
    "variables_dropped": "Variables that found no room in an answer",
}
_PLAIN: Final = {
    "accept_failures": "Connections that could not be accepted at once",
    "connections": "Connections of HAProxy that were accepted",
    "engines_unlisted": "Connections of engines past the number that is listed",
    "export_answers_unreadable": "Answers of receivers that say success and are no OTLP",
    "export_requests": "Requests to receivers, of all signals",
    "export_warnings": "Warnings of receivers",
    "frames_aborted": "Fragmented frames that HAProxy gave up",
    "frames_answered": "NOTIFY frames that got their ACK",
    "handshakes": "Connections that became SPOP connections",
    "health_checks": "Health checks of HAProxy",
    "log_lines_dropped": "Lines of the agent's log that nobody read",
    "log_records_exported": "Log records that the receiver has",
    "messages_skipped": "Messages in another language than the agent's",
    "metric_overflows": "Measurements that found no series of their own",
    "metric_points_exported": "Metric points that the receiver has",
    "records": "Records of HAProxy that told the end of a stream",
    "spans": "Spans that were made",
    "spans_exported": "Spans that the receiver has",
    "viewer_ends": "Ends of the viewer's process while the agent ran",
    "viewer_spans_exported": "Spans that the viewer of this agent has",
    "traceparent_invalid": "Callers' traceparents that break the W3C rules",
    "worker_restarts": "Workers that ended unasked and were started again",
}
COUNTERS: Final = tuple(
    sorted(
        [
            *(_own(name, COUNTER, what, REASON) for name, what in _REASONED.items()),
            *(_own(name, COUNTER, what) for name, what in _PLAIN.items()),
            _own("frames", COUNTER, "Frames of SPOP by type; AGENT-… and ACK are the agent's", TYPE),
        ],
        key=lambda metric: metric.name + b"_total",  # their order on /metrics
    )
)
GAUGES: Final = (
    _own("live_traces", UP_DOWN, "Traces that have not ended"),
    _own("open_connections", UP_DOWN, "Connections of HAProxy that are open"),
    _own("workers", UP_DOWN, "Processes that serve HAProxy"),
    _own("engines", UP_DOWN, "Engines of HAProxy that are connected, or were within a minute"),
)
QUEUE: Final = _own("export_queue_spans", UP_DOWN, "Spans that wait for their export")
LAST_EXPORT: Final = _own(
    "last_export_timestamp", GAUGE, "When spans were exported last; absent before the first time", unit=b"s"
)
START: Final = _own("start_timestamp", GAUGE, "When the agent began", unit=b"s")
BUILD: Final = _own("build_info", GAUGE, "The agent that runs; always 1", VERSION)
ACK: Final = _own("ack", HISTOGRAM, "Time from the read of a NOTIFY frame to the write of its ACK", unit=b"s")._replace(
    bounds=tuple([ns / 1e9 for ns in BOUNDS_NS])
)
OWN: Final = (*COUNTERS, *GAUGES, QUEUE, LAST_EXPORT, START, BUILD, ACK)


def _sdk(name: str, kind: str, unit: str, what: str, *attributes: bytes) -> Metric:
    return Metric(f"otel.sdk.{name}".encode(), b"{%b}" % unit.encode(), f"{what}.".encode(), kind, attributes)


SPANS_PROCESSED: Final = _sdk(
    "processor.span.processed", COUNTER, "span", "Spans handed to the export, or lost before it", ERROR
)
SPANS_EXPORTED: Final = _sdk(
    "exporter.span.exported", COUNTER, "span", "Spans whose export ended, well or (error.type) not", ERROR
)
QUEUE_SIZE: Final = _sdk("processor.span.queue.size", UP_DOWN, "span", "Spans that wait for their export")
QUEUE_CAPACITY: Final = _sdk("processor.span.queue.capacity", UP_DOWN, "span", "Spans that may wait for their export")
LOGS_PROCESSED: Final = _sdk(
    "processor.log.processed", COUNTER, "log_record", "Log records handed to the export, or lost before it", ERROR
)
LOGS_EXPORTED: Final = _sdk(
    "exporter.log.exported",
    COUNTER,
    "log_record",
    "Log records whose export ended, well or (error.type) not",
    ERROR,
)
POINTS_EXPORTED: Final = _sdk(
    "exporter.metric_data_point.exported",
    COUNTER,
    "data_point",
    "Metric points whose export ended, well or (error.type) not",
    ERROR,
)
MIRRORED: Final = (
    SPANS_PROCESSED,
    SPANS_EXPORTED,
    QUEUE_SIZE,
    QUEUE_CAPACITY,
    LOGS_PROCESSED,
    LOGS_EXPORTED,
    POINTS_EXPORTED,
)
ALL: Final = (*OWN, *MIRRORED)

NEVER_MADE: Final = frozenset(("trace_full",))
"""Reasons of ``spans_dropped`` for spans that there never were."""

BEFORE_EXPORT: Final = frozenset(("queue_full", "shutdown", "encode_error", "internal_error", "not_wanted"))
"""Reasons of what was lost before it reached the receiver's side; all others are failures of the export."""


def stat_of(counter: Metric) -> str:
    """Return the name under which the agent counts it."""
    return counter.name.decode().removeprefix(PREFIX)
