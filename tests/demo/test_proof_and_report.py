from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from demo.samples import (
    NINE,
    TRACE,
    TWO,
    haproxy_spans,
    id_of,
    origin_spans,
    refused_trace,
    stream_trace,
    whole_trace,
    without,
)
from haproxy_telemetry.demo.binary import Haproxy
from haproxy_telemetry.demo.client import USER_AGENT, Answer, Request
from haproxy_telemetry.demo.counters import RecordCounters, read_totals
from haproxy_telemetry.demo.ports import USUAL_PORTS
from haproxy_telemetry.demo.proof import Verdict, is_whole, judge, problems_of, with_strays
from haproxy_telemetry.demo.report import as_json, moved_lines, record_lines, trace_lines, verdict_lines
from haproxy_telemetry.terminal.page import Page, headline
from haproxy_telemetry.terminal.records import SpanRecord
from haproxy_telemetry.terminal.waterfall import Style, waterfall

CALLER = "00f067aa0ba902b7"
UPSTREAM = f"00-{TRACE}-{id_of('haproxy-2', 'Server session')}-01"
GET = Request("GET", "GET", "/", 200)
CALLED = replace(GET, caller=(TRACE, CALLER))
PLAIN = replace(GET, entry="haproxy-1-plain")
PAGE = Page(100, Style())


def answer(**echo: object) -> Answer:
    return Answer(200, TRACE, {"trace_id": TRACE, "traceparent": UPSTREAM, "tracestate": None, **echo})


def judged(request: Request, answer: Answer, spans: list[SpanRecord]) -> Verdict:
    return judge(request, answer, spans, NINE)


def is_whole_here(spans: list[SpanRecord]) -> bool:
    return is_whole(spans, NINE)


PLAIN_ANSWER = Answer(200, "", {"trace_id": TRACE, "traceparent": None})


def kinds(verdict: Verdict) -> list[str]:
    return sorted({problem.kind for problem in verdict.problems})


def test_right_answers_with_whole_traces_are_fine() -> None:
    assert judged(GET, answer(), whole_trace()).ok
    assert judged(CALLED, answer(tracestate="demo=caller"), whole_trace(CALLER)).ok
    assert judged(PLAIN, PLAIN_ANSWER, origin_spans("", 0)).ok


def test_a_trace_that_is_not_there_yet_is_a_problem() -> None:
    assert kinds(judged(GET, answer(), [])) == ["no-spans"]


def test_another_status_than_asked_for() -> None:
    assert kinds(judged(GET, replace(answer(), status=503), whole_trace())) == ["status"]


def test_an_agent_that_gave_no_ids() -> None:
    verdict = judged(GET, Answer(200, "", {"traceparent": None}), [])
    assert kinds(verdict) == ["no-spans", "trace-id-header", "traceparent"]


def test_a_refusal_needs_haproxys_word_for_it_and_no_echo() -> None:
    refused, answer = replace(GET, path="/forbidden", status=403, refused=True), Answer(403, TRACE)
    assert judge(refused, answer, refused_trace(), TWO).ok
    assert kinds(judge(refused, answer, stream_trace(), TWO)) == ["service-unknown", "span-unknown", "termination"]
    assert kinds(judge(GET, replace(answer, status=200), refused_trace(), TWO)) == [
        "service-missing",
        "span-count",
        "traceparent",
    ]


def test_a_traceparent_of_another_trace_upstream() -> None:
    other = UPSTREAM.replace(TRACE, "ab" * 16)
    assert kinds(judged(GET, answer(traceparent=other), whole_trace())) == ["traceparent"]


def test_the_callers_context_must_arrive() -> None:
    assert kinds(judged(CALLED, answer(), whole_trace(CALLER))) == ["tracestate"]
    assert kinds(judged(CALLED, answer(tracestate="demo=caller"), whole_trace())) == ["roots"]


def test_without_spoe_nothing_may_be_traced() -> None:
    assert kinds(judged(PLAIN, answer(), origin_spans("", 0))) == ["trace-id-header", "traceparent"]
    assert kinds(judged(PLAIN, PLAIN_ANSWER, whole_trace())) == ["service-unknown"]


def test_a_trace_of_the_demos_that_no_request_explains() -> None:
    verdicts = [judged(GET, answer(), whole_trace()), judged(PLAIN, PLAIN_ANSWER, origin_spans("", 0))]
    stray = replace(whole_trace()[0], trace_id="cd" * 16, attributes={"user_agent.original": USER_AGENT})
    foreign = replace(stray, trace_id="ef" * 16, attributes={"user_agent.original": "curl/7.88.1"})
    told = with_strays(verdicts, [*whole_trace(), stray, foreign])
    assert [kinds(verdict) for verdict in told] == [[], ["stray-trace"]]


def test_a_trace_is_whole_when_nothing_more_can_come() -> None:
    second = haproxy_spans("haproxy-2", "", 0) + origin_spans(id_of("haproxy-2", "Server session"), 10)
    assert is_whole_here(whole_trace())
    assert is_whole_here(whole_trace(CALLER))
    assert is_whole_here(second)
    assert is_whole_here(origin_spans("", 0))
    assert is_whole(stream_trace(), TWO)
    assert is_whole(refused_trace(CALLER), TWO)


def test_a_trace_is_not_whole_while_its_parents_may_be_on_their_way() -> None:
    first_is_missing = [span for span in whole_trace() if span.service != "haproxy-1"]
    assert not is_whole_here([])
    assert not is_whole_here(first_is_missing)
    assert not is_whole_here(origin_spans(CALLER, 0))
    assert not is_whole_here(without(whole_trace(), "haproxy-1", "HTTP response"))
    assert not is_whole_here([span for span in whole_trace() if span.service != "haproxy-2"])
    assert not is_whole([span for span in stream_trace() if span.service == "haproxy-1"], TWO)


def test_of_somebodys_own_trace_only_what_is_surely_wrong_is_said() -> None:
    assert problems_of(origin_spans(CALLER, 0)) == []
    assert problems_of(haproxy_spans("haproxy-1", CALLER, 0)) == []
    assert problems_of(without(whole_trace(), "haproxy-2", "HAProxy session")) != []


# In words


def test_ports_that_moved_get_a_line_and_no_others() -> None:
    assert moved_lines(USUAL_PORTS) == []
    assert moved_lines({**USUAL_PORTS, "otlp": 4319}) == ["  - port 4318 is busy: the viewer's OTLP is on 4319 instead"]


def test_the_sum_of_a_proof_that_went_well() -> None:
    verdicts = [judged(GET, answer(), whole_trace()), judged(PLAIN, PLAIN_ANSWER, origin_spans("", 0))]
    assert verdict_lines(verdicts, PAGE) == [
        "  ✔ sent 2 requests: 1 of 1 traces complete, 28 spans each, 0 broken parents",
        "  ✔ not traced: answered, and no span of a HAProxy",
    ]


def test_the_sum_of_one_that_did_not_names_request_and_problem() -> None:
    broken = without(whole_trace(), "haproxy-2", "Client session")
    lines = verdict_lines([judged(GET, answer(), whole_trace()), judged(GET, answer(), broken)], PAGE)
    assert lines[0] == "  ✘ sent 2 requests: 1 of 2 traces complete, 27-28 spans each, 1 broken parents"
    assert lines[2] == "  ✘ GET: haproxy-2/Client session: is there 0 times, not once"


def test_a_trace_of_many_problems_does_not_fill_the_screen() -> None:
    spans = [replace(span, parent_id=f"{number:016x}") for number, span in enumerate(whole_trace(), 1)]
    lines = trace_lines(spans, problems_of(spans), datetime(2026, 1, 2, 12, 3, 11), PAGE)  # noqa: DTZ001 (only shown)
    assert len(lines) == 1 + len(spans) + 12 + 1


def test_how_a_stream_ended_stands_below_its_trace_if_not_as_usual() -> None:
    when = datetime(2026, 1, 2, 12, 3, 11)  # noqa: DTZ001 (only shown)
    assert trace_lines(refused_trace(), [], when, PAGE)[-1] == "  haproxy-1: HAProxy refused the request"
    assert len(trace_lines(stream_trace(), [], when, PAGE)) == 1 + len(waterfall(stream_trace(), 100))


def test_records_are_told_with_what_gave_nothing() -> None:
    assert record_lines(RecordCounters(11), PAGE) == ["  ✔ 11 records"]
    assert record_lines(RecordCounters(11, {"late": 2}), PAGE) == ["  ✘ 11 records, 2 dropped (late)"]
    assert record_lines(None, PAGE) == ["  ✘ the agent does not say how many records came"]


def test_the_agents_totals_are_read_from_its_last_word() -> None:
    first = "2026-01-02T03:04:05.678Z level=info msg=totals connections=3 records=1"
    last = "2026-01-02T03:04:06.678Z level=info msg=totals connections=3 records=11 records_dropped.late=2"
    other = "2026-01-02T03:04:07.678Z level=info msg=listening spop=127.0.0.1:7000 records=null"
    assert read_totals([first, last, other]) == RecordCounters(11, {"late": 2})
    assert read_totals(["2026-01-02T03:04:05.678Z level=info msg=totals connections=3"]) == RecordCounters(0)
    assert read_totals([other]) is None


def test_the_headline_says_when_what_and_which() -> None:
    root = replace(
        next(span for span in whole_trace() if span.name == "HAProxy session"),
        attributes={"http.request.method": "GET", "url.path": "/a\x1b[2J", "http.response.status_code": 404},
    )
    line = headline([root], datetime(2026, 1, 2, 12, 3, 11), PAGE)  # noqa: DTZ001 (only shown)
    assert line == rf"12:03:11  GET /a\x1b[2J  404  100ms  {TRACE}"


def test_the_object_for_programs_is_json_and_says_all() -> None:
    plain: list[SpanRecord] = origin_spans("", 0)
    verdicts = [judged(CALLED, answer(), whole_trace(CALLER)), judged(PLAIN, PLAIN_ANSWER, plain)]
    told = json.loads(
        json.dumps(
            as_json(Haproxy("/h", "2.6.12", "/h"), "detailed", USUAL_PORTS, RecordCounters(2, {"late": 1}), verdicts)
        )
    )
    assert told["ok"] is False
    assert told["problems"] == ["GET: fake-server: it got None, not demo=caller"]
    assert told["haproxy"] == {"version": "2.6.12", "path": "/h"}
    assert told["ports"] == USUAL_PORTS
    assert (told["profile"], told["records"]) == ("detailed", {"taken": 2, "dropped": {"late": 1}})
    assert [len(trace["spans"]) for trace in told["traces"]] == [28, 2]
    assert told["traces"][0]["request"]["traceparent"] == f"00-{TRACE}-{CALLER}-01"
    assert told["traces"][1]["spans"][0]["parent_id"] is None
