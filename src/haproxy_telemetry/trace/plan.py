"""Makes courses: a model of a stream goes through what a real one would, with the numbers of frames as its time.

So the language is written down once, in ``execute.py``. What that counts or complains about cannot be told in advance:
such frames are carried out as they come.
"""

from __future__ import annotations

from typing import Final, final

from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.conventions import DEFAULT
from haproxy_telemetry.trace.course import NO_FRAME, NO_SPAN, Course, CourseSaying, CourseSpan
from haproxy_telemetry.trace.execute import Executor
from haproxy_telemetry.trace.instructions import Phrase, Told
from haproxy_telemetry.trace.live import LiveTrace, OpenSpan, TraceLimits

MAX_COURSES: Final = 512
"""That are known: a configuration has one or two for each kind of stream and each of its frames."""

MAX_WEIGHT: Final = 8_000
"""Of all courses together, some 100 bytes for each: spans, what is said of them, and what the phrases say. The eight
frames of `detailed`, one after the other, are 140: so both bounds are reached by some 60 such orders."""

MAX_FRAMES: Final = 16
"""Of a course; what comes after them is carried out as it comes."""

HEAVIEST: Final = 256
"""What one course's phrases may say: so that a new one is made in a millisecond."""

ANEW_AFTER: Final = 4_096
"""Frames that were on no course for want of room: then all are found anew. Configurations change, and layouts that are
forgotten and learned again are others."""

_FIRST: Final = 1  # the model's time of the first frame: 0 is the end of a span that is open


@final
class Planner:
    """All courses that are known, from ``start`` on; they grow as streams are met that go otherwise."""

    def __init__(self, *, limits: TraceLimits, upstream_span: bytes) -> None:
        self.start = Course((), (), ())
        self._limits = limits
        self._upstream_span = upstream_span
        self._known = 0
        self._weight = 0
        self._without = 0

    def follow(self, course: Course, phrase: Phrase) -> Course | None:
        """Return the course after one more frame, ``None`` where it cannot be told in advance."""
        known = course.next.get(phrase)
        if known is not None:
            return known
        if phrase in course.next or len(course.phrases) >= MAX_FRAMES:
            return None
        if self._known >= MAX_COURSES or self._weight >= MAX_WEIGHT:
            self._without += 1
            if self._without >= ANEW_AFTER:  # who is on a course goes on with it: only its end is forgotten
                self.start = Course((), (), ())
                self._known = self._weight = self._without = 0
            return None
        phrases = (*course.phrases, phrase)
        made = self._make(phrases) if sum([_weight(one) for one in phrases]) <= HEAVIEST else None
        self._known += 1
        self._weight += _weight(phrase) + (len(made.spans) + len(made.sayings) if made is not None else 0)
        course.next[phrase] = made
        return made

    def _make(self, phrases: tuple[Phrase, ...]) -> Course | None:
        stats = Stats()
        executor = Executor(
            stats=stats, limits=self._limits, upstream_span=self._upstream_span, strict=False, conventions=DEFAULT
        )
        model = LiveTrace(b"model", b"", b"", 0)
        for frame, phrase in enumerate(phrases, _FIRST):
            executor.carry_out(model, Told(b"model", None, b"", phrase.blocks, (), []), frame, True)
        if executor.problems or stats.snapshot():
            return None
        return _course(phrases, model, self._upstream_span)


def _course(phrases: tuple[Phrase, ...], model: LiveTrace, upstream_span: bytes) -> Course:
    numbers = {id(span): number for number, span in enumerate(model.spans)}
    names = [span.name for span in model.spans]
    upstream = names.index(upstream_span) if model.upstream_taken else NO_SPAN
    spans = [_span(span, numbers, number == upstream) for number, span in enumerate(model.spans)]
    sayings = [CourseSaying(numbers[id(span)], block, then - _FIRST) for span, block, _, then in model.sayings]
    return Course(phrases, tuple(spans), tuple(sayings))


def _span(span: OpenSpan, numbers: dict[int, int], upstream: bool) -> CourseSpan:
    return CourseSpan(
        name=span.name,
        parent=numbers[id(span.parent)] if span.parent is not None else NO_SPAN,
        start=span.start_ns - _FIRST,
        end=span.end_ns - _FIRST if span.end_ns else NO_FRAME,
        links=tuple([(kind, numbers[id(target)]) for kind, target in span.links]),
        response_side=span.response_side,
        second_root=span.second_root,
        upstream=upstream,
    )


def _weight(phrase: Phrase) -> int:
    return sum([1 + len(block.attributes) + len(block.log) + len(block.references) for block in phrase.blocks])
