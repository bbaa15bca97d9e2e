"""Is this one trace, whole and rightly joined? Pure: spans in, a list of problems out, empty when all is well.

What a whole trace is, for the demo's topology: every HAProxy gives the nine spans of ``spoe.cfg`` with the
parents drawn there, and the first span of each service hangs under the span of the service before it that
waited for it ("Server session").
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from haproxy_telemetry.demo.records import SpanRecord

HAPROXY_ROOT = "HAProxy session"
UPSTREAM_SPAN = "Server session"

# Each span of a HAProxy, and its parent of the same HAProxy.
HAPROXY_SPANS: dict[str, str | None] = {
    HAPROXY_ROOT: None,
    "Client session": HAPROXY_ROOT,
    "Frontend TCP request": "Client session",
    "Frontend HTTP request": "Frontend TCP request",
    "Backend TCP request": "Frontend HTTP request",
    "Backend HTTP request": "Backend TCP request",
    UPSTREAM_SPAN: HAPROXY_ROOT,
    "TCP response": UPSTREAM_SPAN,
    "HTTP response": "TCP response",
}

# Agent and origin look at clocks of their own, when their process gets to it: a busy machine shifts them.
CLOCK_TOLERANCE_NS = 100_000_000
LONGEST_NS = 600_000_000_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``kind`` is for programs, ``str()`` for people."""

    kind: str
    about: str  # the span or service, "" for the whole trace
    detail: str

    def __str__(self) -> str:
        return f"{self.about}: {self.detail}" if self.about else self.detail


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a request must leave behind: these HAProxies in their order, then the origin.

    ``caller_span_id`` is the parent that the caller's ``traceparent`` named, "" where the trace begins here.
    """

    haproxies: tuple[str, ...]
    origin: str
    caller_span_id: str = ""
    trace_id: str = ""  # "" for any


def check_trace(spans: list[SpanRecord], expected: Expectation) -> list[Problem]:
    """Return all that is wrong with the trace of one request that went through ``expected.haproxies``."""
    if not spans:
        return [Problem("no-spans", "", "no span of this trace came")]
    problems = check_shape(spans, expected.caller_span_id)
    problems += _check_trace_id(spans, expected.trace_id)
    problems += _check_services(spans, {*expected.haproxies, expected.origin})
    for service in expected.haproxies:
        problems += _check_haproxy([span for span in spans if span.service == service], service)
    return problems + _check_chain(spans, expected)


def check_shape(spans: list[SpanRecord], caller_span_id: str = "") -> list[Problem]:
    """Return what is wrong with any trace: several ids, not one root, parents that are missing, odd times."""
    return [
        *_check_ids(spans),
        *_check_root(spans, caller_span_id),
        *_check_parents(spans, caller_span_id),
        *_check_times(spans),
    ]


def _check_ids(spans: list[SpanRecord]) -> list[Problem]:
    problems = []
    traces = sorted({span.trace_id for span in spans})
    if len(traces) > 1:
        problems.append(Problem("trace-ids", "", f"{len(traces)} trace ids where one must be: {', '.join(traces)}"))
    for span_id, count in Counter(span.span_id for span in spans).items():
        if count > 1:
            problems.append(Problem("span-id-twice", span_id, f"{count} spans have this id"))
    return problems


def _check_root(spans: list[SpanRecord], caller_span_id: str) -> list[Problem]:
    roots = [span for span in spans if span.parent_id == caller_span_id]
    if len(roots) == 1:
        return []
    what = f"whose parent is the caller's {caller_span_id}" if caller_span_id else "without a parent"
    names = ", ".join(_name(span) for span in roots) or "none"
    return [Problem("roots", "", f"exactly one span must be the root ({what}): {names}")]


def _check_parents(spans: list[SpanRecord], caller_span_id: str) -> list[Problem]:
    known = {span.span_id for span in spans} | {"", caller_span_id}
    problems = [
        Problem("parent-missing", _name(span), f"its parent {span.parent_id} is not in the trace")
        for span in spans
        if span.parent_id not in known
    ]
    return problems + [
        Problem("parent-circle", _name(span), "is among its own ancestors") for span in spans if _in_circle(span, spans)
    ]


def _in_circle(span: SpanRecord, spans: list[SpanRecord]) -> bool:
    parents = {one.span_id: one.parent_id for one in spans}
    above, steps = span.parent_id, 0
    while above in parents and above != span.span_id and steps < len(spans):
        above, steps = parents[above], steps + 1
    return above == span.span_id


def _check_times(spans: list[SpanRecord]) -> list[Problem]:
    by_id = {span.span_id: span for span in spans}
    problems = []
    for span in spans:
        parent = by_id.get(span.parent_id)
        if span.start_ns <= 0 or span.end_ns < span.start_ns:
            problems.append(Problem("times", _name(span), f"from {span.start_ns} to {span.end_ns}"))
        elif span.duration_ns > LONGEST_NS:
            problems.append(Problem("times", _name(span), f"takes {span.duration_ns} ns"))
        elif parent is not None and span.start_ns < parent.start_ns - CLOCK_TOLERANCE_NS:
            early = parent.start_ns - span.start_ns
            problems.append(Problem("times", _name(span), f"starts {early} ns before its parent {_name(parent)}"))
    return problems


def _check_trace_id(spans: list[SpanRecord], trace_id: str) -> list[Problem]:
    wrong = sorted({span.trace_id for span in spans} - {trace_id})
    if not trace_id or not wrong:
        return []
    return [Problem("trace-id", "", f"the trace id must be {trace_id}, not {', '.join(wrong)}")]


def _check_services(spans: list[SpanRecord], expected: set[str]) -> list[Problem]:
    found = {span.service for span in spans}
    missing = [Problem("service-missing", name, "no span of this service") for name in sorted(expected - found)]
    return missing + [Problem("service-unknown", name, "has no place here") for name in sorted(found - expected)]


def _check_haproxy(spans: list[SpanRecord], service: str) -> list[Problem]:
    """The nine spans, each once, under the right one of the same HAProxy."""
    if not spans:
        return []  # said already
    count = Counter(span.name for span in spans)
    problems = [
        Problem("span-count", f"{service}/{name}", f"is there {count[name]} times, not once")
        for name in HAPROXY_SPANS
        if count[name] != 1
    ]
    problems += [
        Problem("span-unknown", f"{service}/{name}", "has no place here")
        for name in sorted(count.keys() - HAPROXY_SPANS.keys())
    ]
    by_name = {span.name: span for span in spans}
    for name, parent in HAPROXY_SPANS.items():
        if parent and name in by_name and parent in by_name and by_name[name].parent_id != by_name[parent].span_id:
            problems.append(Problem("parent-wrong", f"{service}/{name}", f"its parent must be {parent}"))
    return problems


def _check_chain(spans: list[SpanRecord], expected: Expectation) -> list[Problem]:
    """Each service's first span is a child of the "Server session" of the HAProxy before it."""
    if not expected.haproxies:
        return []
    roots = [(name, _find(spans, name, HAPROXY_ROOT)) for name in expected.haproxies[1:]]
    roots.append((expected.origin, _first_server_span(spans, expected.origin)))
    problems = []
    for before, (service, root) in zip(expected.haproxies, roots, strict=True):
        waiting = _find(spans, before, UPSTREAM_SPAN)
        if root is None and service == expected.origin and any(span.service == service for span in spans):
            problems.append(Problem("span-count", service, "has no span of kind server"))
        if root is not None and waiting is not None and root.parent_id != waiting.span_id:
            problems.append(Problem("parent-wrong", _name(root), f"its parent must be {before}/{UPSTREAM_SPAN}"))
    return problems


def _find(spans: list[SpanRecord], service: str, name: str) -> SpanRecord | None:
    return next((span for span in spans if span.service == service and span.name == name), None)


def _first_server_span(spans: list[SpanRecord], service: str) -> SpanRecord | None:
    return next((span for span in spans if span.service == service and span.kind == "server"), None)


def _name(span: SpanRecord) -> str:
    return f"{span.service}/{span.name}"
