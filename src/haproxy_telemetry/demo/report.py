"""The demo's words: lines for people, one object for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from haproxy_telemetry import __version__
from haproxy_telemetry.demo.binary import Haproxy
from haproxy_telemetry.demo.checker import Problem
from haproxy_telemetry.demo.counters import RecordCounters
from haproxy_telemetry.demo.ports import USUAL_PORTS
from haproxy_telemetry.demo.proof import Verdict
from haproxy_telemetry.terminal.page import Page
from haproxy_telemetry.terminal.page import trace_lines as page_lines
from haproxy_telemetry.terminal.records import SpanRecord
from haproxy_telemetry.terminal.waterfall import printable

MAX_PROBLEMS = 12  # lines of one trace

# Ports whose names are not those of their programs.
_LABELS = {
    "haproxy-1-plain": "haproxy-1, not traced,",
    "haproxy-2-plain": "haproxy-2, not traced,",
    "stats": "haproxy-1's statistics page",
    "stats-2": "haproxy-2's statistics page",
    "fake-server": "the fake server",
    "agent": "the agent",
    "otlp": "the viewer's OTLP",
    "pages": "what the agent says of itself",
    "records": "the agent's port for records",
}

# What HAProxy says of a request, and when.
_PROFILES = {
    "detailed": "each event, and the record at the end",
    "standard": "one event, and the record at the end",
    "zero-wait": "the record at the end, nothing before",
}


def title() -> str:
    """Return the first line."""
    return f"haproxy-telemetry {__version__}  demo (no Docker, everything on 127.0.0.1)"


def haproxy_lines(haproxy: Haproxy, profile: str, page: Page) -> list[str]:
    """Say which HAProxy it is, and what it is told to do."""
    lines = [f"  {page.mark(True)} {'HAProxy ' + haproxy.version:<28} {haproxy.source}"]
    lines += [f"  - {haproxy.note}"] if haproxy.note else []
    return [*lines, f"  {page.mark(True)} {'profile ' + profile:<28} {_PROFILES[profile]}"]


def moved_lines(ports: Mapping[str, int]) -> list[str]:
    """Say which ports were busy."""
    return [
        f"  - port {usual} is busy: {_LABELS.get(name, name)} is on {ports[name]} instead"
        for name, usual in USUAL_PORTS.items()
        if ports[name] != usual
    ]


def running_lines(ports: Mapping[str, int], page: Page) -> list[str]:
    """Say what runs, and where."""
    tick = page.mark(True)
    return [
        f"  {tick} haproxy-1    :{ports['haproxy-1']} traced   :{ports['haproxy-1-plain']} not",
        f"  {tick} haproxy-2    :{ports['haproxy-2']} traced   :{ports['haproxy-2-plain']} not",
        f"  {tick} fake server  :{ports['fake-server']} (OpenTelemetry SDK)",
        f"  {tick} agent        :{ports['agent']} SPOP     :{ports['records']}/udp records   :{ports['pages']} metrics",
        f"  {tick} viewer       :{ports['viewer']} page     :{ports['otlp']} OTLP",
    ]


def verdict_lines(verdicts: list[Verdict], page: Page) -> list[str]:
    """Say how the proof went, and what is wrong where something is."""
    traced = [verdict for verdict in verdicts if verdict.request.traced]
    whole = sum(verdict.ok for verdict in traced)
    sizes = sorted({len(verdict.spans) for verdict in traced})
    spans = "-".join(str(size) for size in dict.fromkeys([sizes[0], sizes[-1]])) if sizes else "0"
    broken = sum(problem.kind.startswith("parent") for verdict in traced for problem in verdict.problems)
    ok = all(verdict.ok for verdict in verdicts)
    lines = [
        f"  {page.mark(whole == len(traced))} sent {len(verdicts)} requests: {whole} of {len(traced)} traces complete,"
        f" {spans} spans each, {broken} broken parents"
    ]
    plain = [verdict for verdict in verdicts if not verdict.request.traced]
    if plain and all(verdict.ok for verdict in plain):
        lines.append(f"  {page.mark(True)} not traced: answered, and no span of a HAProxy")
    if not ok:
        for verdict in verdicts:
            lines += problem_lines(f"{verdict.request.title}: ", verdict.problems, page)
    return lines


def record_lines(records: RecordCounters | None, page: Page) -> list[str]:
    """Say how many records came, and what became of those that gave nothing."""
    if records is None:
        return [f"  {page.mark(False)} the agent does not say how many records came"]
    lost = "".join(f", {count} dropped ({reason})" for reason, count in records.dropped.items())
    return [f"  {page.mark(not records.dropped)} {records.taken} records{lost}"]


def problem_lines(about: str, problems: list[Problem], page: Page) -> list[str]:
    """Return one line a problem, and how many were left out."""
    lines = [f"  {page.mark(False)} {about}{printable(str(problem))}" for problem in problems[:MAX_PROBLEMS]]
    left = len(problems) - MAX_PROBLEMS
    return lines + ([f"    and {left} more"] if left > 0 else [])


def farewell_lines(ports: Mapping[str, int], page: Page) -> list[str]:
    """Say what a person can do now."""
    bold = page.style.paint(f"curl -i http://127.0.0.1:{ports['haproxy-1']}/", "1")
    traces = page.style.paint(f"http://127.0.0.1:{ports['viewer']}/", "1")
    return [
        f"  Traces        {traces}",
        f"  HAProxy stats http://127.0.0.1:{ports['stats']} and :{ports['stats-2']}",
        f"  Try           {bold}        Ctrl-C stops everything",
    ]


def trace_lines(spans: list[SpanRecord], problems: list[Problem], when: datetime, page: Page) -> list[str]:
    """Return a trace: its headline, its waterfall, how it ended if not as usual, what is wrong with it."""
    return [*page_lines(spans, when, page), *problem_lines("", problems, page)]


def as_json(
    haproxy: Haproxy,
    profile: str,
    ports: Mapping[str, int],
    records: RecordCounters | None,
    verdicts: list[Verdict],
) -> dict[str, object]:
    """Return all of it for a program."""
    return {
        "ok": all(verdict.ok for verdict in verdicts),
        "version": __version__,
        "haproxy": {"version": haproxy.version, "path": haproxy.path},
        "profile": profile,
        "ports": dict(ports),
        "records": None if records is None else {"taken": records.taken, "dropped": records.dropped},
        "problems": [f"{verdict.request.title}: {problem}" for verdict in verdicts for problem in verdict.problems],
        "traces": [_trace(verdict) for verdict in verdicts],
    }


def failure_as_json(text: str) -> dict[str, object]:
    """Return the object of a demo that could not even ask."""
    return {"ok": False, "version": __version__, "error": text, "problems": [text], "traces": []}


def _trace(verdict: Verdict) -> dict[str, object]:
    return {
        "trace_id": verdict.trace_id,
        "request": {
            "title": verdict.request.title,
            "method": verdict.request.method,
            "path": verdict.request.path,
            "status": verdict.answer.status,
            "traced": verdict.request.traced,
            "traceparent": verdict.request.headers.get("traceparent"),
        },
        "ok": verdict.ok,
        "problems": [
            {"kind": problem.kind, "about": problem.about, "detail": problem.detail} for problem in verdict.problems
        ],
        "spans": [_span(span) for span in verdict.spans],
    }


def _span(span: SpanRecord) -> dict[str, object]:
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id or None,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
        "error": span.error,
        "attributes": span.attributes,
    }
