"""The assembler: instructions in, finished traces out; every stream's spans by the stream's own id.

It keeps what is alive, bounded in number, in bytes and in time, and decides when a trace is finished: when the
last of its open spans has ended. Until then nothing leaves, so a trace is complete, its identity may still
follow a caller's context that comes late, and an id that went upstream finds its span.

Two steps per frame, since a request waits for the answer: :meth:`Assembler.propagate` gives all that the ACK
needs, :meth:`Assembler.apply` does the rest. Most frames are known but for their values, and take
:meth:`Assembler.propagate_spoken` and :meth:`Assembler.apply_spoken`, which keep them until their spans are wanted.
Time is an argument everywhere (nanoseconds since the epoch).
"""

from __future__ import annotations

from binascii import hexlify
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Final, final

from haproxy_telemetry.sampling import Sampling
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.baggage import MAX_MEMBER_BYTES, MAX_MEMBERS, format_baggage, parse_baggage
from haproxy_telemetry.trace.conventions import DEFAULT, Conventions
from haproxy_telemetry.trace.deciding import decide_at_end, decide_early, upstream_state
from haproxy_telemetry.trace.ending import ended_stream, finished_trace
from haproxy_telemetry.trace.execute import Executor
from haproxy_telemetry.trace.gone import Gone
from haproxy_telemetry.trace.identity import adopt
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.instructions import Problem, Propagation, Spoken, Told
from haproxy_telemetry.trace.live import LiveTrace, TraceLimits
from haproxy_telemetry.trace.plan import Planner
from haproxy_telemetry.trace.privacy import shown_tags
from haproxy_telemetry.trace.propagators import W3C, Propagators
from haproxy_telemetry.trace.spans import FLAG_SAMPLED, FinishedTrace
from haproxy_telemetry.trace.stream import EndedStream, EndOfStream, Identity, Request, StreamStart
from haproxy_telemetry.trace.w3c import SpanContext, write_traceparent

UPSTREAM_SPAN: Final = b"Server session"

ALL: Final = 1 << 30

REMEMBERED: Final = 10
"""For how many times the grace a stream whose record has come is remembered."""


_TRIES: Final = 5
"""To look at a table that another thread changes: the look is one step for the interpreter but for its collector."""


@final
class Assembler:
    """All live traces. ``upstream_span`` names the span whose id goes upstream, before it starts."""

    def __init__(
        self,
        *,
        ids: IdSource,
        stats: Stats,
        limits: TraceLimits = TraceLimits(),  # noqa: B008 (immutable)
        upstream_span: bytes = UPSTREAM_SPAN,
        strict: bool = False,
        sampling: Sampling | None = None,
        propagators: Propagators = W3C,
        conventions: Conventions = DEFAULT,
    ) -> None:
        self.sampling = sampling if sampling is not None else Sampling()
        """Which traces are exported; another one may take its place at any time."""
        self._conventions = conventions
        self._ids = ids
        self._stats = stats
        self._limits = limits
        self._propagators = propagators
        self._carries = propagators.baggage or propagators.items  # whether baggage goes upstream at all
        self._traces: OrderedDict[bytes, LiveTrace] = OrderedDict()  # the one longest without an event first
        self._leaving: OrderedDict[bytes, int] = OrderedDict()  # until when, the first to leave first
        self._gone = Gone(limits.max_traces, REMEMBERED * limits.grace_ns)
        self._bytes = 0
        self._finished: list[FinishedTrace] = []
        self._active: list[tuple[Request, int]] = []
        self._ended: list[EndedStream] = []
        self._executor = Executor(
            stats=stats, limits=limits, upstream_span=upstream_span, strict=strict, conventions=conventions
        )
        self._planner = Planner(limits=limits, upstream_span=upstream_span)

    @property
    def live(self) -> int:
        """How many traces are alive."""
        return len(self._traces)

    def began(self, most: int) -> list[int]:
        """Return when live traces began, of those longest without an event, ``most`` at most; from any thread."""
        for _ in range(_TRIES):
            with suppress(RuntimeError):  # the table changed meanwhile
                return [trace.began_ns for trace in list(islice(self._traces.values(), most))]
        return []

    def take_finished(self) -> list[FinishedTrace]:
        """Return the traces that finished since the last call."""
        finished, self._finished = self._finished, []
        return finished

    def take_active(self) -> list[tuple[Request, int]]:
        """Return the requests that came (1) and that ended or were given up (-1) since the last call."""
        active, self._active = self._active, []
        return active

    def take_ended(self) -> list[EndedStream]:
        """Return the streams whose record came and that left since the last call, sampled or not."""
        ended, self._ended = self._ended, []
        return ended

    def take_problems(self) -> list[Problem]:
        """Return what could not be done as asked since the last call."""
        problems = self._executor.problems
        if problems:
            self._executor.problems = []
        return problems

    # Before the ACK

    def propagate(self, told: list[Told], now: int) -> Propagation | None:
        """Fix the identity of the streams spoken of; return what HAProxy does not know of the first yet."""
        first: Propagation | None = None
        for number, one in enumerate(told):
            trace = self._identify(one, now)
            if trace is None or (number > 0 and one.key != told[0].key):
                continue
            if not trace.said:
                trace.said = True
                first = self._propagation(trace)
        return first

    def propagate_spoken(self, spoken: Spoken, now: int) -> Propagation | None:
        """Do as :meth:`propagate` for a frame that is known but for its values."""
        if self.sampling.rules:  # they want to know what is told
            return self.propagate([spoken.told()], now)
        identity, phrase = spoken.identity, spoken.phrase
        trace = self._known_as(spoken.key, phrase.creates or identity is not None, identity, spoken.baggage, None, now)
        if trace is None:
            return None
        if phrase.carries:
            self._carry_all(trace, spoken.told())
        if trace.said:
            return None
        trace.said = True
        return self._propagation(trace)

    def _identify(self, told: Told, now: int) -> LiveTrace | None:
        """Return the stream's trace, which is now known as what the message says."""
        identity = told.identity
        begins = identity is not None or told.start is not None or any(block.span is not None for block in told.blocks)
        trace = self._known_as(told.key, begins, identity, told.baggage, told, now)
        if trace is not None:
            self._carry_all(trace, told)
        return trace

    def _known_as(
        self, key: bytes, begins: bool, identity: Identity | None, baggage: bytes, told: Told | None, now: int
    ) -> LiveTrace | None:
        """Return the stream's trace, to be begun if it ``begins`` here, with what it is told of callers."""
        trace = self._traces.get(key)
        if trace is None:
            trace = self._begin(key, begins, now)
            if trace is None:
                return None
        if identity is not None:
            adopt(trace, identity, self._stats, self._propagators)
        if not self.sampling.trivial:
            decide_early(self.sampling, trace, identity, told, now)
        else:  # not only where an identity comes: what decided before may have been something else
            trace.sampled = trace.flags & FLAG_SAMPLED != 0
        if baggage or identity is not None:
            self._adopt_baggage(trace, baggage, identity)
        return trace

    def _begin(self, key: bytes, worth_it: bool, now: int) -> LiveTrace | None:
        """Return a new trace, none for what is late and for what only finishes spans that nobody knows."""
        if not worth_it:
            return None
        if key in self._gone:
            self._stats.count("frames_dropped", "late")
            return None
        return self._new(key, now)

    def _new(self, key: bytes, now: int) -> LiveTrace:
        if len(self._traces) >= self._limits.max_traces:
            self._evict("max_traces", now)
        trace = LiveTrace(key, self._ids.trace_id(), self._ids.span_id(), now)
        trace.course = self._planner.start
        self._traces[key] = trace
        self._grow(trace, len(key))
        return trace

    def _grow(self, trace: LiveTrace, size: int) -> None:
        trace.size += size
        self._bytes += size

    def _adopt_baggage(self, trace: LiveTrace, baggage: bytes, identity: Identity | None) -> None:
        """Add the caller's items; what the configuration says itself stays."""
        if baggage and self._propagators.baggage:
            self._carry_new(trace, parse_baggage(baggage).items())
        if identity is not None and identity.headers and self._carries:
            self._carry_new(trace, self._propagators.read_items(identity))

    def _carry_all(self, trace: LiveTrace, told: Told) -> None:
        """Add the items that the configuration says itself."""
        if not self._carries:
            return
        for block in told.blocks:
            for name, number in block.baggage:
                value = told.values[number]
                assert isinstance(value, bytes)
                self._carry(trace, name, value)

    def _carry_new(self, trace: LiveTrace, items: Iterable[tuple[bytes, bytes]]) -> None:
        for name, value in items:
            if name not in trace.baggage:
                self._carry(trace, name, value)

    def _carry(self, trace: LiveTrace, name: bytes, value: bytes) -> None:
        """Add an item to the trace's baggage, which is as bounded as the header that it leaves in."""
        if trace.baggage.get(name) == value:
            return
        full = len(trace.baggage) >= MAX_MEMBERS and name not in trace.baggage
        if full or len(name) + len(value) > MAX_MEMBER_BYTES:
            self._stats.count("baggage_dropped", "header_full" if full else "item_too_large")
            return
        # Counted here too: it stays even where its frame is too large for the trace to take.
        size = len(name) + len(value)
        if trace.size + size > self._limits.max_trace_bytes:
            self._stats.count("baggage_dropped", "trace_too_large")
            return
        self._grow(trace, size)
        trace.baggage = {**trace.baggage, name: value}
        trace.said = False

    def _propagation(self, trace: LiveTrace) -> Propagation:
        propagators = self._propagators
        trace_id, span_id = hexlify(trace.trace_id), hexlify(trace.upstream_id)
        return Propagation(
            write_traceparent(trace_id, span_id, trace.flags) if propagators.tracecontext else b"",
            upstream_state(self.sampling, trace),
            format_baggage(trace.baggage) if trace.baggage and propagators.baggage else b"",
            trace_id,
            span_id,
            trace.flags & FLAG_SAMPLED != 0,
            propagators.others(SpanContext(trace.trace_id, trace.upstream_id, trace.flags)) if propagators.more else (),
            propagators.write_items(trace.baggage) if trace.baggage and propagators.items else (),
        )

    # After the ACK

    def apply(self, told: list[Told], size: int, now: int) -> None:
        """Carry the instructions of one frame of ``size`` bytes out; a trace ends when its last span does."""
        if not told:
            return
        if _about_one_stream(told):
            trace = self._account(told[0].key, size, now)
            if trace is not None:
                for one in told:
                    if not self._carry_out(trace, one, now):
                        break
                self._end_if_over(trace, now)
        else:
            self._apply_to_several(told, size, now)
        if self._bytes > self._limits.max_bytes:
            self._keep_within_bytes(now)

    def apply_spoken(self, spoken: Spoken, size: int, now: int) -> None:
        """Do as :meth:`apply` for a frame that is known but for its values: later, if its spans are wanted."""
        trace = self._account(spoken.key, size, now)
        if trace is not None:
            course = self._planner.follow(trace.course, spoken.phrase) if trace.course is not None else None
            if course is None:
                self._carry_out(trace, spoken.told(), now)
                self._end_if_over(trace, now)
            else:
                if not spoken.phrase.describes or not (trace.sampled or self._may_leave(trace)):
                    trace.hear(None, course, now)
                else:
                    small = len(self._traces) > self._limits.roomy
                    trace.hear(spoken.packed() if small else spoken, course, now)
                if course.over:
                    self._let_go(trace, now)
                elif self._leaving:
                    self._go_on(trace)
        if self._bytes > self._limits.max_bytes:
            self._keep_within_bytes(now)

    def _carry_out(self, trace: LiveTrace, told: Told, now: int) -> bool:
        """Do one message's blocks; ``False`` where strict mode gives up the rest of the frame."""
        trace.unfold()
        if not self._executor.carry_out(trace, told, now, trace.sampled or self._may_leave(trace)):
            return False
        if told.start is not None:
            self._take_start(trace, told, told.start)
        return True

    def _apply_to_several(self, told: list[Told], size: int, now: int) -> None:
        spoken_of: dict[bytes, LiveTrace | None] = {}
        for one in told:
            if one.key not in spoken_of:
                spoken_of[one.key] = self._account(one.key, size, now)
            trace = spoken_of[one.key]
            if trace is not None and not self._carry_out(trace, one, now):
                break
        for trace in spoken_of.values():
            if trace is not None:
                self._end_if_over(trace, now)

    def _end_if_over(self, trace: LiveTrace, now: int) -> None:
        """Let the trace go when its last span has ended; one that goes on while it waits for its record stays."""
        if trace.spans and not trace.open:
            self._let_go(trace, now)
        elif self._leaving:
            self._go_on(trace)

    def _go_on(self, trace: LiveTrace) -> None:
        if trace.end is None:
            self._leaving.pop(trace.key, None)

    def _keep_within_bytes(self, now: int) -> None:
        while self._bytes > self._limits.max_bytes:
            self._evict("max_bytes", now)

    def _account(self, key: bytes, size: int, now: int) -> LiveTrace | None:
        """Take note of an event; return its stream's trace, unless nobody knows it or it may not grow."""
        trace = self._traces.get(key)
        if trace is None:
            return None
        self._heard_of(trace, now)
        if trace.size + size > self._limits.max_trace_bytes:
            self._stats.count("frames_dropped", "trace_too_large")
            return None
        self._grow(trace, size)
        return trace

    def _heard_of(self, trace: LiveTrace, now: int) -> None:
        if now > trace.last_event_ns:
            trace.last_event_ns = now
        self._traces.move_to_end(trace.key)

    def _take_start(self, trace: LiveTrace, told: Told, start: StreamStart) -> None:
        if trace.start is None and trace.end is None:
            self._active.append((start.request, 1))
        trace.start = trace.start or start
        if told.attributes:
            trace.attributes = {**trace.attributes, **dict(shown_tags(self._conventions.privacy, told.attributes))}

    def _may_leave(self, trace: LiveTrace) -> bool:
        """Say whether a trace that is not sampled may be exported all the same: by its end, or by a late caller."""
        pending = trace.decision is not None and trace.decision.pending
        return self.sampling.rescues or pending or not (trace.remote_span_id or trace.made_by_haproxy)

    # Ends

    def end(self, end: EndOfStream, size: int, now: int) -> None:
        """Take the record of a stream's end, of ``size`` bytes; its trace leaves after a moment of grace.

        A stream that broke before HAProxy had its request (400, 408) has no id, and no messages to wait for.
        """
        if not end.key:
            self._export(self._nameless(end, now), now)
            return
        trace = self._traces.get(end.key)
        if trace is None:
            if end.key in self._gone:
                self._come_late(end, now)
                return
            trace = self._new(end.key, now)
        if trace.end is not None:
            self._stats.count("records_dropped", "duplicate")
            return
        adopt(trace, end.identity, self._stats, self._propagators)
        if self.sampling.trivial:
            trace.sampled = trace.flags & FLAG_SAMPLED != 0
        self._heard_of(trace, now)
        self._grow(trace, size)  # refused never: nobody else tells the end, and a line is bounded
        trace.end = end
        if trace.start is not None:
            self._active.append((trace.start.request, -1))
            if not trace.service:  # all else that it told the record tells again
                trace.service = end.service or trace.start.service or None
            trace.start = None
        self._let_go(trace, now)
        self._keep_within_bytes(now)

    def knows(self, key: bytes) -> bool:
        """Say whether the stream is alive here, has left, or has no id by which anybody could know it."""
        return not key or key in self._traces or key in self._gone

    def pass_by(self, key: bytes, now: int) -> None:
        """Another worker gets the stream's record: what its messages say here from now on comes too late."""
        self._remember(key, now, told=True)

    def _let_go(self, trace: LiveTrace, now: int) -> None:
        """The stream has ended, by its spans or by its record: the other may still be on its way."""
        if self._limits.grace_ns == 0:
            self._remove(trace, now)
        elif trace.key not in self._leaving:
            self._leaving[trace.key] = now + self._limits.grace_ns

    def _remove(self, trace: LiveTrace, now: int) -> None:
        """Hand the trace on. With records its name is remembered for a while, so that what is late makes no second."""
        del self._traces[trace.key]
        self._leaving.pop(trace.key, None)
        self._bytes -= trace.size
        self._remember(trace.key, now, told=trace.end is not None)
        if trace.start is not None and trace.end is None:
            self._active.append((trace.start.request, -1))
        self._export(trace, now)

    def _remember(self, key: bytes, now: int, *, told: bool) -> None:
        if self._limits.grace_ns:
            self._gone.add(key, now, told=told)

    def _nameless(self, end: EndOfStream, now: int) -> LiveTrace:
        trace = LiveTrace(b"", self._ids.trace_id(), self._ids.span_id(), now)
        adopt(trace, end.identity, self._stats, self._propagators)
        trace.end = end
        return trace

    def _export(self, trace: LiveTrace, now: int) -> None:
        """Let the trace leave if sampling keeps it; what is not kept is never built, but its end counts."""
        if not trace.has_spans and trace.start is None and trace.end is None:
            return
        if trace.sampled or (trace.end is None and (self.sampling.rescues or self.sampling.rules)):
            self._describe_all(trace)  # the spans themselves may have to say how it ended
        reason = decide_at_end(self.sampling, trace, now)
        if reason:
            self._stats.count("traces_dropped", reason)
            if trace.end is not None:
                self._ended.append(ended_stream(trace, trace.end, None, False, now, self._conventions))
            return
        self._describe_all(trace)
        finished = finished_trace(trace, self._ids, self._limits.phases, self._conventions)
        if finished is not None:
            if trace.end is not None:
                self._ended.append(ended_stream(trace, trace.end, finished, True, now, self._conventions))
            self._finished.append(finished)

    def _describe_all(self, trace: LiveTrace) -> None:
        trace.unfold()
        self._executor.describe_all(trace)

    def _come_late(self, end: EndOfStream, now: int) -> None:
        """The stream's trace has left. As an end it still counts, once; its trace is known if HAProxy made it."""
        self._stats.count("records_dropped", "late")
        if self._gone.end_told(end.key):
            return
        self._gone.add(end.key, now, told=True)
        self._ended.append(ended_stream(self._nameless(end, now), end, None, False, now, self._conventions))

    # Ends that nobody told

    def expire(self, now: int, most: int = ALL) -> bool:
        """End the traces whose grace is over, ``most`` at a time, and those that nothing was heard of for ``ttl_ns``.

        ``True``: there may be more of the first, and nothing else was done.
        """
        while self._leaving and (key := next(iter(self._leaving))) and self._leaving[key] <= now:
            if not most:
                return True
            most -= 1
            self._remove(self._traces[key], now)
        while self._traces and (trace := next(iter(self._traces.values()))).last_event_ns + self._limits.ttl_ns <= now:
            self._cut_short(trace, "expired", now)
        self._gone.expire(now)
        return False

    def close(self, now: int) -> None:
        """End all: the agent stops."""
        while self._traces:
            self._evict("shutdown", now)

    def _evict(self, reason: str, now: int) -> None:
        """Let one trace go to make room: one that only waits for its grace, else the one longest without an event."""
        key = next(iter(self._leaving or self._traces))
        self._cut_short(self._traces[key], reason, now)

    def _cut_short(self, trace: LiveTrace, reason: str, now: int) -> None:
        """Let a trace go as what it is: incomplete, unless its record is there."""
        trace.unfold()
        if trace.sampled:
            self._executor.describe_all(trace)
        if trace.end is None and (trace.cut_short() or trace.start is not None):
            self._stats.count("traces_incomplete", reason)
        self._remove(trace, now)


def _about_one_stream(told: list[Told]) -> bool:
    if len(told) > 1:
        key = told[0].key
        for one in told:
            if one.key != key:
                return False
    return True
