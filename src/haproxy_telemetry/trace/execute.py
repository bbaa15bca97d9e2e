"""What messages do to a trace: its spans begin, are spoken of, and end.

The language itself, one message after the other; what keeps the traces is ``assembler.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.conventions import Conventions
from haproxy_telemetry.trace.instructions import (
    ALL_SPANS,
    CHILD_OF,
    REQUEST_SPANS,
    RESPONSE_SPANS,
    Block,
    Problem,
    Reference,
    Told,
    Values,
    placed,
)
from haproxy_telemetry.trace.live import LiveTrace, OpenSpan, TraceLimits
from haproxy_telemetry.trace.opentracing import MEANINGFUL, apply_log, apply_tag, say_within
from haproxy_telemetry.trace.privacy import GOVERNED, PEER, shown_tag

SERVICE: Final = b"service.name"

_SPECIAL: Final = MEANINGFUL | GOVERNED | {SERVICE}
"""Tags that are not simply written down."""

_STAR: Final = ALL_SPANS[0]


@final
class Executor:
    """Carries instructions out; ``upstream_span`` names the span whose id went upstream before it began.

    ``problems``: what could not be done as asked.
    """

    def __init__(
        self, *, stats: Stats, limits: TraceLimits, upstream_span: bytes, strict: bool, conventions: Conventions
    ) -> None:
        self.problems: list[Problem] = []
        self._stats = stats
        self._limits = limits
        self._upstream_span = upstream_span
        self._strict = strict
        self._conventions = conventions

    def carry_out(self, trace: LiveTrace, told: Told, now: int, keep: bool) -> bool:
        """Do one message's blocks; ``False`` where strict mode gives up the rest of the frame.

        ``keep``: what is said of spans may be wanted later (:meth:`describe_all`).
        """
        for block in told.blocks:
            marked = self._marked(trace, block) if block.marks else None
            if block.span is not None and not self._speak(trace, block, told.values, now, keep):
                trace.marks = (*trace.marks, *block.marks, *block.finishes)
                return False
            if marked is not None:
                for span in marked:
                    if not span.end_ns:
                        trace.finish(span, now)
            if trace.marks:
                for name in trace.marks:
                    self._finish(trace, name, block.span, now)
                trace.marks = ()
            for name in block.finishes:
                self._finish(trace, name, block.span, now)
        if told.marks:
            trace.marks += told.marks
        return True

    def _speak(self, trace: LiveTrace, block: Block, values: Values, now: int, keep: bool) -> bool:
        """Create the block's span or find it, and keep what is said of it."""
        assert block.span is not None
        span = trace.open.get(block.span)
        if span is None:
            if len(trace.spans) >= self._limits.max_spans:
                self._stats.count("spans_dropped", "trace_full")
                return True
            span = self._start(trace, block, now)
            if span is None:
                return False
        if keep and block.describes:
            trace.sayings.append((span, block, values, now))
        return True

    def _start(self, trace: LiveTrace, block: Block, now: int) -> OpenSpan | None:
        """Start the block's span under its first child-of reference, else under its first reference."""
        assert block.span is not None
        parent: OpenSpan | None = None
        links: tuple[tuple[int, OpenSpan], ...] = ()
        if block.parent is not None:
            parent = self._target(trace, block.parent)
            if parent is None and self._strict:
                return None
        elif block.references:
            targets = self._targets(trace, block.references)
            if targets is None:
                return None
            if targets:
                parent = _parent(targets)
                links = self._links(targets)
        span = OpenSpan(block.span, parent, now)
        span.response_side = block.response_side
        span.links = links
        if block.span == self._upstream_span and not trace.upstream_taken:
            trace.upstream_taken = True
            span.span_id = trace.upstream_id
        elif parent is None and trace.spans:
            # The id that went upstream went there with the stream's own trace id.
            span.second_root = True
        trace.spans.append(span)
        trace.open[block.span] = span
        return span

    def _targets(self, trace: LiveTrace, references: Sequence[Reference]) -> list[tuple[int, OpenSpan]] | None:
        """Find all that is referred to; strict: ``None`` where one is unknown."""
        targets: list[tuple[int, OpenSpan]] = []
        for reference in references:
            target = self._target(trace, reference.span)
            if target is not None:
                targets.append((reference.kind, target))
            elif self._strict:
                return None
        return targets

    def _target(self, trace: LiveTrace, name: bytes) -> OpenSpan | None:
        """Find the span that is referred to. Unknown: the stream's own span stands in; strict: ``None``.

        A span that has ended is as good a parent as any: its id is known. The original refuses it.
        """
        target = trace.open.get(name) if self._strict else trace.find(name)
        if target is None:
            self.problems.append(Problem("unknown_reference", name, "it hangs under the stream's first span"))
            return None if self._strict else trace.root
        return target

    def _links(self, targets: list[tuple[int, OpenSpan]]) -> tuple[tuple[int, OpenSpan], ...]:
        """Every reference becomes a link but for a lone child-of, of which the parent says all."""
        if len(targets) == 1 and targets[0][0] == CHILD_OF:
            return ()
        if len(targets) > self._limits.max_links:
            self._stats.count("links_dropped", "span_full", len(targets) - self._limits.max_links)
            return tuple(targets[: self._limits.max_links])
        return tuple(targets)

    def _finish(self, trace: LiveTrace, name: bytes, current: bytes | None, now: int) -> None:
        """End the open spans that ``finish`` means; a name that no open span has means none."""
        if name and name[0] == _STAR:
            if name == ALL_SPANS:
                for span in trace.open.values():
                    span.finish(now)
                trace.open.clear()
                return
            if name in (REQUEST_SPANS, RESPONSE_SPANS):
                for span in _on_side(trace, name == RESPONSE_SPANS):
                    trace.finish(span, now)
                return
        ending = trace.open.get(name or current or b"")
        if ending is not None:
            trace.finish(ending, now)

    def _marked(self, trace: LiveTrace, block: Block) -> list[OpenSpan]:
        """Return the open spans that the block's marks mean, before it does anything."""
        marked: list[OpenSpan] = []
        for name in block.marks:
            if name == ALL_SPANS:
                marked.extend(trace.open.values())
            elif name in (REQUEST_SPANS, RESPONSE_SPANS):
                marked.extend(_on_side(trace, name == RESPONSE_SPANS))
            elif name in trace.open:
                marked.append(trace.open[name])
        return marked

    def describe_all(self, trace: LiveTrace) -> None:
        """Set on the spans what was said of them."""
        for span, block, values, then in trace.sayings:
            self._describe(trace, span, block, values, then)
        trace.sayings.clear()

    def _describe(self, trace: LiveTrace, span: OpenSpan, block: Block, values: Values, now: int) -> None:
        for key, number in block.attributes:
            value = values[number]
            if value is None:
                continue
            if key not in _SPECIAL:
                if not say_within(span, (key, value), self._limits.max_attributes):
                    self._stats.count("attributes_dropped", "span_full")
                continue
            if key == SERVICE and isinstance(value, bytes):
                trace.service = value
                continue
            # The peer of the span that waits for the origin is a server, not the client.
            if key in GOVERNED and not (key == PEER and span.name == self._upstream_span):
                shown = shown_tag(self._conventions.privacy, key, value)
                if shown is None:
                    continue
                value = shown
            if not apply_tag(span, (key, value), self._limits.max_attributes):
                self._stats.count("attributes_dropped", "span_full")
        if block.log and not apply_log(span, placed(block.log, values), now, self._limits.max_events):
            self._stats.count("events_dropped", "span_full")


def _parent(targets: list[tuple[int, OpenSpan]]) -> OpenSpan:
    """Return the first child-of reference, else the first reference."""
    for kind, target in targets:
        if kind == CHILD_OF:
            return target
    return targets[0][1]


def _on_side(trace: LiveTrace, response: bool) -> list[OpenSpan]:
    return [span for span in trace.open.values() if span.response_side == response]
