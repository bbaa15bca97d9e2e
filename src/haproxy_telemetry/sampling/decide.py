"""The two decisions about a trace: one when its identity is known, one when its stream has ended.

The first answers the question whether the flag that goes upstream says "sampled". It is made before the ACK, and
again when a caller's context or a fact comes that changes it. The second knows how the stream ended and
decides about the export alone: the flag has gone by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.plain import Plain
from haproxy_telemetry.sampling.rules import Action, Facts, Rule, first_match
from haproxy_telemetry.sampling.samplers import Sampler
from haproxy_telemetry.sampling.tail import NOTHING, Ending, Tail
from haproxy_telemetry.sampling.thresholds import ALWAYS, randomness_of
from haproxy_telemetry.sampling.tracestate import read_ot

UNSAMPLED: Final = "unsampled"
BY_RULE: Final = "rule"
BY_RATE: Final = "rate"
BY_TAIL: Final = "tail"
"""Why a trace is dropped: the reasons of the counter ``traces_dropped``."""


@mypyc_attr(acyclic=True)
@final
class Given:
    """What a trace came with. ``parent``: somebody decided before. ``sampled``: the flag, as it came.

    A flag that HAProxy made is a parent's where it says no; where it says yes the trace is a new one, of which the
    sampler may still keep a share.
    """

    __slots__ = ("parent", "sampled", "trace_id", "trace_state")

    def __init__(self, trace_id: bytes, trace_state: bytes, parent: bool, sampled: bool) -> None:
        self.trace_id = trace_id
        self.trace_state = trace_state
        self.parent = parent
        self.sampled = sampled


@mypyc_attr(acyclic=True)
@final
class Decision(Plain):
    """``threshold`` goes into the tracestate if ``sampled``; ``None``: how many stand behind this one isn't known.

    ``why`` is the reason if it is not sampled. ``pending``: a rule waits for a fact. ``fixed``: a rule said keep or
    drop, and the end has nothing to add. Not changed once it is made.
    """

    __slots__ = ("fixed", "pending", "sampled", "slow_ns", "threshold", "why")

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return ("sampled", "threshold", "why", "pending", "fixed", "slow_ns")

    def __init__(
        self,
        sampled: bool,
        threshold: int | None,
        why: str = "",
        pending: bool = False,
        fixed: bool = False,
        slow_ns: int = 0,
    ) -> None:
        self.sampled = sampled
        self.threshold = threshold
        self.why = why
        self.pending = pending
        self.fixed = fixed
        self.slow_ns = slow_ns


@final
class Sampling:
    """All that there is to decide by; immutable but for the moments that rate limits remember."""

    def __init__(self, sampler: Sampler = Sampler(), rules: Sequence[Rule] = (), tail: Tail = NOTHING) -> None:  # noqa: B008 (immutable)
        self.sampler = sampler
        self.rules = tuple(rules)
        self.tail = tail
        self.tag_names = frozenset([name for rule in self.rules for name in rule.tag_names])
        """The tags that some rule asks for."""
        self.trivial = sampler == Sampler() and not self.rules and tail == NOTHING
        """Whether the flags as they come are all there is to it."""
        self.rescues = tail.rescues or any(rule.slow_ns for rule in self.rules)
        """Whether a trace that is not sampled may be exported all the same, by its end."""

    def head(self, given: Given, facts: Facts, now: int, *, tags_known: bool = False) -> Decision:
        """Decide by the first rule that holds, else by the sampler. A rate limit counts what it decides."""
        match = first_match(self.rules, facts, tags_known) if self.rules else None
        rule = match.rule if match is not None else None
        pending = match is not None and match.pending
        if rule is None:
            made = self._sample(given)
            return Decision(made.sampled, made.threshold, made.why, pending=True) if pending else made
        if rule.action is Action.DROP:
            return Decision(False, None, BY_RULE, fixed=True)
        if rule.action is Action.KEEP:
            return Decision(True, ALWAYS, fixed=True)
        made = self._by(rule, given, now)
        return Decision(made.sampled, made.threshold, made.why, slow_ns=rule.slow_ns)

    def _by(self, rule: Rule, given: Given, now: int) -> Decision:
        """A rule bounds what a caller wants, and takes the sampler's place for a trace that begins here."""
        obeyed = given.parent and self.sampler.parent_based
        if obeyed and not given.sampled:
            return Decision(False, None, UNSAMPLED)
        if rule.action is Action.RATIO:
            drawn = _draw(given, rule.threshold, obeyed)
            return drawn if drawn.sampled else Decision(False, drawn.threshold, BY_RULE)
        if rule.limit is not None:
            return Decision(True, None) if rule.limit.allow(now) else Decision(False, None, BY_RATE)
        return self._sample(given)

    def _sample(self, given: Given) -> Decision:
        if given.parent and self.sampler.parent_based:
            if not given.sampled:
                return Decision(False, None, UNSAMPLED)
            return Decision(True, read_ot(given.trace_state)[0])
        return _draw(given, self.sampler.threshold, False)

    def end(self, decision: Decision, given: Given, ending: Ending) -> Decision:
        """Decide about the export of a stream that has ended; ``threshold`` is the one to write."""
        if decision.fixed:
            return decision
        if self.tail.keeps(ending, decision.slow_ns):
            return Decision(True, ALWAYS)
        if not decision.sampled or self.tail.threshold == ALWAYS:
            return decision
        if _randomness(given) < self.tail.threshold:
            return Decision(False, None, BY_TAIL)
        threshold = _stricter(decision.threshold, self.tail.threshold)
        return Decision(True, threshold, pending=decision.pending, slow_ns=decision.slow_ns)


def _draw(given: Given, threshold: int, thinned: bool) -> Decision:
    """Keep the trace if its randomness reaches the threshold. ``thinned``: others have drawn before."""
    before, explicit = read_ot(given.trace_state)
    if (randomness_of(given.trace_id) if explicit is None else explicit) < threshold:
        return Decision(False, None, UNSAMPLED)
    if before is None:
        return Decision(True, None if thinned else threshold)
    return Decision(True, _stricter(before, threshold) if thinned or not given.parent else threshold)


def _stricter(one: int | None, other: int) -> int | None:
    """Both were asked, and the same randomness answered: what is left is what the stricter lets through."""
    return None if one is None else max(one, other)


def _randomness(given: Given) -> int:
    explicit = read_ot(given.trace_state)[1]
    return randomness_of(given.trace_id) if explicit is None else explicit
