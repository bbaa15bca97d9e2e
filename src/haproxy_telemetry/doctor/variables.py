"""Which variables a configuration reads, which it sets, and which the agent sets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from haproxy_telemetry.doctor.configuration import Directive, Place
from haproxy_telemetry.doctor.proxies import Proxy, Term, alternatives_of
from haproxy_telemetry.doctor.setup import Setup
from haproxy_telemetry.doctor.spoe import Agent

FROM_AGENT = ("traceparent", "trace_id", "span_id", "sampled", "tracestate", "baggage",
              "b3", "x_b3_traceid", "x_b3_spanid", "x_b3_sampled", "uber_trace_id", "worker")  # fmt: skip
"""What the agent answers with (`dialect`)."""

_TOGETHER = frozenset({"traceparent", "trace_id", "span_id", "sampled"})
"""Always set together, or none of them."""

_READ = re.compile(r"(?<![-\w])var\(\s*([a-z]+\.[\w.]+)")
_READ_BARE = re.compile(
    r"(?<![-\w])var\(\s*([a-z]+\.[\w.]+)\s*\)"
)  # with a second argument, a default, it is never empty
_SET = re.compile(r"(?<![-\w])set-var(?:-fmt)?\(\s*([a-z]+\.[\w.]+)")


class Read(NamedTuple):
    """A variable and where it is read."""

    name: str
    place: Place


def variables_read(lines: tuple[Directive, ...]) -> Iterator[Read]:
    """Yield each reading."""
    for line in lines:
        yield from (Read(name, line.place) for name in _READ.findall(line.text))


def variables_set(lines: tuple[Directive, ...]) -> frozenset[str]:
    """Return all that rules, `global` lines and converters set."""
    return frozenset(name for line in lines for name in _SET.findall(line.text))


def variables_of(agent: Agent, scopes: tuple[str, ...]) -> frozenset[str]:
    """Return what our agent and HAProxy's filter set for an engine."""
    from_agent = {f"{scope}.{agent.prefix}.{name}" for scope in scopes for name in FROM_AGENT}
    by_filter = {agent.option(option) for option in ("set-on-error", "set-process-time", "set-total-time")} - {""}
    return frozenset(from_agent | {f"txn.{agent.prefix}.{name}" for name in by_filter})


def agent_variables(setup: Setup) -> frozenset[str]:
    """Return the variables that our agent's answers set."""
    names = {
        f"{scope}.{engine.agent.prefix}.{name}"
        for engine in setup.engines
        for scope in setup.scopes
        for name in FROM_AGENT
    }
    return frozenset(names)


def unguarded(rule: Directive, proxy: Proxy) -> Iterator[str]:
    """Yield each variable that a `set-header` rule reads without a test that it is there."""
    for name in _READ_BARE.findall(rule.word(3)):
        if not _is_guarded(rule, proxy, _equals(name)):
            yield name


def _equals(name: str) -> frozenset[str]:
    stem, _, last = name.rpartition(".")
    return frozenset(f"{stem}.{one}" for one in _TOGETHER) if last in _TOGETHER else frozenset({name})


def _is_guarded(rule: Directive, proxy: Proxy, names: frozenset[str]) -> bool:
    alternatives = alternatives_of(rule)
    return bool(alternatives) and all(any(_tests(term, proxy, names) for term in terms) for terms in alternatives)


def _tests(term: Term, proxy: Proxy, names: frozenset[str]) -> bool:
    """Any match, not only `-m found`, fails for a variable that is not there."""
    if term.negated:
        return False
    if len(term.words) > 1:
        return _begins_with(term.words[0], names)
    samples = [line.word(2) for line in proxy.rules("acl") if line.word(1) == term.words[0]] if term.words else []
    return bool(samples) and all(_begins_with(sample, names) for sample in samples)


def _begins_with(sample: str, names: frozenset[str]) -> bool:
    found = _READ.match(sample)
    return found is not None and found[1] in names
