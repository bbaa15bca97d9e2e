"""spoa-opentracing's own configuration, as four versions of HAProxy speak it: the nine spans of design.

The captures are of two chained HAProxies with that configuration unchanged, so the agent sees two streams for
each request, with ids of their own.
"""

from __future__ import annotations

import pytest
from recorder import VERSIONS, Recorder, by_name, tree

from haproxy_telemetry.trace.spans import STATUS_ERROR, STATUS_UNSET
from peer.configurations import NINE_SPANS

FOLLOWERS = {"Frontend HTTP request", "Backend TCP request", "Backend HTTP request", "HTTP response"}


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict"])
@pytest.mark.parametrize("version", VERSIONS)
def test_nine_spans_with_their_parents_and_links(version: str, strict: bool) -> None:
    recorder = Recorder(strict=strict)
    recorder.replay(version, "seed-chain-7001-ok")
    assert len(recorder.traces) >= 2
    for trace in recorder.traces:
        assert tree(trace) == NINE_SPANS
        spans = by_name(trace)
        assert {name for name, span in spans.items() if span.links} == FOLLOWERS
        for name in FOLLOWERS:
            [link] = spans[name].links
            assert link.span_id == spans[name].parent_span_id
            assert link.attributes == ((b"opentracing.ref_type", b"follows_from"),)
        assert {span.status for span in trace.spans} == {STATUS_UNSET}
        assert all(span.start_ns <= span.end_ns for span in trace.spans)
    assert recorder.stats.get("traces_incomplete", "expired") == 0
    assert recorder.agent._assembler.live == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_tags_say(version: str) -> None:
    recorder = Recorder()
    recorder.replay(version, "seed-chain-7001-ok")
    spans = by_name(recorder.traces[0])
    request = dict(spans["Frontend HTTP request"].attributes)
    assert request[b"http.method"] == b"GET"
    assert request[b"http.version"] == b"HTTP/1.1"
    assert dict(spans["HTTP response"].attributes)[b"http.status_code"] == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_is_said_by_the_second_message_of_the_same_frame(version: str) -> None:
    recorder = Recorder()
    recorder.replay(version, "seed-chain-7001-404")
    for trace in recorder.traces:
        assert by_name(trace)["HTTP response"].status == STATUS_ERROR
        assert dict(by_name(trace)["HTTP response"].attributes)[b"http.status_code"] == 404


@pytest.mark.parametrize("version", VERSIONS)
def test_spans_begin_and_end_in_the_order_of_the_events(version: str) -> None:
    recorder = Recorder()
    recorder.replay(version, "seed-chain-7001-ok")
    for trace in recorder.traces:
        spans = by_name(trace)
        starts = [spans[name].start_ns for name in NINE_SPANS]
        assert starts == sorted(starts)
        assert spans["Frontend TCP request"].end_ns == spans["Frontend HTTP request"].start_ns
        assert spans["Frontend HTTP request"].end_ns == spans["Backend TCP request"].start_ns
        assert spans["HAProxy session"].end_ns == max(span.end_ns for span in trace.spans)
