"""A trace while it lives: its open and ended spans, and how they become immutable records at the end.

State only, with the few moves it allows. Ids are looked up at the very end, through the objects: the trace's
identity may still change while it lives (a caller's context that comes late), and so may the id of the span
that went upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, final

from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.sampling import Decision, Facts
from haproxy_telemetry.trace.course import NO_FRAME, NO_SPAN, Course, CourseSpan
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.instructions import CHILD_OF, FOLLOWS_FROM, Block, Spoken, Values
from haproxy_telemetry.trace.spans import (
    FLAG_HAS_IS_REMOTE,
    FLAG_IS_REMOTE,
    FLAG_SAMPLED,
    KIND_INTERNAL,
    STATUS_UNSET,
    Attribute,
    AttributeValue,
    FinishedSpan,
    SpanEvent,
    SpanLink,
)
from haproxy_telemetry.trace.stream import EndOfStream, StreamStart

_REFERENCE_TYPE: Final[dict[int, tuple[Attribute, ...]]] = {
    CHILD_OF: ((b"opentracing.ref_type", b"child_of"),),
    FOLLOWS_FROM: ((b"opentracing.ref_type", b"follows_from"),),
}
_INCOMPLETE: Final[Attribute] = (b"haproxy.incomplete", True)
_NOTHING: Final[Values] = []

# Most traces have none: an empty one for each would be a tenth of what a trace takes. They are replaced, never changed.
NOTHING_CARRIED: Final[Mapping[bytes, bytes]] = {}
NOTHING_TOLD: Final[Mapping[bytes, AttributeValue]] = {}


class TraceLimits(NamedTuple):
    """What the assembler holds at most. Times in nanoseconds, sizes in bytes of frame payload.

    Past a limit telemetry is turned away and counted, never a request delayed.
    """

    ttl_ns: int = 300_000_000_000
    """Since the stream's last event: longer than HAProxy's usual time-outs, so that only the lost expire."""
    max_traces: int = 10_000
    """Streams alive at once: 10,000 of nine spans are some 20 MB."""
    roomy: int = 1_000
    """Streams alive at once up to which what they tell is kept as it came, which is quicker; packed beyond."""
    max_trace_bytes: int = 262_144
    """Of one stream: sixteen full frames, where a whole request of eight events is under 4 kB."""
    max_bytes: int = 268_435_456
    """Of all streams together."""
    max_spans: int = 128
    """Of one stream; the mapping of eight events makes nine."""
    max_attributes: int = 128
    """Of one span; OpenTelemetry's default (``OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT``), as are the next two."""
    max_events: int = 128
    max_links: int = 128
    grace_ns: int = 0
    """Between the end of a stream by its record and by its messages, whichever comes first; 0: no records come."""
    phases: str = "spans"
    """What HAProxy's timers become: ``spans``, ``events`` or ``off``."""


@mypyc_attr(acyclic=True)
@final
class OpenSpan:
    """A span that is still written to, or has ended while its trace lives on (``end_ns`` is then not 0).

    Its ids are made when the trace leaves (:meth:`LiveTrace.name_spans`), but for the one that went upstream.
    """

    __slots__ = (
        "attributes",
        "dropped_attributes",
        "dropped_events",
        "end_ns",
        "events",
        "kind",
        "links",
        "name",
        "own_trace_id",
        "parent",
        "response_side",
        "second_root",
        "span_id",
        "start_ns",
        "status",
    )

    def __init__(self, name: bytes, parent: OpenSpan | None, start_ns: int) -> None:
        self.name = name
        self.span_id = b""
        self.parent = parent
        self.second_root = False
        self.own_trace_id: bytes | None = None
        self.start_ns = start_ns
        self.end_ns = 0
        self.kind = KIND_INTERNAL
        self.status = STATUS_UNSET
        self.response_side = False
        # Most spans have none of these: what is made for every span is paid for with every span.
        self.attributes: dict[bytes, Attribute] | None = None
        self.dropped_attributes = 0
        self.events: tuple[SpanEvent, ...] = ()
        self.dropped_events = 0
        self.links: tuple[tuple[int, OpenSpan], ...] = ()

    def say(self, attribute: Attribute) -> None:
        """Set an attribute; the last value of a key counts."""
        if self.attributes is None:
            self.attributes = {}
        self.attributes[attribute[0]] = attribute

    def finish(self, now: int) -> None:
        """End the span; never before it began, should the clock have been set back."""
        self.end_ns = now if now > self.start_ns else self.start_ns


@mypyc_attr(acyclic=True)
@final
class LiveTrace:
    """All spans of one stream, and the context that they belong to.

    ``said``: HAProxy knows the context as it is now. ``made_by_haproxy``: it made the context itself, and has sent
    it upstream. ``decided_by_caller``: one without ids said whether to sample. ``links``: callers that are no
    parents; they belong to the first span.

    ``tracestate_header`` is the caller's, which counts only if its traceparent does: that may come later, and
    ``has_state`` says that it did.
    ``start``, ``attributes`` and ``end``: what was told of the stream as a whole.

    ``decision``: about ``sampled``, made for the identity ``anchor`` that came with ``given_flags``, by ``facts``.
    ``sayings``: what is said of spans, with the message's values and the time; they are described when it leaves.

    ``course``: as long as it is there, the frames of the times ``heard_at`` have made no spans yet (:meth:`unfold`).
    ``heard`` are those of them that say something of spans, packed where there are many; ``None``: it will not be told.
    """

    __slots__ = (
        "anchor",
        "attributes",
        "baggage",
        "began_ns",
        "course",
        "decided_by_caller",
        "decision",
        "end",
        "facts",
        "flags",
        "given_flags",
        "has_state",
        "heard",
        "heard_at",
        "key",
        "last_event_ns",
        "links",
        "made_by_haproxy",
        "marks",
        "open",
        "remote_span_id",
        "said",
        "sampled",
        "sayings",
        "service",
        "size",
        "spans",
        "start",
        "trace_id",
        "trace_state",
        "tracestate_header",
        "upstream_id",
        "upstream_taken",
    )

    def __init__(self, key: bytes, trace_id: bytes, upstream_id: bytes, now: int) -> None:
        self.key = key
        self.trace_id = trace_id
        self.upstream_id = upstream_id
        self.upstream_taken = False
        self.made_by_haproxy = False
        self.links: tuple[SpanLink, ...] = ()
        self.remote_span_id = b""
        self.flags = FLAG_SAMPLED
        self.trace_state = b""
        self.tracestate_header = b""
        self.has_state = False
        self.decided_by_caller = False
        self.baggage: Mapping[bytes, bytes] = NOTHING_CARRIED
        self.service: bytes | None = None
        self.spans: list[OpenSpan] = []
        self.open: dict[bytes, OpenSpan] = {}
        self.marks: tuple[bytes, ...] = ()
        self.size = 0
        self.began_ns = now
        self.last_event_ns = now
        self.said = False
        self.start: StreamStart | None = None
        self.end: EndOfStream | None = None
        self.attributes: Mapping[bytes, AttributeValue] = NOTHING_TOLD
        self.sampled = True
        self.decision: Decision | None = None
        self.facts: Facts | None = None  # only where somebody asks
        self.anchor: tuple[bytes, bytes, bool, bool] | None = None
        self.given_flags = FLAG_SAMPLED
        self.sayings: list[tuple[OpenSpan, Block, Values, int]] = []
        self.course: Course | None = None
        self.heard: list[Spoken | bytes | None] = []
        self.heard_at: list[int] = []

    def hear(self, said: Spoken | bytes | None, course: Course, now: int) -> None:
        """Take a frame without carrying it out, but for what it says of spans, if that may be told some day."""
        self.course = course
        self.heard.append(said)
        self.heard_at.append(now)

    def unfold(self) -> None:
        """Make the spans of the frames that were heard, as if each had been carried out when it came."""
        course = self.course
        if course is None:
            return
        self.course = None
        for planned in course.spans:
            span = self._unfolded(planned)
            self.spans.append(span)
            if planned.end == NO_FRAME:
                self.open[span.name] = span
        frame, values = NO_FRAME, _NOTHING
        for saying in course.sayings:
            said = self.heard[saying.frame]
            if said is not None:
                if saying.frame != frame:
                    frame = saying.frame
                    values = said.values() if isinstance(said, Spoken) else course.phrases[frame].unpacked(said)
                self.sayings.append((self.spans[saying.span], saying.block, values, self.heard_at[frame]))
        self.heard.clear()
        self.heard_at.clear()

    def _unfolded(self, planned: CourseSpan) -> OpenSpan:
        parent = self.spans[planned.parent] if planned.parent != NO_SPAN else None
        span = OpenSpan(planned.name, parent, self.heard_at[planned.start])
        span.response_side = planned.response_side
        span.second_root = planned.second_root
        if planned.links:
            span.links = tuple([(kind, self.spans[number]) for kind, number in planned.links])
        if planned.upstream:
            self.upstream_taken = True
            span.span_id = self.upstream_id
        if planned.end != NO_FRAME:
            span.finish(self.heard_at[planned.end])
        return span

    @property
    def has_spans(self) -> bool:
        """Whether there are spans, made or still to be made."""
        return len(self.spans) > 0 or (self.course is not None and len(self.course.spans) > 0)

    @property
    def root(self) -> OpenSpan | None:
        """The span that started first."""
        return self.spans[0] if self.spans else None

    def find(self, name: bytes) -> OpenSpan | None:
        """Return the span of that name, an open one if there is, else the last that ended."""
        span = self.open.get(name)
        if span is not None:
            return span
        for ended in reversed(self.spans):
            if ended.name == name:
                return ended
        return None

    def finish(self, span: OpenSpan, now: int) -> None:
        """End the span; it can still be referred to."""
        span.finish(now)
        del self.open[span.name]

    def cut_short(self) -> int:
        """End what is still open at the last event that is known of, and say so on it; return how many."""
        count = len(self.open)
        for span in list(self.open.values()):
            span.say(_INCOMPLETE)
            self.finish(span, self.last_event_ns)
        return count

    def name_spans(self, ids: IdSource) -> None:
        """Give ids to all spans that have none. A parent began before its children, so it comes before them."""
        for span in self.spans:
            if not span.span_id:
                span.span_id = ids.span_id()
            if span.second_root:
                span.own_trace_id = ids.trace_id()
            elif span.parent is not None:
                span.own_trace_id = span.parent.own_trace_id

    def finished(self, ids: IdSource) -> tuple[FinishedSpan, ...]:
        """Return the immutable records of all spans, in the order in which they started."""
        self.name_spans(ids)
        if not self.upstream_taken and self.root is not None:
            # The id went upstream for a span that never started: the stream's own span answers to it, so
            # that what the origin recorded does not hang in the air.
            self.root.span_id = self.upstream_id
        return tuple([self._record(span) for span in self.spans])

    def _record(self, span: OpenSpan) -> FinishedSpan:
        parent = span.parent
        remote = parent is None and self.remote_span_id != b""
        return FinishedSpan(
            trace_id=self._trace_id(span),
            span_id=span.span_id,
            parent_span_id=self.remote_span_id if parent is None else parent.span_id,
            trace_state=self.trace_state,
            flags=self.flags | FLAG_HAS_IS_REMOTE | (FLAG_IS_REMOTE if remote else 0),
            name=span.name,
            kind=span.kind,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            attributes=tuple(span.attributes.values()) if span.attributes is not None else (),
            dropped_attributes=span.dropped_attributes,
            events=span.events,
            dropped_events=span.dropped_events,
            links=self._links(span),
            status=span.status,
            status_message=b"",
        )

    def _links(self, span: OpenSpan) -> tuple[SpanLink, ...]:
        if not span.links:
            return self.links if span is self.spans[0] else ()
        links = tuple([self._link(kind, target) for kind, target in span.links])
        return links + self.links if span is self.spans[0] else links

    def _link(self, kind: int, target: OpenSpan) -> SpanLink:
        flags = self.flags | FLAG_HAS_IS_REMOTE
        return SpanLink(self._trace_id(target), target.span_id, self.trace_state, _REFERENCE_TYPE[kind], flags)

    def _trace_id(self, span: OpenSpan) -> bytes:
        """A second root has an id of its own, unless a caller's context holds all together."""
        if span.own_trace_id is None or self.remote_span_id:
            return self.trace_id
        return span.own_trace_id
