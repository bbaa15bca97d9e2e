"""Whose trace a stream belongs to: what it was told of callers and of the header sent upstream, weighed.

The first valid word counts, whichever message or record says it; the propagators decide what is valid. Where HAProxy
makes the context by itself, the header that it sends upstream decides, since the origin has seen it; what it tells
of the caller then is a traceparent, whatever the caller sent.
"""

from __future__ import annotations

import re
from typing import Final

from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.live import LiveTrace
from haproxy_telemetry.trace.propagators import Caller, Propagators, read_traceparent
from haproxy_telemetry.trace.spans import FLAG_HAS_IS_REMOTE, FLAG_IS_REMOTE, FLAG_SAMPLED, Attribute, SpanLink
from haproxy_telemetry.trace.stream import Identity
from haproxy_telemetry.trace.w3c import MAX_TRACE_STATE_BYTES, SpanContext, parse_tracestate

_UNTRUSTED: Final[tuple[Attribute, ...]] = ((b"haproxy.link", b"untrusted caller"),)
_OTHER_TRACE: Final[tuple[Attribute, ...]] = ((b"haproxy.link", b"caller of another trace"),)

_OWN_STATE: Final = re.compile(rb"ot=th:[0-9a-f]{1,14}")
"""What HAProxy says of a trace that it has made and chosen by itself: the threshold, and nothing else."""

MAX_LINKS: Final = 4
"""Of callers that are no parents: a request has one caller, so more are made up."""


def adopt(trace: LiveTrace, identity: Identity, stats: Stats, propagators: Propagators) -> None:
    """Let the context that the stream came with hold the trace, as far as nothing holds it yet."""
    found = _caller(trace, identity, stats, propagators)
    caller = found.context if found is not None else None
    if identity.upstream and not trace.made_by_haproxy:
        upstream = read_traceparent(identity.upstream, stats)
        # A caller's header that goes on as it came names the caller's span, and nobody else may have its id.
        if upstream is not None and (caller is None or upstream.span_id != caller.span_id):
            _adopt_upstream(trace, upstream)
    if caller is not None and caller.span_id != trace.upstream_id:
        _adopt_caller(trace, caller)
        trace.has_state = found is not None and found.has_state
    elif found is not None and caller is None and not trace.made_by_haproxy:
        _adopt_decision(trace, found.wants)
    if identity.tracestate and not trace.tracestate_header:
        trace.tracestate_header = identity.tracestate[: MAX_TRACE_STATE_BYTES + 1]  # too long is invalid
    if trace.tracestate_header and not trace.trace_state and _counts(trace):
        trace.trace_state = parse_tracestate(trace.tracestate_header)
        trace.said = trace.said and (trace.made_by_haproxy or not trace.trace_state)
    if identity.untrusted:
        untrusted = read_traceparent(identity.untrusted, stats)
        if untrusted is not None:
            _link(trace, untrusted, _UNTRUSTED)


def _counts(trace: LiveTrace) -> bool:
    """Say whether the tracestate belongs to this trace: to the caller's, or to one that HAProxy chose by itself."""
    if trace.remote_span_id and trace.has_state:
        return True
    return trace.made_by_haproxy and _OWN_STATE.fullmatch(trace.tracestate_header) is not None


def _caller(trace: LiveTrace, identity: Identity, stats: Stats, propagators: Propagators) -> Caller | None:
    """Return the caller, unless there is one already."""
    if trace.remote_span_id or not (identity.caller or identity.headers):
        return None
    if identity.upstream or trace.made_by_haproxy:
        context = read_traceparent(identity.caller, stats) if identity.caller else None
        return Caller(context, True) if context is not None else None
    return propagators.extract(identity, stats)


def _adopt_upstream(trace: LiveTrace, upstream: SpanContext) -> None:
    for span in trace.spans:
        # Told of too late for the span that waits for the server: it began before, as in a backend's own filter.
        if span.span_id == trace.upstream_id:
            span.span_id = upstream.span_id
    trace.trace_id, trace.upstream_id, trace.flags = upstream.trace_id, upstream.span_id, upstream.flags
    trace.made_by_haproxy = True
    # HAProxy knows it all by itself, unless it has been told of another context before.
    trace.said = not trace.said


def _adopt_caller(trace: LiveTrace, caller: SpanContext) -> None:
    """Continue the caller's trace, unless the origin has been told of another one: a parent is of the same trace.

    Not called for what HAProxy itself sends upstream, which events behind its http-request rules see.
    """
    if not trace.made_by_haproxy:
        trace.trace_id, trace.remote_span_id, trace.flags = caller.trace_id, caller.span_id, caller.flags
        trace.said = False
    elif caller.trace_id == trace.trace_id:
        trace.remote_span_id = caller.span_id
    else:
        _link(trace, caller, _OTHER_TRACE)


def _adopt_decision(trace: LiveTrace, sampled: bool) -> None:
    """A caller without ids: the trace begins here, and whether it is sampled has been decided."""
    if not trace.decided_by_caller:
        trace.decided_by_caller = True
        trace.flags = trace.flags & ~FLAG_SAMPLED | (FLAG_SAMPLED if sampled else 0)
        trace.said = False


def _link(trace: LiveTrace, target: SpanContext, attributes: tuple[Attribute, ...]) -> None:
    flags = target.flags | FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE
    link = SpanLink(target.trace_id, target.span_id, b"", attributes, flags)
    if link not in trace.links and len(trace.links) < MAX_LINKS:
        trace.links = (*trace.links, link)
