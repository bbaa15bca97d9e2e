"""Whose trace a stream belongs to: what it was told of callers and of the header sent upstream, weighed.

The first valid word counts, whichever message or record says it; W3C's rules decide what is valid. Where HAProxy
makes the context by itself, the header that it sends upstream decides, since the origin has seen it.
"""

from __future__ import annotations

from typing import Final

from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.live import LiveTrace
from haproxy_telemetry.trace.spans import FLAG_HAS_IS_REMOTE, FLAG_IS_REMOTE, Attribute, SpanLink
from haproxy_telemetry.trace.stream import Identity
from haproxy_telemetry.trace.w3c import MAX_TRACE_STATE_BYTES, SpanContext, parse_traceparent, parse_tracestate

_UNTRUSTED: Final[tuple[Attribute, ...]] = ((b"haproxy.link", b"untrusted caller"),)
_OTHER_TRACE: Final[tuple[Attribute, ...]] = ((b"haproxy.link", b"caller of another trace"),)

MAX_LINKS: Final = 4
"""Of callers that are no parents: a request has one caller, so more are made up."""


def adopt(trace: LiveTrace, identity: Identity, stats: Stats) -> None:
    """Let the context that the stream came with hold the trace, as far as nothing holds it yet."""
    caller = _parse(identity.caller, stats) if identity.caller and not trace.remote_span_id else None
    if identity.upstream and not trace.made_by_haproxy:
        upstream = _parse(identity.upstream, stats)
        # A caller's header that goes on as it came names the caller's span, and nobody else may have its id.
        if upstream is not None and (caller is None or upstream.span_id != caller.span_id):
            _adopt_upstream(trace, upstream)
    if caller is not None and caller.span_id != trace.upstream_id:
        _adopt_caller(trace, caller)
    if identity.tracestate and not trace.tracestate_header:
        trace.tracestate_header = identity.tracestate[: MAX_TRACE_STATE_BYTES + 1]  # too long is invalid
    if trace.tracestate_header and trace.remote_span_id and not trace.trace_state:
        trace.trace_state = parse_tracestate(trace.tracestate_header)
        trace.said = trace.said and (trace.made_by_haproxy or not trace.trace_state)
    if identity.untrusted:
        untrusted = _parse(identity.untrusted, stats)
        if untrusted is not None:
            _link(trace, untrusted, _UNTRUSTED)


def _adopt_upstream(trace: LiveTrace, upstream: SpanContext) -> None:
    for span in trace.spans:
        # Told of too late for the span that waits for the server: it began before, as in a backend's own filter.
        if span.span_id == trace.upstream_id:
            span.span_id = upstream.span_id
    trace.trace_id, trace.upstream_id, trace.flags = upstream
    trace.made_by_haproxy = True
    # HAProxy knows it all by itself, unless it has been told of another context before.
    trace.said = not trace.said


def _adopt_caller(trace: LiveTrace, caller: SpanContext) -> None:
    """Continue the caller's trace, unless the origin has been told of another one: a parent is of the same trace.

    Not called for what HAProxy itself sends upstream, which events behind its http-request rules see.
    """
    if not trace.made_by_haproxy:
        trace.trace_id, trace.remote_span_id, trace.flags = caller
        trace.said = False
    elif caller.trace_id == trace.trace_id:
        trace.remote_span_id = caller.span_id
    else:
        _link(trace, caller, _OTHER_TRACE)


def _link(trace: LiveTrace, target: SpanContext, attributes: tuple[Attribute, ...]) -> None:
    flags = target.flags | FLAG_HAS_IS_REMOTE | FLAG_IS_REMOTE
    link = SpanLink(target.trace_id, target.span_id, b"", attributes, flags)
    if link not in trace.links and len(trace.links) < MAX_LINKS:
        trace.links = (*trace.links, link)


def _parse(header: bytes, stats: Stats) -> SpanContext | None:
    context = parse_traceparent(header)
    if context is None:
        stats.count("traceparent_invalid")
    return context
