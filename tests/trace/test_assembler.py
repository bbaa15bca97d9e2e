"""The assembler: identity, bounds, expiry. Time is what the test says it is."""

from laboratory import Laboratory, say

from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.spans import FLAG_HAS_IS_REMOTE, FLAG_IS_REMOTE, STATUS_UNSET

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
CALLER = (b"traceparent", f"00-{TRACE}-{SPAN_ID}-01".encode())
SPAN = (b"span", b"A")
END = (b"finish", b"*")
SECOND = 1_000_000_000


# Identity


def test_without_a_caller_a_trace_begins_here() -> None:
    lab = Laboratory()
    propagation = lab.notify(say(SPAN))
    lab.notify(say(END))
    [span] = lab.trace.spans
    assert propagation is not None
    assert propagation.trace_id == span.trace_id.hex().encode()
    assert propagation.traceparent == b"00-%b-%b-01" % (span.trace_id.hex().encode(), span.span_id.hex().encode())
    assert propagation.tracestate == b""
    assert span.parent_span_id == b""
    assert span.flags == FLAG_HAS_IS_REMOTE | 1


def test_a_callers_context_holds_the_trace() -> None:
    lab = Laboratory()
    propagation = lab.notify(say(CALLER, (b"tracestate", b"foo=1"), SPAN))
    lab.notify(say(END))
    [span] = lab.trace.spans
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == SPAN_ID
    assert span.trace_state == b"foo=1"
    assert span.flags == FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE | 1
    assert propagation is not None
    assert propagation.traceparent == f"00-{TRACE}-{span.span_id.hex()}-01".encode()
    assert propagation.tracestate == b"foo=1"


def test_a_callers_context_that_comes_late_holds_what_was_before_it_too() -> None:
    """on-client-session has no headers: ids go out before the caller is known, and again after it."""
    lab = Laboratory()
    early = lab.notify(say(SPAN))
    assert lab.notify(say((b"span", b"B"), (b"child-of", b"A"))) is None, "nothing new to say"
    late = lab.notify(say((b"tag", b"x"), CALLER, (b"tracestate", b"foo=1")))
    assert early is not None
    assert late is not None
    assert early.trace_id != late.trace_id == TRACE.encode()
    assert lab.notify(say(END)) is None
    assert {span.trace_id.hex() for span in lab.trace.spans} == {TRACE}
    assert lab.tree() == {"A": "?", "B": "A"}


def test_the_first_valid_caller_counts() -> None:
    lab = Laboratory()
    lab.notify(say((b"traceparent", b"nonsense"), SPAN))
    lab.notify(say(CALLER))
    assert lab.notify(say((b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"))) is None
    lab.notify(say(END))
    assert lab.trace.spans[0].trace_id.hex() == TRACE
    assert lab.stats.get("traceparent_invalid") == 1


def test_our_own_header_is_no_caller() -> None:
    """Behind the http-request rules req.hdr(traceparent) is what the agent sent itself."""
    lab = Laboratory()
    propagation = lab.notify(say(SPAN))
    assert propagation is not None
    assert lab.notify(say((b"traceparent", propagation.traceparent))) is None
    lab.notify(say(END))
    assert lab.tree() == {"A": None}


def test_invalid_input_starts_a_new_trace_and_loses_the_tracestate() -> None:
    lab = Laboratory()
    propagation = lab.notify(say((b"traceparent", b"00-zz"), (b"tracestate", b"foo=1"), SPAN))
    lab.notify(say(END))
    assert propagation is not None
    assert propagation.tracestate == b""
    assert lab.trace.spans[0].parent_span_id == b""


def test_two_different_traceparents_are_as_good_as_none() -> None:
    lab = Laboratory()
    lab.notify(say(CALLER, (b"traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"), SPAN, END))
    assert lab.trace.spans[0].parent_span_id == b""


def test_several_lines_of_tracestate_are_one_list() -> None:
    lab = Laboratory()
    propagation = lab.notify(say(CALLER, (b"tracestate", b"a=1"), (b"tracestate", b"b=2"), SPAN))
    assert propagation is not None
    assert propagation.tracestate == b"a=1,b=2"


def test_a_tracestate_may_come_before_its_traceparent() -> None:
    lab = Laboratory()
    lab.notify(say((b"tracestate", b"a=1"), SPAN))
    propagation = lab.notify(say(CALLER))
    assert propagation is not None
    assert propagation.tracestate == b"a=1"


def test_absent_headers_come_as_null_and_mean_nothing() -> None:
    lab = Laboratory()
    lab.notify(say((b"traceparent", None), (b"tracestate", None), (b"baggage", None), SPAN, END))
    assert lab.problems == []
    assert lab.stats.get("traceparent_invalid") == 0


def test_the_id_that_went_upstream_belongs_to_the_span_it_was_kept_for() -> None:
    lab = Laboratory()
    propagation = lab.notify(say(SPAN))
    lab.notify(say((b"span", b"Server session"), (b"child-of", b"A")))
    lab.notify(say(END))
    assert propagation is not None
    assert propagation.traceparent.split(b"-")[2] == lab.spans()["Server session"].span_id.hex().encode()


def test_where_that_span_never_starts_the_first_span_answers_to_the_id() -> None:
    lab = Laboratory()
    propagation = lab.notify(say(SPAN, (b"span", b"B"), (b"child-of", b"A"), (b"span", b"C"), (b"follows-from", b"A")))
    lab.notify(say(END))
    assert propagation is not None
    spans = lab.spans()
    assert propagation.traceparent.split(b"-")[2] == spans["A"].span_id.hex().encode()
    assert spans["B"].parent_span_id == spans["C"].links[0].span_id == spans["A"].span_id


def test_an_unsampled_caller_is_obeyed_and_passed_on() -> None:
    lab = Laboratory()
    unsampled = (b"traceparent", f"00-{TRACE}-{SPAN_ID}-00".encode())
    propagation = lab.notify(say(unsampled, SPAN))
    lab.notify(say(END))
    assert propagation is not None
    assert propagation.traceparent.endswith(b"-00")
    assert lab.finished == []
    assert lab.stats.get("traces_dropped", "unsampled") == 1


def test_second_roots_share_the_callers_trace() -> None:
    lab = Laboratory()
    lab.notify(say(CALLER, SPAN, (b"span", b"B"), END))
    assert {span.trace_id.hex() for span in lab.trace.spans} == {TRACE}
    assert {span.parent_span_id.hex() for span in lab.trace.spans} == {SPAN_ID}


UPSTREAM = "00-" + "a" * 32 + "-" + "c" * 16 + "-01"


def test_a_context_made_by_haproxy_holds_the_trace() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN))
    lab.notify(say((b"upstream", UPSTREAM.encode()), (b"span", b"Server session"), (b"child-of", b"A"), END))
    assert {span.trace_id.hex() for span in lab.trace.spans} == {"a" * 32}
    assert lab.spans()["Server session"].span_id.hex() == "c" * 16
    assert lab.spans()["A"].parent_span_id == b""


def test_of_a_context_made_by_haproxy_the_caller_is_the_parent() -> None:
    lab = Laboratory()
    caller = (b"traceparent", b"00-" + b"a" * 32 + b"-" + b"d" * 16 + b"-01")
    lab.notify(say((b"upstream", UPSTREAM.encode()), caller, SPAN, END))
    assert lab.trace.spans[0].parent_span_id.hex() == "d" * 16
    lab.notify(say((b"upstream", UPSTREAM.encode()), CALLER, SPAN, END))
    assert lab.finished[1].spans[0].trace_id.hex() == "a" * 32
    assert lab.finished[1].spans[0].parent_span_id == b"", "a caller of another trace is none of ours"


def test_a_caller_that_is_not_believed_is_a_link() -> None:
    lab = Laboratory()
    lab.notify(say((b"link", CALLER[1]), SPAN, (b"span", b"B"), (b"child-of", b"A"), END))
    spans = lab.spans()
    [link] = spans["A"].links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE, SPAN_ID)
    assert spans["A"].trace_id.hex() != TRACE
    assert spans["B"].links == ()


def test_baggage_is_bounded() -> None:
    lab = Laboratory()
    for n in range(100):
        lab.notify(say(SPAN, (b"baggage", b"k%d" % n), (b"", b"v")))
    lab.notify(say(SPAN, (b"baggage", b"k0"), (b"", b"v" * 5000)))
    propagation = lab.notify(say(SPAN, (b"baggage", b"k0"), (b"", b"new")))
    assert propagation is not None
    assert propagation.baggage.count(b"=") == 64
    assert propagation.baggage.startswith(b"k0=new,")
    assert lab.stats.get("baggage_dropped", "header_full") == 36
    assert lab.stats.get("baggage_dropped", "item_too_large") == 1


# Ends


def test_a_trace_expires_after_its_last_event_and_says_that_it_is_incomplete() -> None:
    lab = Laboratory(limits=TraceLimits(ttl_ns=10 * SECOND))
    lab.notify(say(SPAN, (b"span", b"B"), (b"child-of", b"A"), (b"finish", b"B")))
    lab.expire(9 * SECOND)
    lab.notify(say((b"tag", b"still"), (b"span", b"C"), (b"child-of", b"A")))
    last_event = lab.now
    lab.expire(9 * SECOND)
    assert lab.finished == []
    lab.expire(SECOND)
    spans = lab.spans()
    assert spans["A"].attributes == spans["C"].attributes == ((b"haproxy.incomplete", True),)
    assert spans["B"].attributes == ()
    assert spans["A"].end_ns == spans["C"].end_ns == last_event
    assert {span.status for span in spans.values()} == {STATUS_UNSET}
    assert lab.stats.get("traces_incomplete", "expired") == 1


def test_past_the_bound_the_stream_heard_of_longest_ago_goes_first() -> None:
    lab = Laboratory(limits=TraceLimits(max_traces=2))
    lab.notify(say(SPAN, id=b"1"))
    lab.notify(say((b"span", b"B"), id=b"2"))
    lab.notify(say((b"span", b"X"), (b"child-of", b"A"), id=b"1"))
    lab.notify(say(SPAN, id=b"3"))
    assert [span.name for span in lab.trace.spans] == [b"B"]
    assert lab.assembler.live == 2
    assert lab.stats.get("traces_incomplete", "max_traces") == 1


def test_the_bytes_of_all_streams_are_bounded() -> None:
    lab = Laboratory(limits=TraceLimits(max_bytes=1000))
    for n in range(20):
        lab.notify(say(SPAN, id=n + 1), size=300)
    assert lab.assembler.live == 3
    assert lab.stats.get("traces_incomplete", "max_bytes") == 17


def test_the_bytes_of_one_stream_are_bounded_and_it_can_still_end() -> None:
    lab = Laboratory(limits=TraceLimits(max_trace_bytes=1000))
    lab.notify(say(SPAN), size=600)
    lab.notify(say((b"span", b"B"), (b"child-of", b"A")), size=600)
    assert lab.stats.get("frames_dropped", "trace_too_large") == 1
    lab.notify(say(END), size=100)
    assert lab.tree() == {"A": None}


def test_the_spans_of_one_stream_are_bounded_and_their_neighbours_stay() -> None:
    lab = Laboratory(limits=TraceLimits(max_spans=3))
    lab.notify(say(SPAN, *[pair for n in range(5) for pair in ((b"span", b"B%d" % n), (b"child-of", b"A"))]))
    lab.notify(say((b"finish", b"B4"), END))
    assert lab.tree() == {"A": None, "B0": "A", "B1": "A"}
    assert lab.stats.get("spans_dropped", "trace_full") == 3


def test_what_a_span_holds_is_bounded() -> None:
    lab = Laboratory(limits=TraceLimits(max_attributes=2, max_events=1, max_links=1))
    tags = [pair for n in range(5) for pair in ((b"tag", b"k%d" % n), (b"", n))]
    lab.notify(say(SPAN, *tags, (b"tag", b"k0"), (b"", b"again"), (b"log", b"x"), (b"span", b"B"), (b"child-of", b"A")))
    lab.notify(say(SPAN, (b"log", b"y"), (b"span", b"C"), (b"follows-from", b"A"), (b"", b"B"), END))
    spans = lab.spans()
    assert spans["A"].attributes == ((b"k0", b"again"), (b"k1", 1))
    assert spans["A"].dropped_attributes == 3
    assert len(spans["A"].events) == 1
    assert spans["A"].dropped_events == 1
    assert len(spans["C"].links) == 1
    assert lab.stats.get("attributes_dropped", "span_full") == 3
    assert lab.stats.get("events_dropped", "span_full") == 1
    assert lab.stats.get("links_dropped", "span_full") == 1


def test_at_the_end_everything_leaves_as_it_is() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, id=b"1"))
    lab.notify(say(SPAN, id=b"2"))
    lab.close()
    assert len(lab.finished) == 2
    assert lab.assembler.live == 0
    assert lab.stats.get("traces_incomplete", "shutdown") == 2


def test_a_clock_that_is_set_back_makes_no_span_end_before_it_began() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN))
    lab.now -= 5 * SECOND
    lab.notify(say(END))
    assert lab.trace.spans[0].end_ns >= lab.trace.spans[0].start_ns


def test_bytes_are_given_back_when_traces_end() -> None:
    lab = Laboratory(limits=TraceLimits(max_bytes=1000))
    for n in range(100):
        lab.notify(say(SPAN, END, id=n + 1), size=400)
    assert len(lab.finished) == 100
    assert lab.stats.get("traces_incomplete", "max_bytes") == 0
