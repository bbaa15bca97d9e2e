"""Every kind of finding, in the order in which they are told: first what HAProxy says, then ours, then the world."""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.doctor import checks_agent, checks_messages, checks_records, checks_streams
from haproxy_telemetry.doctor.findings import Check, Kind, Severity

HAPROXY_REFUSES: Final = Kind(
    "haproxy-refuses",
    Severity.ERROR,
    "`haproxy -c` refuses the configuration",
    "The words are HAProxy's own.",
)
HAPROXY_WARNS: Final = Kind(
    "haproxy-warns",
    Severity.WARNING,
    "`haproxy -c` takes the configuration, and warns",
    "The words are HAProxy's own. It starts, and does something else than was written.",
)
AGENT_UNREACHABLE: Final = Kind(
    "agent-unreachable",
    Severity.ERROR,
    "the agent does not answer",
    "The doctor says SPOP's HELLO to each server of the agent's backend, as HAProxy's own check does.",
)
RECORDS_NOT_TAKEN: Final = Kind(
    "records-not-taken",
    Severity.ERROR,
    "nobody takes the records",
    "No program receives datagrams at the agent's records address (asked on this machine only, without sending one).",
)
OTLP_SETTINGS: Final = Kind(
    "otlp-settings",
    Severity.ERROR,
    "an `OTEL_*` variable that cannot be obeyed",
    "Read from the environment of the doctor: run it with the environment of the agent.",
)
OTLP_REFUSES: Final = Kind(
    "otlp-refuses",
    Severity.ERROR,
    "the OTLP endpoint does not take spans",
    "The doctor sends a request without spans, which every receiver must accept.",
)

CHECKS: Final[tuple[Check, ...]] = (
    *checks_streams.CHECKS,
    *checks_messages.CHECKS,
    *checks_agent.CHECKS,
    *checks_records.CHECKS,
)

KINDS: Final[tuple[Kind, ...]] = (
    HAPROXY_REFUSES,
    HAPROXY_WARNS,
    *(check.kind for check in CHECKS),
    AGENT_UNREACHABLE,
    RECORDS_NOT_TAKEN,
    OTLP_SETTINGS,
    OTLP_REFUSES,
)
