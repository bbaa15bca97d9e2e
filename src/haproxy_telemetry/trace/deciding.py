"""What sampling is told of a stream, and what its decisions change in the trace.

``sampling/`` knows neither messages nor records: here their words become its facts, and its decisions flags,
tracestate, and whether a trace leaves. A flag that has gone upstream is not changed any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from haproxy_telemetry.sampling import Ending, Facts, Given, Sampling, with_threshold
from haproxy_telemetry.trace.http import split_target, target_of, verdict_of
from haproxy_telemetry.trace.instructions import Told, placed
from haproxy_telemetry.trace.live import LiveTrace
from haproxy_telemetry.trace.spans import FLAG_SAMPLED, STATUS_ERROR, Attribute, AttributeValue
from haproxy_telemetry.trace.stream import EndOfStream, Identity, Request
from haproxy_telemetry.trace.termination import CLIENT

_METHOD: Final = frozenset((b"http.request.method", b"http.method"))
_TARGET: Final = frozenset((b"url.path", b"http.target", b"http.url"))
_CLIENT: Final = frozenset((b"client.address", b"network.peer.address"))


def decide_early(sampling: Sampling, trace: LiveTrace, identity: Identity | None, told: Told | None, now: int) -> None:
    """Before the ACK: fix the flag that goes upstream, as far as it is not HAProxy's own.

    ``told``, which has this ``identity``, is for rules. Not asked where sampling is trivial: the flags as they come are
    all there is to it then.
    """
    decision = trace.decision
    if decision is not None and not decision.pending and identity is None and trace.end is None:
        return  # the trace can be no other than it was: only a message's identity, or the record's, makes it another
    anew = _anchored_anew(trace)
    if decision is not None and not decision.pending and not anew:
        return
    if told is not None and sampling.rules:
        _learn(sampling, _facts(trace), told)
    _decide(sampling, trace, now, told is not None and told.start is not None)
    if not trace.made_by_haproxy:
        _set_flag(trace)


def _anchored_anew(trace: LiveTrace) -> bool:
    """Say whether the trace is another one than at the last decision; if so, its flag is what it came with."""
    anchor = (trace.trace_id, trace.remote_span_id, trace.made_by_haproxy, trace.decided_by_caller)
    if anchor == trace.anchor:
        return False
    trace.anchor = anchor
    trace.given_flags = trace.flags
    return True


def _given(trace: LiveTrace) -> Given:
    sampled = trace.given_flags & FLAG_SAMPLED != 0
    parent = trace.remote_span_id != b"" or trace.decided_by_caller or (trace.made_by_haproxy and not sampled)
    return Given(trace.trace_id, trace.trace_state, parent, sampled)


def _decide(sampling: Sampling, trace: LiveTrace, now: int, tags_known: bool) -> None:
    trace.decision = sampling.head(_given(trace), _facts(trace), now, tags_known=tags_known)
    trace.sampled = trace.decision.sampled


def _set_flag(trace: LiveTrace) -> None:
    flags = trace.flags & ~FLAG_SAMPLED | (FLAG_SAMPLED if trace.sampled else 0)
    if flags != trace.flags:
        trace.flags = flags
        trace.said = False


def upstream_state(sampling: Sampling, trace: LiveTrace) -> bytes:
    """Return the tracestate that goes upstream: with the threshold by which this trace was chosen, if it was."""
    decision = trace.decision
    if sampling.trivial or decision is None:
        return trace.trace_state
    return with_threshold(trace.trace_state, decision.threshold if decision.sampled else None)


def decide_at_end(sampling: Sampling, trace: LiveTrace, now: int) -> str:
    """Return why the trace is dropped, ``""`` if it leaves; its tracestate is then that of the export."""
    if sampling.trivial:
        return "" if trace.flags & FLAG_SAMPLED else "unsampled"
    if _anchored_anew(trace) or trace.decision is None or trace.decision.pending:
        facts = _facts(trace)
        if trace.end is not None:
            _learn_end(facts, trace.end)
        _complete(facts)
        _decide(sampling, trace, now, True)
        if not trace.said and not trace.made_by_haproxy:
            _set_flag(trace)
    assert trace.decision is not None
    asked = sampling.rescues or trace.decision.slow_ns > 0  # by a rule that may be gone since
    decision = sampling.end(trace.decision, _given(trace), _ending(trace) if asked else _UNASKED)
    if not decision.sampled:
        return decision.why
    trace.trace_state = with_threshold(trace.trace_state, decision.threshold)
    return ""


_UNASKED: Final = Ending(0, False, False, False)
"""For decisions that no ending changes."""


# Facts


def _facts(trace: LiveTrace) -> Facts:
    if trace.facts is None:
        trace.facts = Facts()
    return trace.facts


def _learn(sampling: Sampling, facts: Facts, told: Told) -> None:
    if told.start is not None:
        _learn_request(facts, told.start.request)
        _learn_tags(sampling, facts, told.attributes)
    for block in told.blocks:
        attributes = placed(block.attributes, told.values)
        _learn_tags(sampling, facts, attributes)
        _learn_attributes(facts, attributes)


def _learn_request(facts: Facts, request: Request) -> None:
    facts.frontend = request.frontend
    facts.method = request.method
    facts.path = target_of(request).path
    facts.client = request.client_address


def _learn_end(facts: Facts, end: EndOfStream) -> None:
    _learn_request(facts, end.request)
    facts.backend = end.backend


def _complete(facts: Facts) -> None:
    """Nobody will say more."""
    facts.frontend = facts.frontend or b""
    facts.backend = facts.backend or b""
    facts.method = facts.method or b""
    facts.path = facts.path or b""
    facts.client = facts.client or b""


def _learn_tags(sampling: Sampling, facts: Facts, attributes: Sequence[Attribute]) -> None:
    """Remember what some rule asks for, and no more: tags are as many as the configuration of HAProxy likes."""
    for name, value in attributes:
        if name in sampling.tag_names:
            facts.tags[name] = _text(value)


def _learn_attributes(facts: Facts, attributes: Sequence[Attribute]) -> None:
    """The tags that tell facts, as the generated messages name them; what was told first stays."""
    for name, value in attributes:
        if name in _METHOD and facts.method is None:
            facts.method = _text(value)
        elif name in _TARGET and facts.path is None:
            facts.path = split_target(facts.method or b"", _text(value)).path
        elif name in _CLIENT and facts.client is None:
            facts.client = _text(value)
        elif name == b"haproxy.frontend.name":
            facts.frontend = _text(value)
        elif name == b"haproxy.backend.name":
            facts.backend = _text(value)


def _text(value: AttributeValue) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return str(value).encode("ascii")


# The end


def _ending(trace: LiveTrace) -> Ending:
    return _ending_of_spans(trace) if trace.end is None else _ending_by_record(trace.end)


def _ending_by_record(end: EndOfStream) -> Ending:
    """A stream that its client ended is an abort; an error too only if HAProxy or the server failed before."""
    verdict = verdict_of(end)
    termination = verdict.termination
    failed = verdict.server.status == STATUS_ERROR
    abort = termination.cause == CLIENT and termination.error_type != b""
    error = failed and (not abort or end.status >= 500)
    return Ending(end.end_ns - end.start_ns, error, end.retries > 0 or end.redispatched, abort)


def _ending_of_spans(trace: LiveTrace) -> Ending:
    """Without a record the spans are all there is: they know errors, and how long it took."""
    failed = any(span.status == STATUS_ERROR for span in trace.spans)
    ended = max((span.end_ns for span in trace.spans), default=trace.last_event_ns)
    return Ending(ended - trace.began_ns, failed, False, False)
