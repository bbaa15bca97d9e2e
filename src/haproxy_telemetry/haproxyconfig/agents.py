"""What stands at the end of haproxy.cfg: the backend of the agents, and the format of the records."""

from __future__ import annotations

import ipaddress

from haproxy_telemetry.haproxyconfig.frontend import LOG_PROFILE, record_format
from haproxy_telemetry.haproxyconfig.options import Options
from haproxy_telemetry.haproxyconfig.text import Rule, Section, target, word
from haproxy_telemetry.settings.address import ListenAddress, UnixAddress

BACKEND = "otel-agents"
DEFAULTS = "otel-agents-defaults"


def closing_sections(options: Options) -> tuple[Section, ...]:
    """Return the sections, in the order in which they must stand."""
    profile = (_log_profile(options),) if options.version.has_log_profiles else ()
    return (*profile, *((_defaults(), _backend(options)) if options.uses_spoe else ()))


def _log_profile(options: Options) -> Section:
    record = word(record_format(options))
    return Section(
        f"log-profile {LOG_PROFILE}",
        "The format of the record: `close` is the end of a stream, `error` that of one which broke before there was a"
        " request (400, 408), with no id and no context.",
        (Rule("", ("on any drop", f"on error format {record}", f"on close format {record}")),),
    )


def _defaults() -> Section:
    return Section(
        f"defaults {DEFAULTS}",
        "Defaults of its own, since yours are for HTTP: `option forwardfor` there would be warned about here."
        " This must be the last `defaults` of all: a section behind it that does not say `from` would follow it.",
        (
            Rule("HAProxy's log says when an agent goes and comes.", ("log global",)),
            Rule(
                "An agent is near. The second is how long a connection to it may be silent.",
                ("timeout connect 500ms", "timeout server 30s"),
            ),
        ),
    )


def _backend(options: Options) -> Section:
    return Section(
        f"backend {BACKEND} from {DEFAULTS}",
        "Where the agents are.",
        (_mode(options), *_affinity(options.servers), _check(), _default_server(), Rule("", _servers(options.servers))),
    )


def _mode(options: Options) -> Rule:
    if options.version.has_spop_mode:
        return Rule("SPOE's protocol is a mode of its own since 3.1.", ("mode spop",))
    return Rule("Up to 3.0 SPOE's protocol goes over TCP; 3.1 and later say `mode spop`.", ("mode tcp",))


def _affinity(servers: tuple[ListenAddress, ...]) -> tuple[Rule, ...]:
    balance = Rule(
        "The events of one stream come over several connections. A stream stays on its thread, so with several"
        " agents all of them still reach the same one. Have at least as many threads (nbthread) as agents.",
        ("balance hash thread",),
    )
    if len(servers) == 1:
        return (balance,)
    each = Rule(
        "Each thread has its agent, in turn. If that one is away, the thread takes another one by `balance`; the other"
        " threads keep theirs, and their streams stay whole.",
        (f"use-server agent%[thread,mod({len(servers)}),add(1)] if TRUE",),
    )
    return (balance, each)


def _check() -> Rule:
    return Rule(
        "A check in the agent's own protocol: an agent that hangs counts as gone. Without it, a missing agent would"
        " cost every request the whole `timeout processing`; with it, a millisecond or two.",
        ("option spop-check",),
    )


def _default_server() -> Rule:
    return Rule(
        "observe, error-limit, on-error: the first failed connection takes the agent out, before the next check"
        " does. pool-low-conn: since 3.1, frontends that share an agent would keep closing each other's idle"
        " connections. No maxconn: since 3.1 it limits events, and requests beyond it go untraced.",
        (
            "default-server check inter 1s fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down"
            " pool-low-conn 20",
        ),
    )


def _servers(agents: tuple[ListenAddress, ...]) -> tuple[str, ...]:
    return tuple(f"server agent{number} {target(agent)}{_init(agent)}" for number, agent in enumerate(agents, 1))


def _init(agent: ListenAddress) -> str:
    """A name that cannot be resolved must not keep HAProxy from starting."""
    return " init-addr last,libc,none" if is_name(agent) else ""


def is_name(address: ListenAddress) -> bool:
    """Tell whether the address has to be looked up."""
    if isinstance(address, UnixAddress):
        return False
    try:
        ipaddress.ip_address(address.host)
    except ValueError:
        return True
    return False
