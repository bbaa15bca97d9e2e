"""Every metric of the agent about itself: name, kind, labels, meaning. docs/metrics.md has the same.

The only label that varies is ``reason``: a word of our own code, or ``http_NNN`` of the receiver's status. Nothing
that HAProxy or its clients send gets here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PREFIX: Final = "haproxy_telemetry_"
REASON: Final = "reason"
TYPE: Final = "type"


class About(NamedTuple):
    """A metric as Prometheus shows it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    what: str


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
    "records_dropped": "Records of HAProxy that were not used",
    "reloads": "Readings of the settings by SIGHUP",
    "service_names_ignored": "Traces whose service name was not used",
    "spans_dropped": "Spans that were lost",
    "traces_dropped": "Traces that sampling left out",
    "traces_incomplete": "Traces that were exported unfinished",
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
    "spans_exported": "Spans that the receiver has",
    "traceparent_invalid": "Callers' traceparents that break the W3C rules",
}
COUNTERS: Final = tuple(
    sorted(
        [About(f"{PREFIX}{name}_total", "counter", (REASON,), what) for name, what in _REASONED.items()]
        + [About(f"{PREFIX}{name}_total", "counter", (), what) for name, what in _PLAIN.items()]
        + [
            About(
                f"{PREFIX}frames_total", "counter", (TYPE,), "Frames of SPOP by type; AGENT-… and ACK are the agent's"
            )
        ]
    )
)
GAUGES: Final = (
    About(PREFIX + "live_traces", "gauge", (), "Traces that have not ended"),
    About(PREFIX + "open_connections", "gauge", (), "Connections of HAProxy that are open"),
    About(PREFIX + "engines", "gauge", (), "Engines of HAProxy that are connected, or were within a minute"),
)
QUEUE: Final = About(PREFIX + "export_queue_spans", "gauge", (), "Spans that wait for their export")
LAST_EXPORT: Final = About(
    PREFIX + "last_export_timestamp_seconds", "gauge", (), "When spans were exported last; absent before the first time"
)
START: Final = About(PREFIX + "start_timestamp_seconds", "gauge", (), "When the agent began")
BUILD: Final = About(PREFIX + "build_info", "gauge", ("version",), "The agent that runs; always 1")
ACK: Final = About(
    PREFIX + "ack_seconds", "histogram", ("le",), "Time from the read of a NOTIFY frame to the write of its ACK"
)
ALL: Final = (*COUNTERS, *GAUGES, QUEUE, LAST_EXPORT, START, BUILD, ACK)


def stat_of(counter: About) -> str:
    """Return the name under which the agent counts it."""
    return counter.name.removeprefix(PREFIX).removesuffix("_total")
