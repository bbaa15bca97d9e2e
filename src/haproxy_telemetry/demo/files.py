"""The HAProxy files of the demo: the generator's texts, and around them what two chained proxies need. Pure.

One pair of files serves both HAProxies. What differs between the two is in environment variables, which take the
places of the addresses and of the name that the generator wrote. ``demo/`` holds the pairs for ``COPIED_VERSION``
(``scripts/demo_files.py``); the demo itself writes them for the HAProxy that it runs.
"""

from __future__ import annotations

from typing import Final

from haproxy_telemetry import haproxyconfig as hc
from haproxy_telemetry.haproxyconfig.agents import closing_sections
from haproxy_telemetry.haproxyconfig.frontend import frontend_rules
from haproxy_telemetry.haproxyconfig.spoe import ENGINE, spoe_sections
from haproxy_telemetry.haproxyconfig.text import Rule, Section, comment, render

PROFILES: Final = tuple(profile.value for profile in hc.Profile)
DEFAULT_PROFILE: Final = hc.Profile.STANDARD.value

COPIED_VERSION: Final = "2.8"
"""Of the files in ``demo/``: they load on all later versions too, and on 2.6."""

REFUSED_PATH: Final = "/forbidden"
"""HAProxy answers it by itself."""

# The first HAProxy on its usual ports: what holds where the environment says nothing else.
DEFAULTS: Final = {
    "SERVICE_NAME": "haproxy-1",
    "TRACED_PORT": "7001",
    "PLAIN_PORT": "8001",
    "STATS_PORT": "7004",
    "TRACED_NEXT": "127.0.0.1:7002",
    "PLAIN_NEXT": "127.0.0.1:8002",
    "AGENT": "127.0.0.1:7000",
    "RECORDS": "127.0.0.1:7514",
}

# What the generator writes, and what stands in its place. Quotes: HAProxy looks for variables inside of them only.
_IN_PROXY: Final = (
    (f"server agent1 {DEFAULTS['AGENT']}", 'server agent1 "${AGENT}"'),
    (f"log {DEFAULTS['RECORDS']} len", 'log "${RECORDS}" len'),
    (f'"svc":"{DEFAULTS["SERVICE_NAME"]}"', '"svc":"%[env(SERVICE_NAME)]"'),
)
_IN_SPOE: Final = ((f'str("{DEFAULTS["SERVICE_NAME"]}")', "env(SERVICE_NAME)"),)

# An event that is given up is a span that is missing: eight events on a busy machine need more patience than one.
_PATIENCE: Final = (
    ("timeout processing 20ms", "timeout processing 500ms  # 20ms where requests must not wait"),
    ("timeout hello 100ms", "timeout hello 500ms"),
)


def options_of(profile: str, version: str) -> hc.Options:
    """Return the generator's options; raises ``hc.OptionError`` for a version that it cannot write for."""
    return hc.Options(
        profile=hc.Profile(profile),
        version=hc.parse_version(version),
        agents=(hc.parse_agent(DEFAULTS["AGENT"]),),
        records=hc.parse_records(f"udp:{DEFAULTS['RECORDS']}"),
        cache=False,
        own_log=False,
        spoe_path=hc.SPOE,
        service=DEFAULTS["SERVICE_NAME"],
    )


def demo_files(options: hc.Options) -> dict[str, str]:
    """Return name and text of each file of :func:`options_of`."""
    files = {hc.PROXY: _replaced(_proxy(options), _IN_PROXY)}
    if options.uses_spoe:
        detailed = options.profile is hc.Profile.DETAILED
        files[hc.SPOE] = _replaced(_spoe(options), _IN_SPOE + (_PATIENCE if detailed else ()))
    return files


def _replaced(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for written, wanted in pairs:
        text = text.replace(written, wanted)
    return text


def _head(options: hc.Options, what: str) -> str:
    name = options.profile.value
    return comment(
        f"{what}\n\nMade for HAProxy {options.version.text}. For a HAProxy of your own, `haproxy-telemetry config"
        f" {name}` writes the same lines for its version, without what is for the demo alone."
    )


def _proxy(options: hc.Options) -> str:
    what = (
        f"One HAProxy of the demo, profile {options.profile.value}. The demo runs this file twice, as haproxy-1 and"
        " haproxy-2; all that differs is in the variables below.\n\n"
        "  client -> haproxy-1 :7001 -> haproxy-2 :7002 -> fake server :8080      traced\n"
        "  client -> haproxy-1 :8001 -> haproxy-2 :8002 -> fake server :8080      not traced"
    )
    sections = (_global(options), _defaults(), _traced(options), *_others(), *closing_sections(options))
    return "\n".join([_head(options, what) + "\n", *(render(section) for section in sections)])


def _spoe(options: hc.Options) -> str:
    what = f"What HAProxy tells the tracing agent: profile {options.profile.value}. Both HAProxies of the demo use it."
    return "\n".join([_head(options, what) + "\n", ENGINE + "\n", *(render(one) for one in spoe_sections(options))])


def _global(options: hc.Options) -> Section:
    path = Rule(f"{hc.SPOE} is looked for beside this file.", ("default-path config",))
    names = [name for name in DEFAULTS if options.uses_spoe or name != "AGENT"]
    return Section("global", "", (
        *((path,) if options.uses_spoe else ()),
        Rule(
            "What the demo sets in the environment; these hold where it does not: haproxy-1 on its usual ports.",
            tuple(f"presetenv {name:<12} {DEFAULTS[name]}" for name in names),
        ),
        Rule(
            "For the demo alone: small, and never two programs on one port.",
            ("maxconn 256", "nbthread 2", "noreuseport"),
        ),
        Rule("HAProxy's own messages, such as an agent that went away.", ("log stderr format raw daemon notice",)),
    ))  # fmt: skip


def _defaults() -> Section:
    timeouts = ("timeout connect 5s", "timeout client 50s", "timeout server 50s", "timeout http-request 10s")
    return Section("defaults", "", (Rule("", ("mode http", "log global", "option dontlognull", *timeouts)),))


def _traced(options: hc.Options) -> Section:
    return Section("frontend traced", "", (
        Rule("", ('bind "127.0.0.1:${TRACED_PORT}"',)),
        *frontend_rules(options),
        Rule(
            "For people: which trace an answer belongs to. Leave it out where clients are not to know.",
            ("http-after-response set-header x-trace-id %[var(txn.otel_trace)] if { var(txn.otel_trace) -m found }",),
        ),
        Rule(
            "For the demo alone: an answer of HAProxy's own. No server is asked, and its trace is whole all the same.",
            (f"http-request deny deny_status 403 if {{ path {REFUSED_PATH} }}",),
        ),
        Rule("", ("default_backend traced-next",)),
    ))  # fmt: skip


def _others() -> tuple[Section, ...]:
    return (
        Section("backend traced-next", "", (Rule("", ('server next "${TRACED_NEXT}"',)),)),
        Section(
            "frontend plain",
            "The same way without tracing, to compare.",
            (Rule("", ('bind "127.0.0.1:${PLAIN_PORT}"', "default_backend plain-next")),),
        ),
        Section("backend plain-next", "", (Rule("", ('server next "${PLAIN_NEXT}"',)),)),
        Section(
            "listen stats",
            "",
            (
                Rule(
                    "", ('bind "127.0.0.1:${STATS_PORT}"', "no log", "stats enable", "stats uri /", "stats refresh 5s")
                ),
            ),
        ),
    )
