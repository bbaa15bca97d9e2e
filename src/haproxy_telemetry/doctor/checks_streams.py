"""Checks of the proxies whose streams become traces: ids, headers, variables."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from haproxy_telemetry.doctor.findings import Seen, error, warning
from haproxy_telemetry.doctor.proxies import Proxy
from haproxy_telemetry.doctor.record import is_record
from haproxy_telemetry.doctor.setup import Setup
from haproxy_telemetry.doctor.spoe import BACKEND_EVENTS, FRONTEND_EVENTS
from haproxy_telemetry.doctor.variables import (
    Read,
    agent_variables,
    unguarded,
    variables_of,
    variables_read,
    variables_set,
)

OLDEST = (2, 6)

_IDENTITY_HEADERS = ("traceparent", "b3", "x-b3-traceid", "uber-trace-id")
_CONTEXT_HEADERS = (*_IDENTITY_HEADERS, "x-b3-spanid", "x-b3-sampled", "tracestate", "baggage")
_UNIQUE_ID = re.compile(r"\bunique-id\b|%(?:\{[^}]*\})?ID\b")
# The rules of the trace context; which of tp, link and ts are set depends on whom one trusts.
_CONTEXT_VARIABLE = re.compile(r"(proc|sess|txn|req|res)\.otel_(?!(tp|link|ts)$)")


@error(
    "haproxy-too-old",
    "HAProxy before 2.6",
    "Nothing older was ever tried; `balance hash`, which keeps the frames of a stream together, begins with 2.6.",
)
def haproxy_too_old(setup: Setup) -> Iterator[Seen]:
    """A version that no fact here is about."""
    if setup.before(*OLDEST):
        yield Seen(None, f"HAProxy {setup.version} is too old", "use 2.6 or later")


@error(
    "nothing-traced",
    "no message that the agent reads, and no record",
    "Nothing in this configuration tells the agent about streams. It reads messages whose names begin with"
    " `opentracing:` or `otel:`, and log lines that the generated format writes.",
)
def nothing_traced(setup: Setup) -> Iterator[Seen]:
    """No engine of ours and no record; where an engine could not be read, that is the finding."""
    if setup.ours or setup.written or any(one.engine is None for one in setup.filters):
        return
    names = ", ".join(f"[{one.name}]" for one in setup.filters)
    words = f"the SPOE engines {names} have no message for the agent" if names else "there is no SPOE filter"
    yield Seen(
        setup.filters[0].place if setup.filters else None,
        f"{words}, and no log line writes the record: nothing is traced",
        "haproxy-telemetry config standard   prints the lines that are needed",
    )


@error(
    "spoe-unreadable",
    "a SPOE file that is not there, or without the engine",
    "HAProxy looks for a relative path where it is started, or where `default-path` says.",
)
def spoe_unreadable(setup: Setup) -> Iterator[Seen]:
    """A filter whose file or engine is missing."""
    for one in setup.filters:
        if one.problem:
            yield Seen(
                one.place,
                f"{one.proxy}: {one.problem}",
                f"correct the line: filter spoe engine {one.name}"
                f" config {one.file}   (an absolute path is always found)",
            )


@error(
    "unique-id-missing",
    "no `unique-id-format`",
    "Frames of one request come over several connections with different stream ids (since 3.1 each event has"
    " another one): only the unique id joins them, and joins the record to them.",
)
def unique_id_missing(setup: Setup) -> Iterator[Seen]:
    """A traced proxy without an id for its streams, though a message or the record uses it."""
    for proxy in setup.traced:
        if proxy.last("unique-id-format") is None and _uses_unique_id(setup, proxy):
            yield Seen(
                proxy.place,
                f"{proxy}: no unique-id-format, what belongs to one request cannot be joined",
                "unique-id-format %[uuid]",
            )


def _uses_unique_id(setup: Setup, proxy: Proxy) -> bool:
    samples = (
        argument.sample
        for one, engine in setup.ours
        if proxy in setup.entrances(one.proxy)
        for message in engine.sent
        for argument in message.arguments
    )
    records = (record.format for record in setup.written if record.proxy == proxy)
    return any(_UNIQUE_ID.search(text) for text in (*samples, *records))


@error(
    "header-emptied",
    "`set-header` without `-m found`",
    "Where a variable is not there (the agent is away, or the rule that makes it did not run), the rule replaces the"
    " caller's header by an empty one. Asked of the headers of a context whatever the variable is, and of every header"
    " that is made of the agent's variables.",
)
def header_emptied(setup: Setup) -> Iterator[Seen]:
    """A request header made of variables whether they are there or not."""
    of_agent = agent_variables(setup)
    for proxy in setup.proxies:
        for rule in proxy.lines:
            if not rule.begins("http-request", "set-header") and not rule.begins("http-request", "add-header"):
                continue
            of_context = rule.word(2).lower() in _CONTEXT_HEADERS
            name = next((name for name in unguarded(rule, proxy) if of_context or name in of_agent), "")
            if name:
                when = "when the agent is away" if name in of_agent else f"where {name} is not set"
                yield Seen(
                    rule.place,
                    f'{proxy}: {rule.word(1)} {rule.word(2)} without "-m found" empties the caller\'s header {when}',
                    f"add: if {{ var({name}) -m found }}",
                )


@error(
    "variable-unknown",
    "a variable that neither the agent nor a rule sets",
    "HAProxy takes any name without a word; the value is always empty.",
)
def variable_unknown(setup: Setup) -> Iterator[Seen]:
    """A name under the agent's prefix, or one of the context rules', that nothing sets."""
    known = set(variables_set(setup.all_lines))
    for engine in setup.engines:
        known |= variables_of(engine.agent, setup.scopes)
    prefixes = tuple(f".{engine.agent.prefix}." for engine in setup.engines)
    optional = {line.place for line in setup.all_lines if is_record(line.text)}  # its keys may be empty
    for read in variables_read(setup.all_lines):
        if read.place in optional:
            continue
        of_agent = any(prefix in read.name for prefix in prefixes)
        if read.name not in known and (of_agent or _CONTEXT_VARIABLE.match(read.name)):
            yield Seen(read.place, _nobody_sets(read, of_agent), _right_name(read, known))


def _nobody_sets(read: Read, of_agent: bool) -> str:
    who = "the agent does not send it and no rule sets it" if of_agent else "no rule sets it"
    return f"var({read.name}) is always empty: {who}"


def _right_name(read: Read, known: set[str]) -> str:
    stem = read.name.split(".")[1]
    near = difflib.get_close_matches(read.name, sorted(known), n=1)
    related = near or sorted(name for name in known if name.split(".")[1] == stem)
    return f"use {' or '.join(related)}" if related else f"set it: http-request set-var({read.name}) ..."


@warning(
    "traceparent-not-sent",
    "no rule sends `traceparent` to the server",
    "The origin's spans begin a trace of their own, or hang under the caller's span instead of the proxy's.",
)
def traceparent_not_sent(setup: Setup) -> Iterator[Seen]:
    """A traced HTTP proxy, and no rule in it or behind it that sets the header, or that of another propagator."""
    for proxy in setup.traced:
        if proxy.mode != "http" or any(map(_sets_traceparent, setup.behind(proxy))):
            continue
        own = next((engine.agent for one, engine in setup.ours if proxy in setup.entrances(one.proxy)), None)
        made = "txn.otel_up" in variables_set(setup.all_lines)
        name = f"txn.{own.prefix}.traceparent" if own and not made else "txn.otel_up"
        yield Seen(
            proxy.place,
            f"{proxy}: no rule sets traceparent, the origin's spans stay apart from the proxy's",
            f"http-request set-header traceparent %[var({name})] if {{ var({name}) -m found }}",
        )


def _sets_traceparent(proxy: Proxy) -> bool:
    return any(
        rule.begins("http-request")
        and rule.word(1) in ("set-header", "add-header")
        and rule.word(2).lower() in _IDENTITY_HEADERS
        for rule in proxy.lines
    )


@warning(
    "listen-merges-events",
    "an engine with backend events in a `listen` section",
    "Frontend and backend are one there: the events on-frontend-... and on-backend-... are sent in one frame, at one"
    " time, so the spans between them have no length.",
)
def listen_merges_events(setup: Setup) -> Iterator[Seen]:
    """Messages for both sides of a proxy that has one side only."""
    for one, engine in setup.ours:
        events = {message.event for message in engine.sent}
        if one.proxy.kind == "listen" and events & BACKEND_EVENTS and events & FRONTEND_EVENTS:
            yield Seen(
                one.place,
                f"{one.proxy}: in a listen section backend events come together with those of the frontend",
                f"split {one.proxy} into a frontend (with the filter) and a backend, or leave out the messages of"
                f" {', '.join(sorted(events & BACKEND_EVENTS))}",
            )


CHECKS = (
    haproxy_too_old,
    nothing_traced,
    spoe_unreadable,
    unique_id_missing,
    header_emptied,
    variable_unknown,
    traceparent_not_sent,
    listen_merges_events,
)
