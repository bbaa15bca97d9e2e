"""Checks of the SPOE file: its messages, their events, and the options of the agent section."""

from __future__ import annotations

from collections.abc import Iterator

from haproxy_telemetry.doctor.findings import Seen, error, warning
from haproxy_telemetry.doctor.proxies import Proxy
from haproxy_telemetry.doctor.setup import Setup
from haproxy_telemetry.doctor.spoe import CONNECTION_EVENTS, RESPONSE_EVENTS, Engine, Message
from haproxy_telemetry.doctor.version import Version

LONGEST_PROCESSING_MS = 100
DEFAULT_FRAME_SIZE = 16380
"""HAProxy's default, tune.bufsize less 4."""
LAST_FRAGILE_DEV = 5
"""Of 3.5: the last development version in which the crash was seen; later ones were not tried."""


@error(
    "id-not-first",
    "a message whose first argument is not `id`",
    "The agent must know which stream the arguments are about before it reads them; those before `id` are left out.",
)
def id_not_first(setup: Setup) -> Iterator[Seen]:
    """A message of ours that does not begin with its stream's id."""
    for _, message in _messages(setup):
        if not message.arguments or message.arguments[0].name != "id":
            yield Seen(
                message.place,
                f"spoe-message {message.name}: its first argument is not id; what stands before it is left out",
                "begin with: args id=unique-id",
            )


@warning(
    "message-unused",
    "a message that nothing sends",
    "HAProxy says nothing about it, and its spans are missing.",
)
def message_unused(setup: Setup) -> Iterator[Seen]:
    """Not in the agent's `messages`, nor in one of its groups; or in `messages`, without an event."""
    for engine in setup.engines:
        for message in engine.unused:
            if message.is_ours:
                yield Seen(
                    message.place,
                    f"spoe-message {message.name} is never sent: no `messages` line of {engine.agent} names it",
                    f"add to {engine.agent}: messages {message.name}",
                )
        for message in engine.sent:
            if message.is_ours and not message.event and message.name not in engine.in_groups:
                yield Seen(
                    message.place,
                    f"spoe-message {message.name} is never sent: it has no event",
                    "add a line such as: event on-frontend-http-request",
                )


@error(
    "event-crashes",
    "on-server-session or on-tcp-response on 3.4.0 and 3.5-dev",
    "When the server closes without a response while such an event waits for its answer, HAProxy's watchdog kills"
    " the whole process (3.4.0, 3.5-dev5).",
)
def event_crashes(setup: Setup) -> Iterator[Seen]:
    """The two events that can crash this version."""
    if setup.version is None or not _is_fragile(setup.version):
        return
    for _, message in _messages(setup):
        if message.event in CONNECTION_EVENTS:
            yield Seen(
                message.event_place,
                f"spoe-message {message.name}: {message.event} can crash HAProxy {setup.version} when a server closes"
                " without a response",
                f"leave {message.name} out of `messages`, or use a later release of HAProxy",
            )


def _is_fragile(version: Version) -> bool:
    if version.is_branch(3, 4):
        return not version.patch  # "3.4" without a patch may be 3.4.0
    return version.is_branch(3, 5) and version.dev is not None and version.dev <= LAST_FRAGILE_DEV


@error(
    "event-breaks-cache",
    "on-server-session or on-tcp-response beside a cache, from 3.2 on",
    "Every cache hit becomes a 502.",
)
def event_breaks_cache(setup: Setup) -> Iterator[Seen]:
    """One of the two events, in an engine whose streams may be answered by a cache."""
    if not setup.at_least(3, 2):
        return
    for one, engine in setup.ours:
        reached = [behind for proxy in setup.entrances(one.proxy) for behind in setup.behind(proxy)]
        cached = next((proxy for proxy in reached if _uses_cache(proxy)), None)
        for message in engine.sent:
            if cached and message.event in CONNECTION_EVENTS:
                yield Seen(
                    message.event_place,
                    f"spoe-message {message.name}: {message.event} turns the cache hits of {cached} into 502 on"
                    f" HAProxy {setup.version}",
                    f"leave {message.name} out of `messages`",
                )


def _uses_cache(proxy: Proxy) -> bool:
    return any(line.begins("http-request", "cache-use") for line in proxy.lines)


@warning(
    "response-events-hang",
    "events of the response before 2.8",
    "When the server answers fast, 2.6 (2.7 was not tried) loses `timeout processing` on on-server-session,"
    " on-tcp-response and on-http-response: an agent that stops answering there holds the client for"
    " seconds. 2.8 and later are fine.",
)
def response_events_hang(setup: Setup) -> Iterator[Seen]:
    """Any event after the server was chosen."""
    if not setup.before(2, 8):
        return
    for engine in setup.engines:
        late = [message for message in engine.sent if message.event in RESPONSE_EVENTS]
        if late:
            names = ", ".join(message.name for message in late)
            yield Seen(
                late[0].event_place,
                f"{engine.agent}: on HAProxy {setup.version} events of the response can lose `timeout processing`, and"
                f" an agent that stops answering then holds clients ({names})",
                "leave these messages out of `messages`; the record tells the end of the stream. Or use 2.8 or later",
            )


@error(
    "timeout-processing-missing",
    "no `timeout processing`",
    "Without it a silent agent holds every request, up to the agent backend's `timeout server`.",
)
def timeout_processing_missing(setup: Setup) -> Iterator[Seen]:
    """Requests may wait for the agent without a bound."""
    for engine in setup.engines:
        if engine.agent.timeout("processing") is None:
            yield Seen(
                engine.agent.place,
                f"{engine.agent}: no timeout processing, a silent agent holds requests up",
                "timeout processing 20ms",
            )


@warning(
    "timeout-processing-long",
    "`timeout processing` above 100 ms",
    "It is what each request may lose, for each event, when the agent is slow; answers take well below a millisecond.",
)
def timeout_processing_long(setup: Setup) -> Iterator[Seen]:
    """Requests may wait longer for the agent than anybody wants."""
    for engine in setup.engines:
        found = engine.agent.timeout("processing")
        if found and found[0] > LONGEST_PROCESSING_MS:
            yield Seen(
                found[1].place,
                f"{engine.agent}: a slow agent can hold each request up for {found[1].word(2)}, at each event",
                "timeout processing 20ms",
            )


@warning(
    "set-on-error-missing",
    "no `option set-on-error`",
    "Without it nothing in HAProxy's log tells a request that was not traced from one that was.",
)
def set_on_error_missing(setup: Setup) -> Iterator[Seen]:
    """Failures leave no trace in HAProxy."""
    for engine in setup.engines:
        if not engine.agent.option("set-on-error"):
            yield Seen(
                engine.agent.place,
                f"{engine.agent}: no option set-on-error, failures of the agent cannot be seen in HAProxy's log",
                f"option set-on-error err   (then var(txn.{engine.agent.prefix}.err) has the reason)",
            )


@warning(
    "continue-on-error",
    "`option continue-on-error`",
    "After a failure each further event of the stream waits for `timeout processing` again; 2.6 can hang.",
)
def continue_on_error(setup: Setup) -> Iterator[Seen]:
    """One failure becomes one for each event."""
    for engine in setup.engines:
        line = engine.agent.last("option", "continue-on-error")
        if line:
            yield Seen(
                line.place,
                f"{engine.agent}: with continue-on-error a request waits for a dead agent at each event, not once",
                "remove option continue-on-error",
            )


@warning(
    "frame-size-small",
    "`max-frame-size` below HAProxy's own",
    "Messages that do not fit are lost from 3.1 on, and sent in pieces before.",
)
def frame_size_small(setup: Setup) -> Iterator[Seen]:
    """A limit that costs messages and wins nothing."""
    largest = min(DEFAULT_FRAME_SIZE, _buffer_size(setup) - 4)
    for engine in setup.engines:
        line = engine.agent.last("max-frame-size")
        if line and line.word(1).isdigit() and int(line.word(1)) < largest:
            yield Seen(
                line.place,
                f"{engine.agent}: messages of more than {line.word(1)} bytes, with long URLs or headers, can be lost",
                f"remove max-frame-size; HAProxy's own is {largest}",
            )


def _buffer_size(setup: Setup) -> int:
    sizes = [line.word(1) for line in setup.global_lines("tune.bufsize") if line.word(1).isdigit()]
    return int(sizes[-1]) if sizes else DEFAULT_FRAME_SIZE + 4


@warning(
    "fragments-off",
    "`no option send-frag-payload` up to 3.0",
    "A message larger than a frame is then dropped instead of being sent in pieces; 3.1 and later ignore the option.",
)
def fragments_off(setup: Setup) -> Iterator[Seen]:
    """Large messages are dropped by choice."""
    for engine in setup.engines:
        line = engine.agent.last("no", "option", "send-frag-payload")
        if line and not setup.at_least(3, 1):
            yield Seen(
                line.place,
                f"{engine.agent}: messages larger than a frame are dropped",
                "remove no option send-frag-payload",
            )


def _messages(setup: Setup) -> Iterator[tuple[Engine, Message]]:
    for engine in setup.engines:
        for message in engine.sent:
            if message.is_ours:
                yield engine, message


CHECKS = (
    id_not_first,
    message_unused,
    event_crashes,
    event_breaks_cache,
    response_events_hang,
    timeout_processing_missing,
    timeout_processing_long,
    set_on_error_missing,
    continue_on_error,
    frame_size_small,
    fragments_off,
)
