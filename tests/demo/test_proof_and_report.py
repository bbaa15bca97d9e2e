from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from demo.samples import TRACE, haproxy_spans, id_of, origin_spans, whole_trace, without
from haproxy_telemetry.demo.binary import Haproxy
from haproxy_telemetry.demo.client import USER_AGENT, Answer, Request
from haproxy_telemetry.demo.ports import USUAL_PORTS
from haproxy_telemetry.demo.proof import Verdict, is_whole, judge, problems_of, with_strays
from haproxy_telemetry.demo.records import SpanRecord
from haproxy_telemetry.demo.report import Page, as_json, headline, moved_lines, trace_lines, verdict_lines
from haproxy_telemetry.demo.waterfall import Style

CALLER = "00f067aa0ba902b7"
UPSTREAM = f"00-{TRACE}-{id_of('haproxy-2', 'Server session')}-01"
GET = Request("GET", "GET", "/", 200)
CALLED = replace(GET, caller=(TRACE, CALLER))
PLAIN = replace(GET, entry="haproxy-1-plain")
PAGE = Page(100, Style())


def answer(**echo: object) -> Answer:
    return Answer(200, TRACE, {"trace_id": TRACE, "traceparent": UPSTREAM, "tracestate": None, **echo})


PLAIN_ANSWER = Answer(200, "", {"trace_id": TRACE, "traceparent": None})


def kinds(verdict: Verdict) -> list[str]:
    return sorted({problem.kind for problem in verdict.problems})


def test_right_answers_with_whole_traces_are_fine() -> None:
    assert judge(GET, answer(), whole_trace()).ok
    assert judge(CALLED, answer(tracestate="demo=caller"), whole_trace(CALLER)).ok
    assert judge(PLAIN, PLAIN_ANSWER, origin_spans("", 0)).ok


def test_a_trace_that_is_not_there_yet_is_a_problem() -> None:
    assert kinds(judge(GET, answer(), [])) == ["no-spans"]


def test_another_status_than_asked_for() -> None:
    assert kinds(judge(GET, replace(answer(), status=503), whole_trace())) == ["status"]


def test_an_agent_that_gave_no_ids() -> None:
    verdict = judge(GET, Answer(200, "", {"traceparent": None}), [])
    assert kinds(verdict) == ["no-spans", "trace-id-header", "traceparent"]


def test_a_traceparent_of_another_trace_upstream() -> None:
    other = UPSTREAM.replace(TRACE, "ab" * 16)
    assert kinds(judge(GET, answer(traceparent=other), whole_trace())) == ["traceparent"]


def test_the_callers_context_must_arrive() -> None:
    assert kinds(judge(CALLED, answer(), whole_trace(CALLER))) == ["tracestate"]
    assert kinds(judge(CALLED, answer(tracestate="demo=caller"), whole_trace())) == ["roots"]


def test_without_spoe_nothing_may_be_traced() -> None:
    assert kinds(judge(PLAIN, answer(), origin_spans("", 0))) == ["trace-id-header", "traceparent"]
    assert kinds(judge(PLAIN, PLAIN_ANSWER, whole_trace())) == ["service-unknown"]


def test_a_trace_of_the_demos_that_no_request_explains() -> None:
    verdicts = [judge(GET, answer(), whole_trace()), judge(PLAIN, PLAIN_ANSWER, origin_spans("", 0))]
    stray = replace(whole_trace()[0], trace_id="cd" * 16, attributes={"user_agent.original": USER_AGENT})
    foreign = replace(stray, trace_id="ef" * 16, attributes={"user_agent.original": "curl/7.88.1"})
    judged = with_strays(verdicts, [*whole_trace(), stray, foreign])
    assert [kinds(verdict) for verdict in judged] == [[], ["stray-trace"]]


def test_a_trace_is_whole_when_nothing_more_can_come() -> None:
    second = haproxy_spans("haproxy-2", "", 0) + origin_spans(id_of("haproxy-2", "Server session"), 10)
    assert is_whole(whole_trace())
    assert is_whole(whole_trace(CALLER))
    assert is_whole(second)
    assert is_whole(origin_spans("", 0))


def test_a_trace_is_not_whole_while_its_parents_may_be_on_their_way() -> None:
    first_is_missing = [span for span in whole_trace() if span.service != "haproxy-1"]
    assert not is_whole([])
    assert not is_whole(first_is_missing)
    assert not is_whole(origin_spans(CALLER, 0))
    assert not is_whole(without(whole_trace(), "haproxy-1", "HTTP response"))
    assert not is_whole([span for span in whole_trace() if span.service != "haproxy-2"])


def test_of_somebodys_own_trace_only_what_is_surely_wrong_is_said() -> None:
    assert problems_of(origin_spans(CALLER, 0)) == []
    assert problems_of(haproxy_spans("haproxy-1", CALLER, 0)) == []
    assert problems_of(without(whole_trace(), "haproxy-2", "HAProxy session")) != []


# In words


def test_ports_that_moved_get_a_line_and_no_others() -> None:
    assert moved_lines(USUAL_PORTS) == []
    assert moved_lines({**USUAL_PORTS, "otlp": 4319}) == ["  - port 4318 is busy: the OTLP receiver is on 4319 instead"]


def test_the_sum_of_a_proof_that_went_well() -> None:
    verdicts = [judge(GET, answer(), whole_trace()), judge(PLAIN, PLAIN_ANSWER, origin_spans("", 0))]
    assert verdict_lines(verdicts, PAGE) == [
        "  ✔ sent 2 requests: 1 of 1 traces complete, 20 spans each, 0 broken parents",
        "  ✔ without SPOE: answered, and no trace of HAProxy",
    ]


def test_the_sum_of_one_that_did_not_names_request_and_problem() -> None:
    broken = without(whole_trace(), "haproxy-2", "Client session")
    lines = verdict_lines([judge(GET, answer(), whole_trace()), judge(GET, answer(), broken)], PAGE)
    assert lines[0] == "  ✘ sent 2 requests: 1 of 2 traces complete, 19-20 spans each, 1 broken parents"
    assert lines[2] == "  ✘ GET: haproxy-2/Client session: is there 0 times, not once"


def test_a_trace_of_many_problems_does_not_fill_the_screen() -> None:
    spans = [replace(span, parent_id=f"{number:016x}") for number, span in enumerate(whole_trace(), 1)]
    lines = trace_lines(spans, problems_of(spans), datetime(2026, 1, 2, 12, 3, 11), PAGE)  # noqa: DTZ001 (only shown)
    assert len(lines) == 1 + len(spans) + 12 + 1


def test_the_headline_says_when_what_and_which() -> None:
    root = replace(
        whole_trace()[-9],
        attributes={"http.request.method": "GET", "url.path": "/a\x1b[2J", "http.response.status_code": 404},
    )
    line = headline([root], datetime(2026, 1, 2, 12, 3, 11), PAGE)  # noqa: DTZ001 (only shown)
    assert line == rf"12:03:11  GET /a\x1b[2J  404  100ms  {TRACE}"


def test_the_object_for_programs_is_json_and_says_all() -> None:
    plain: list[SpanRecord] = origin_spans("", 0)
    verdicts = [judge(CALLED, answer(), whole_trace(CALLER)), judge(PLAIN, PLAIN_ANSWER, plain)]
    told = json.loads(json.dumps(as_json(Haproxy("/h", "2.6.12", "/h"), USUAL_PORTS, verdicts)))
    assert told["ok"] is False
    assert told["problems"] == ["GET: fake-server: it got None, not demo=caller"]
    assert told["haproxy"] == {"version": "2.6.12", "path": "/h"}
    assert told["ports"] == USUAL_PORTS
    assert [len(trace["spans"]) for trace in told["traces"]] == [20, 2]
    assert told["traces"][0]["request"]["traceparent"] == f"00-{TRACE}-{CALLER}-01"
    assert told["traces"][1]["spans"][0]["parent_id"] is None
