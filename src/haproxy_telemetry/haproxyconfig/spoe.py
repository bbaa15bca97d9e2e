"""The SPOE file: the agent's section, and one section for each message."""

from __future__ import annotations

from haproxy_telemetry.haproxyconfig.agents import BACKEND
from haproxy_telemetry.haproxyconfig.events import left_out
from haproxy_telemetry.haproxyconfig.messages import Message, messages_of
from haproxy_telemetry.haproxyconfig.options import Options, Profile
from haproxy_telemetry.haproxyconfig.text import Rule, Section

ENGINE = "[otel]"


def spoe_sections(options: Options) -> tuple[Section, ...]:
    """Return the sections that follow the line ``[otel]``."""
    messages = messages_of(options)
    return (_agent(options, messages), *(_section(message) for message in messages))


def _agent(options: Options, messages: tuple[Message, ...]) -> Section:
    names = tuple(f"messages {message.name}" for message in messages)
    return Section("spoe-agent otel", "", (
        Rule(_why_messages(options), names),
        Rule(_why_variables(options), ("option var-prefix otel",)),
        Rule(
            "After a failure txn.otel.err says why (1: no answer in time, 2 or 257: no agent; the record tells the"
            " agent later). The request goes on.",
            ("option set-on-error err",),
        ),
        Rule(
            "txn.otel.total is how long all of this held the request up, in whole milliseconds; the record tells it.",
            ("option set-total-time total",),
        ),
        Rule("HAProxy's log gets failures only.", ("option dontlog-normal", "log global")),
        Rule(
            "The most that one event may hold a request up. An agent answers in well under a millisecond.",
            ("timeout processing 20ms",),
        ),
        *_old_timeouts(options),
        Rule("", (f"use-backend {BACKEND}",)),
    ))  # fmt: skip


def _why_variables(options: Options) -> str:
    if options.workers > 1:
        return "The agent's answers are variables txn.otel.*; of these the record tells which worker has the stream."
    return "The agent's answers are variables txn.otel.*; nothing here needs them."


def _why_messages(options: Options) -> str:
    if options.profile is Profile.STANDARD:
        return "One event for each request: one round trip to the agent."
    missing = [f"{event} is left out: {why}." for event, why in left_out(options).items()]
    return "\n".join(["Each event waits for the agent's answer. Messages of one event go in this order.", *missing])


def _old_timeouts(options: Options) -> tuple[Rule, ...]:
    if not options.version.heeds_hello_and_idle:
        return ()
    why = "How long an agent may take to say hello, and a connection may be unused. (From 3.1 on: ignored.)"
    return (Rule(why, ("timeout hello 100ms", "timeout idle 20s")),)


def _section(message: Message) -> Section:
    event = f"event {message.event}" + (f" if {message.condition}" if message.condition else "")
    acl = (message.acl,) if message.acl else ()
    lines = (*acl, *(f"args {line}" for line in message.args), event)
    return Section(f"spoe-message {message.name}", message.why, (Rule("", lines),))
