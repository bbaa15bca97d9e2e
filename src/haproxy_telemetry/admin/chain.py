"""Why do I see nothing? The links between HAProxy and the trace store, each with what it has seen and what to do.

Pure: facts in, sentences out. A link is told by what has come through it, so the first one that has seen nothing is
where to look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from haproxy_telemetry.otlp.ledger import ExportState
from haproxy_telemetry.seen import Seen

State = Literal["seen", "nothing", "problem", "off"]

_DOCTOR = "`haproxy-telemetry doctor /etc/haproxy/haproxy.cfg` finds what is missing"


class Link(msgspec.Struct, frozen=True):
    """One link of the chain.

    ``state``: it has ``seen`` something, ``nothing`` yet, there is a ``problem``, or it is ``off`` and not needed.
    ``count`` is how much has come through, ``last`` when the last did (seconds since the epoch), ``says`` what to know
    or to do about it, empty where all is well.
    """

    link: str
    state: State
    count: int
    last: float | None
    says: str = ""


class Facts(NamedTuple):
    """What the sentences are made of. ``now`` and ``oldest`` are ages' ends: monotonic seconds, and seconds of age."""

    counts: Mapping[tuple[str, str], int]
    seen: Seen
    export: ExportState
    live: int
    oldest: float
    now: float
    spop: str
    records: str
    target: str
    last_fault: str

    def total(self, what: str) -> int:
        """Return how often something was counted, for all reasons."""
        return sum(number for (name, _), number in self.counts.items() if name == what)

    def reasons(self, what: str) -> str:
        """Return the reasons with their numbers, the most frequent first: ``unsampled 5, rule 3``."""
        found = [(number, reason) for (name, reason), number in self.counts.items() if name == what and reason]
        return ", ".join(f"{reason} {number}" for number, reason in sorted(found, reverse=True))


def chain(facts: Facts) -> list[Link]:
    """Return the links, HAProxy's first."""
    return [
        _haproxy(facts),
        _frames(facts),
        _messages(facts),
        _records(facts),
        _sampling(facts),
        _export(facts),
        _store(facts),
    ]


def answer(links: list[Link]) -> str:
    """Return the one sentence to begin with: that of the first link with a problem, else of the first with nothing."""
    for state in ("problem", "nothing"):
        for link in links:
            if link.state == state:
                return f"{link.link}: {link.says}"
    return "every link has seen something; if the store shows nothing, " + links[-1].says


def _seconds(ns: int) -> float | None:
    return ns / 1e9 if ns else None


def _by_records_alone(facts: Facts) -> bool:
    """Say whether records make the traces and no event is sent, as in the profile zero-wait."""
    return facts.total("records") > 0 and facts.total("frames_answered") == 0


def _haproxy(facts: Facts) -> Link:
    handshakes, checks = facts.total("handshakes"), facts.total("health_checks")
    last = _seconds(facts.seen.connection_ns)
    if handshakes or checks:
        return Link("haproxy", "seen", handshakes + checks, last)
    if _by_records_alone(facts):
        return Link("haproxy", "off", 0, None, "no HAProxy has connected, and none needs to: records make the traces")
    if facts.total("connections"):
        why = facts.last_fault or facts.reasons("connections_refused") or "it has not said HELLO"
        return Link("haproxy", "problem", 0, last, f"something connected and was no HAProxy that we understand: {why}")
    return Link(
        "haproxy",
        "nothing",
        0,
        None,
        f"no HAProxy has connected to {facts.spop}. A frontend needs `filter spoe engine NAME config FILE`, and the"
        f" backend that FILE names a `server` line with this address; {_DOCTOR}. Up to 3.0 HAProxy connects with the"
        " first request, so send one",
    )


def _frames(facts: Facts) -> Link:
    frames, last = facts.total("frames_answered"), _seconds(facts.seen.frame_ns)
    if frames:
        return Link("frames", "seen", frames, last)
    if _by_records_alone(facts):
        return Link("frames", "off", 0, None, "no event is sent: records make the traces")
    if facts.last_fault:
        return Link("frames", "problem", 0, None, f"no frame came through; the last fault: {facts.last_fault}")
    return Link(
        "frames",
        "nothing",
        0,
        None,
        "no event has come. Send a request through a frontend that has `filter spoe`; if that was done, each"
        f" `spoe-message` needs an `event` line and the `spoe-agent` a `messages` line that names it; {_DOCTOR}",
    )


def _messages(facts: Facts) -> Link:
    count, last = facts.seen.messages, _seconds(facts.seen.messages_ns)
    problems = facts.reasons("dsl_problems")
    if count:
        says = f"some of it cannot be done: {problems}; docs/language.md has each" if problems else ""
        return Link("messages", "seen", count, last, says)
    if not facts.total("frames_answered"):
        state: State = "off" if _by_records_alone(facts) else "nothing"
        return Link("messages", state, 0, None, "no event has come that could say something")
    if "id_null" in problems:
        return Link("messages", "problem", 0, None, "`id` has no value: add `unique-id-format %[uuid]` to the frontend")
    if problems:
        return Link("messages", "problem", 0, None, f"nothing was understood: {problems}; docs/language.md has each")
    return Link(
        "messages",
        "problem",
        0,
        None,
        "the messages are in another language: their names must begin with `opentracing:` or `otel:`;"
        " `haproxy-telemetry config standard` writes them",
    )


def _records(facts: Facts) -> Link:
    count, last = facts.total("records"), _seconds(facts.seen.record_ns)
    dropped = facts.reasons("records_dropped")
    if count:
        return Link("records", "seen", count, last, f"some were not used: {dropped}" if dropped else "")
    if not facts.records:
        return Link(
            "records",
            "off",
            0,
            None,
            "not asked for: without `--records` only a message's `finish` ends a trace, and those that HAProxy answers"
            " itself leave incomplete after trace.ttl",
        )
    if dropped:
        return Link("records", "problem", 0, None, f"log lines come and are no records: {dropped}; see docs/records.md")
    return Link(
        "records",
        "nothing",
        0,
        None,
        f"no record has come to {facts.records}. The frontend needs the `log` line and the format that"
        " `haproxy-telemetry config` writes, with this address",
    )


def _sampling(facts: Facts) -> Link:
    count, last, dropped = facts.seen.traces, _seconds(facts.seen.trace_ns), facts.reasons("traces_dropped")
    if count:
        return Link("sampling", "seen", count, last, f"left out: {dropped}" if dropped else "")
    if dropped:
        return Link(
            "sampling",
            "problem",
            0,
            None,
            f"every trace was left out: {dropped}. `unsampled` is by OTEL_TRACES_SAMPLER or the caller's traceparent,"
            " the others by [sampling]",
        )
    if facts.live:
        return Link(
            "sampling",
            "nothing",
            0,
            None,
            f"{facts.live} traces are alive, the oldest for {facts.oldest:.0f} s, and none has ended: a trace leaves"
            " when a message finishes its last span or its record comes, else trace.ttl after its last event",
        )
    return Link("sampling", "nothing", 0, None, "no trace has begun")


def _export(facts: Facts) -> Link:
    export, lost = facts.export, facts.reasons("spans_dropped")
    count = facts.total("spans_exported") + facts.total("spans_dropped")
    if export.failing_since is not None:
        since = facts.now - export.failing_since
        return Link(
            "export",
            "problem",
            count,
            export.last_success,
            f"{facts.target} has not been reached for {since:.0f} s: {export.last_error or 'the write failed'}."
            " Where it goes is said by OTEL_EXPORTER_OTLP_ENDPOINT",
        )
    if count:
        return Link("export", "seen", count, export.last_success, f"lost: {lost}" if lost else "")
    waits = f"{export.queue} spans wait for their batch" if export.queue else "nothing has come to be sent"
    return Link("export", "nothing", 0, None, f"{waits}; it goes to {facts.target}")


def _store(facts: Facts) -> Link:
    count, last = facts.total("spans_exported"), facts.export.last_success
    refused = ", ".join(
        f"{reason} {number}"
        for (what, reason), number in sorted(facts.counts.items())
        if what == "spans_dropped" and (reason == "rejected" or reason.startswith(("http_", "grpc_")))
    )
    if refused:
        error = f": {facts.export.last_error}" if facts.export.last_error else ""
        return Link("store", "problem", count, last, f"{facts.target} refused spans ({refused}){error}")
    if count:
        return Link(
            "store",
            "seen",
            count,
            last,
            f"{facts.target} took {count} spans: look there for the service name (OTEL_SERVICE_NAME, `haproxy` unless"
            " set) and the time",
        )
    return Link("store", "nothing", 0, None, f"{facts.target} has got nothing from here yet")
