"""The agent, held against W3C's rules: headers in by a message, headers out by the variables of its answer."""

from __future__ import annotations

import re

import pytest
from laboratory import Laboratory, say

from w3c_cases import CASES, SPAN, TRACE, Case

FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_becomes_of_a_callers_context(case: Case) -> None:
    lab = Laboratory()
    parents = [(b"traceparent", header.encode()) for header in case.traceparent]
    states = [(b"tracestate", header.encode()) for header in case.tracestate]
    propagation = lab.notify(say(*parents, *states, (b"span", b"A"), (b"finish", b"*")))
    assert propagation is not None
    sent = propagation.traceparent.decode()
    assert FORM.fullmatch(sent)
    _, trace_id, span_id, flags = sent.split("-")
    if case.flags is not None:
        assert trace_id == case.traceparent[0].split("-")[1]
    else:
        assert trace_id != TRACE
    assert flags == (case.flags or "01")
    assert span_id != SPAN
    assert propagation.tracestate.decode() == case.state
    assert (propagation.trace_id, propagation.span_id) == (trace_id.encode(), span_id.encode())
    assert propagation.sampled is (int(flags, 16) & 1 == 1)
    for trace in lab.finished:
        assert trace.spans[0].parent_span_id.hex() == (SPAN if case.flags else "")
        assert trace.spans[0].trace_state.decode() == case.state


def test_there_are_enough_cases_and_each_says_its_clause() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(re.search(r"\d", case.clause) for case in CASES)
