"""What was sent and what it left behind, judged. Pure: answers and spans in, verdicts out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from haproxy_telemetry.demo.checker import Expectation, Problem, check_shape, check_trace
from haproxy_telemetry.demo.client import TRACESTATE, USER_AGENT, Answer, Request
from haproxy_telemetry.demo.shapes import Shape
from haproxy_telemetry.demo.topology import HAPROXIES, ORIGIN
from haproxy_telemetry.terminal.records import SpanRecord, roots_of, services_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """One request: what it was, its answer, its spans, and all that is wrong."""

    request: Request
    answer: Answer
    trace_id: str
    spans: list[SpanRecord]
    problems: list[Problem]

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problems


def trace_id_of(request: Request, answer: Answer) -> str:
    """Return the id under which the request's spans must come: HAProxy's word, else the fake server's."""
    return answer.trace_id if request.traced else str(answer.echo.get("trace_id", ""))


def judge(request: Request, answer: Answer, spans: list[SpanRecord], shape: Shape) -> Verdict:
    """Judge one request by its answer and its spans."""
    problems = _judge_answer(request, answer)
    if request.traced:
        trace_id, caller_span_id = request.caller or (answer.trace_id, "")
        way, origin = (HAPROXIES[:1], "") if request.refused else (HAPROXIES, ORIGIN)
        problems += check_trace(spans, Expectation(shape, way, origin, caller_span_id, trace_id))
    else:  # the fake server begins a trace of its own, and no HAProxy is in it
        problems += check_trace(spans, Expectation(shape, (), ORIGIN))
    return Verdict(request, answer, trace_id_of(request, answer), spans, problems)


def with_strays(verdicts: list[Verdict], spans: list[SpanRecord]) -> list[Verdict]:
    """Add to the last verdict what the demo's requests left behind in traces that are none of theirs."""
    known = {verdict.trace_id for verdict in verdicts}
    agent_key = "user_agent.original"
    strays = {span.trace_id for span in spans if span.attributes.get(agent_key) == USER_AGENT} - known
    problems = [Problem("stray-trace", "", f"trace {trace_id} belongs to no request") for trace_id in sorted(strays)]
    return [*verdicts[:-1], replace(verdicts[-1], problems=[*verdicts[-1].problems, *problems])]


def is_whole(spans: list[SpanRecord], shape: Shape) -> bool:
    """Say whether a trace of somebody's own request is complete: nothing more has to be waited for.

    A first span with a parent may have its parents on their way, unless it is the first HAProxy's.
    """
    roots = roots_of(spans)
    if len(roots) != 1 or (roots[0].parent_id and roots[0].service != HAPROXIES[0]):
        return False
    through = tuple(name for name in HAPROXIES if name in services_of(spans))
    return any(not check_trace(spans, Expectation(shape, through, end, roots[0].parent_id)) for end in (ORIGIN, ""))


def problems_of(spans: list[SpanRecord]) -> list[Problem]:
    """Return what is wrong with a trace of which nothing is known: a first span's parent may be its caller's."""
    roots = roots_of(spans)
    return check_shape(spans, roots[0].parent_id if len(roots) == 1 else "")


def _judge_answer(request: Request, answer: Answer) -> list[Problem]:
    problems = []
    if answer.status != request.status:
        problems.append(Problem("status", "", f"the answer was {answer.status}, not {request.status}"))
    if bool(answer.trace_id) != request.traced:
        missing = "the answer has no x-trace-id" if request.traced else "HAProxy traced it"
        problems.append(Problem("trace-id-header", "", missing))
    if request.refused:
        return problems
    arrived = answer.echo.get("traceparent")
    if request.traced and str(arrived).split("-")[1:2] != [answer.trace_id]:
        problems.append(Problem("traceparent", ORIGIN, f"it got the traceparent {arrived}"))
    if not request.traced and arrived is not None:
        problems.append(Problem("traceparent", ORIGIN, f"it got {arrived}, where nobody sends one"))
    if request.caller is not None and answer.echo.get("tracestate") != TRACESTATE:
        problems.append(Problem("tracestate", ORIGIN, f"it got {answer.echo.get('tracestate')}, not {TRACESTATE}"))
    return problems
