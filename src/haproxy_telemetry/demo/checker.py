"""Is this one trace, whole and rightly joined? Pure: spans in, a list of problems out, empty when all is well.

What a whole trace is: every HAProxy gives the spans of its profile's shape with the parents that are drawn there,
each was ended by its record, and the first span of each service hangs under the span of the service before it that
waited for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from haproxy_telemetry.demo.shapes import Shape
from haproxy_telemetry.terminal.records import SpanRecord

# Attributes of a HAProxy's first span that only the record can tell, and the mark of a trace that nobody ended.
ENDED, REASON, CAUSE = "haproxy.termination.state", "haproxy.termination.reason", "haproxy.termination.cause"
INCOMPLETE = "haproxy.incomplete"

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

    ``origin`` is "" where the last HAProxy gives the answer. ``caller_span_id`` is the parent that the caller's
    ``traceparent`` named, "" where the trace begins here.
    """

    shape: Shape
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
    problems += _check_services(spans, {*expected.haproxies, expected.origin} - {""})
    for service in expected.haproxies:
        answers = not expected.origin and service == expected.haproxies[-1]
        here = [span for span in spans if span.service == service]
        problems += _check_haproxy(here, service, expected.shape, answers) if here else []
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


def _check_haproxy(spans: list[SpanRecord], service: str, shape: Shape, answers: bool) -> list[Problem]:
    """The spans of the shape, each once, under the right one of the same HAProxy, and ended by the record."""
    wanted = shape.answered if answers else shape.passed_on
    count = Counter(shape.name(span) for span in spans)
    problems = _check_names(count, service, wanted, shape.maybe)
    by_name = {name: span for span in spans if count[name := shape.name(span)] == 1}
    for name, parent in {**wanted, **shape.maybe}.items():
        if parent and name in by_name and parent in by_name and by_name[name].parent_id != by_name[parent].span_id:
            problems.append(Problem("parent-wrong", f"{service}/{name}", f"its parent must be {parent}"))
    root = by_name.get(shape.root)
    return problems + (_check_end(root, f"{service}/{shape.root}", answers) if root else [])


def _check_names(
    count: Counter[str], service: str, wanted: dict[str, str | None], maybe: dict[str, str]
) -> list[Problem]:
    problems = [
        Problem("span-count", f"{service}/{name}", f"is there {count[name]} times, not once")
        for name in wanted
        if count[name] != 1
    ]
    return problems + [
        Problem("span-unknown", f"{service}/{name}", "has no place here")
        for name in sorted(count.keys() - wanted.keys() - maybe.keys())
    ]


def _check_end(root: SpanRecord, name: str, answers: bool) -> list[Problem]:
    """The record came; where HAProxy gave the answer, it says so."""
    if root.kind != "server":
        return [Problem("kind", name, f"is of kind {root.kind}, not server")]
    if root.attributes.get(INCOMPLETE):
        return [Problem("incomplete", name, "nobody told its end: no record came in time")]
    if ENDED not in root.attributes:
        return [Problem("record-missing", name, f"has no {ENDED}: its record did not come")]
    if answers and (not root.attributes.get(REASON) or root.attributes.get(CAUSE) != "proxy"):
        return [Problem("termination", name, "does not say that HAProxy gave the answer")]
    return []


def _check_chain(spans: list[SpanRecord], expected: Expectation) -> list[Problem]:
    """Each service's first span is a child of the span of the HAProxy before it that waited for it."""
    if not expected.haproxies:
        return []
    shape = expected.shape
    roots = [(name, _find(spans, name, shape.root, shape)) for name in expected.haproxies[1:]]
    if expected.origin:
        roots.append((expected.origin, _first_server_span(spans, expected.origin)))
    problems = []
    for before, (service, root) in zip(expected.haproxies, roots, strict=False):
        waiting = _find(spans, before, shape.upstream, shape)
        if root is None and service == expected.origin and any(span.service == service for span in spans):
            problems.append(Problem("span-count", service, "has no span of kind server"))
        if root is not None and waiting is not None and root.parent_id != waiting.span_id:
            problems.append(Problem("parent-wrong", _name(root), f"its parent must be {before}/{shape.upstream}"))
    return problems


def _find(spans: list[SpanRecord], service: str, name: str, shape: Shape) -> SpanRecord | None:
    return next((span for span in spans if span.service == service and shape.name(span) == name), None)


def _first_server_span(spans: list[SpanRecord], service: str) -> SpanRecord | None:
    return next((span for span in spans if span.service == service and span.kind == "server"), None)


def _name(span: SpanRecord) -> str:
    return f"{span.service}/{span.name}"
