"""A stream whose frames are only heard makes the same trace as one whose frames are carried out as they come."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st
from laboratory import Argument, Laboratory, Phrasebook, say
from streams import GOOD

from haproxy_telemetry.sampling import Sampler, Sampling, Tail, threshold_of
from haproxy_telemetry.sampling.thresholds import NEVER
from haproxy_telemetry.spop import Message
from haproxy_telemetry.trace.instructions import Phrase
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.plan import ANEW_AFTER, HEAVIEST, MAX_COURSES, MAX_FRAMES, MAX_WEIGHT, Planner

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-0".encode()
UPSTREAM = f"00-{TRACE}-00f067aa0ba902b7-01".encode()
GRACE = 5_000
WIDE = 60
"""Tags in a frame: nearly as many as a layout may have to be known."""

NAMES = st.sampled_from((b"A", b"B", b"Server session", b"HAProxy session"))
KEYS = st.sampled_from((b"k", b"l", b"error", b"span.kind", b"service.name", b"url.query", b"client.address"))
VALUES = st.sampled_from((b"v", b"w=1", b"", b"true", b"client", None, 1, True, 1 << 40))
ARGUMENTS = st.one_of(
    st.tuples(st.just(b"span"), NAMES),
    st.tuples(st.sampled_from((b"child-of", b"follows-from")), NAMES),
    st.tuples(st.just(b"finish"), st.one_of(NAMES, st.sampled_from((b"*", b"*req*", b"*res*", b"")))),
    st.tuples(st.just(b"traceparent"), st.sampled_from((CALLER + b"1", CALLER + b"0", b"nonsense", None))),
    st.tuples(st.just(b"upstream"), st.sampled_from((UPSTREAM, None))),
    st.tuples(st.just(b"baggage"), st.sampled_from((b"a=1", b"b=2,c=3", None))),
)
PAIRS = st.tuples(st.sampled_from((b"tag", b"tag", b"log", b"baggage")), KEYS, VALUES)
SIDES = st.sampled_from(("request", "http_response"))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Most that is said begins with a span, so that there is something to say it of."""
    said: list[tuple[bytes, object]] = [(b"span", draw(NAMES))]
    for one in draw(st.lists(st.one_of(ARGUMENTS, PAIRS), max_size=5)):
        said += [(one[0], one[1])] if len(one) == 2 else [(one[0], one[1]), (b"", one[2])]
    return say(*said[draw(st.integers(0, 1)) :], name=draw(SIDES))  # type: ignore[arg-type]


FRAMES = st.lists(st.lists(messages(), min_size=1, max_size=2), min_size=1, max_size=6)
SAMPLINGS = st.sampled_from((
    None,
    Sampling(Sampler(threshold=threshold_of(0.5))),
    Sampling(Sampler(parent_based=True, threshold=NEVER)),
    Sampling(Sampler(threshold=NEVER), tail=Tail(errors=True)),
))  # fmt: skip
ENDINGS = st.sampled_from(("record", "record first", "expired", "stopped"))


def played(frames: Sequence[Sequence[Message]], sampling: Sampling | None, ending: str, limits: TraceLimits,
           known: bool) -> tuple[object, ...]:  # fmt: skip
    """All that comes out, of the same stream twice: what was met for the first time, and what is known."""
    lab = Laboratory(sampling=sampling, limits=limits, known=known)
    answers: list[object] = []
    for key in (b"stream-1", b"stream-2"):
        if ending == "record first":
            lab.record(GOOD.replaced(key=key))
        for frame in frames:
            renamed = [Message(one.name, ((b"id", key), *one.arguments[1:])) for one in frame]
            propagation = lab.notify(*renamed)
            answers.append(propagation and (propagation.traceparent, propagation.baggage, propagation.tracestate))
        if ending == "record":
            lab.record(GOOD.replaced(key=key))
        if ending != "stopped":
            lab.expire(limits.ttl_ns if ending == "expired" else GRACE)
    lab.close()
    return answers, lab.finished, lab.stats.snapshot(), sorted(lab.problems)


UNKNOWN = (b"child-of", b"nobody")
"""Whoever says this is heard no more: all is carried out from then on."""


@settings(max_examples=300)
@given(FRAMES, SAMPLINGS, ENDINGS, st.sampled_from((2, 128)), st.sampled_from((300, 262_144)), st.sampled_from((0, 9)))
@example([[say((b"span", b"A")), say((b"span", b"B"), (b"follows-from", b"A"))]], None, "record", 128, 999, 9)
@example(
    [
        [say((b"span", b"A"), name="request"), say((b"span", b"B"), name="http_response")],
        [say((b"span", b"C"), UNKNOWN), say((b"span", b"C"), (b"finish", b"*res*"))],
    ],
    None, "expired", 128, 999, 0,
)  # fmt: skip
@example(  # the first has no trace yet to take its baggage, the second begins it
    [[say((b"baggage", b"a=1")), say((b"span", b"A"))]], None, "record", 128, 999, 9
)
def test_what_is_heard_is_what_would_have_been_carried_out(
    frames: list[list[Message]], sampling: Sampling | None, ending: str, few: int, size: int, roomy: int
) -> None:
    limits = TraceLimits(
        grace_ns=GRACE,
        max_spans=few,
        max_attributes=few,
        max_events=few,
        max_links=few - 1,
        max_trace_bytes=size,
        roomy=roomy,
    )
    assert played(frames, sampling, ending, limits, True) == played(frames, sampling, ending, limits, False)


def test_streams_that_are_told_alike_go_along_one_course() -> None:
    lab = Laboratory(known=True)
    for key in (b"stream-1", b"stream-2"):
        lab.notify(say((b"span", b"A"), (b"tag", b"k"), (b"", key), id=key))
        lab.notify(say((b"span", b"B"), (b"child-of", b"A"), (b"tag", b"k"), (b"", key), id=key))
    first, second = lab.assembler._traces.values()
    assert first.course is second.course is not None
    assert first.spans == [], "nobody has asked for them"
    for key in (b"stream-1", b"stream-2"):
        lab.notify(say((b"finish", b"*"), id=key))
    assert [[(span.name, span.attributes) for span in trace.spans] for trace in lab.finished] == [
        [(b"A", ((b"k", key),)), (b"B", ((b"k", key),))] for key in (b"stream-1", b"stream-2")
    ]


def test_of_a_stream_that_cannot_be_sampled_any_more_nothing_is_kept() -> None:
    lab = Laboratory(known=True)
    lab.notify(say((b"traceparent", CALLER + b"0"), (b"span", b"A"), (b"tag", b"k"), (b"", b"v")))
    lab.notify(say((b"span", b"A"), (b"tag", b"k"), (b"", b"v")))
    [trace] = lab.assembler._traces.values()
    assert trace.heard == [None, None]
    lab.notify(say((b"finish", b"*")))
    assert (lab.finished, lab.assembler.live) == ([], 0)


def phrase(*arguments: Argument) -> Phrase:
    """One of its own, also where another says the same."""
    spoken = Phrasebook().spoken([say(*arguments)])
    assert spoken is not None
    return spoken.phrase


def begins(name: bytes) -> Phrase:
    return phrase((b"span", name))


def test_a_frame_that_gives_cause_for_complaint_is_on_no_course() -> None:
    planner = Planner(limits=TraceLimits(max_spans=2), upstream_span=b"Server session")
    assert planner.follow(planner.start, phrase((b"span", b"A"), (b"child-of", b"nobody"))) is None
    course = planner.start
    for name in (b"A", b"B"):
        after = planner.follow(course, begins(name))
        assert after is not None
        course = after
    assert planner.follow(course, begins(b"C")) is None, "there is no room for a third span, and that is counted"


def test_courses_are_bounded_in_number_and_length() -> None:
    planner = Planner(limits=TraceLimits(), upstream_span=b"Server session")
    course = planner.start
    one = begins(b"A")
    for _ in range(MAX_FRAMES):
        after = planner.follow(course, one)
        assert after is not None
        course = after
    assert planner.follow(course, one) is None
    made = [planner.follow(planner.start, begins(b"%d" % number)) for number in range(MAX_COURSES)]
    assert made.count(None) == MAX_FRAMES
    assert planner.follow(planner.start, one) is not None, "what is known stays known"


def test_courses_are_bounded_in_weight() -> None:
    """Wide frames in ever other orders: each course would have all that its frames say."""
    planner = Planner(limits=TraceLimits(), upstream_span=b"Server session")
    tags = [pair for number in range(WIDE) for pair in ((b"tag", b"%d" % number), (b"", b"v"))]
    wide = [phrase((b"span", b"A"), *tags) for _ in range(MAX_WEIGHT // WIDE + 1)]
    made = [planner.follow(planner.start, one) for one in wide]
    assert made.count(None) >= 1, "the bound is reached long before that of their number"
    course = next(one for one in made if one is not None)
    assert planner.follow(course, wide[0]) is None, "there is no room for one more"
    fresh = Planner(limits=TraceLimits(), upstream_span=b"Server session")
    course = fresh.start
    fit = HEAVIEST // (WIDE + 1)
    for one in wide[:fit]:
        after = fresh.follow(course, one)
        assert after is not None
        course = after
    assert fresh.follow(course, wide[fit]) is None, "one more is too much for one course"


def test_when_there_is_no_room_for_long_all_courses_are_found_anew() -> None:
    planner = Planner(limits=TraceLimits(), upstream_span=b"Server session")
    for number in range(MAX_COURSES):
        assert planner.follow(planner.start, begins(b"%d" % number)) is not None
    old, late = planner.start, begins(b"late")
    assert [planner.follow(planner.start, late) for _ in range(ANEW_AFTER)] == [None] * ANEW_AFTER
    assert planner.start is not old
    assert planner.follow(planner.start, late) is not None
