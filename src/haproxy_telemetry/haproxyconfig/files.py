"""The files of a configuration: what each is called, how it begins, and what is in it."""

from __future__ import annotations

from typing import Final, NamedTuple

from haproxy_telemetry.haproxyconfig.agents import closing_sections
from haproxy_telemetry.haproxyconfig.frontend import frontend_rules
from haproxy_telemetry.haproxyconfig.options import SPOE, Example, Options
from haproxy_telemetry.haproxyconfig.spoe import ENGINE, spoe_sections
from haproxy_telemetry.haproxyconfig.text import Rule, Section, comment, render, target

PROXY: Final = "haproxy.cfg"
LINES: Final = "haproxy-lines.txt"
"""No ``.cfg``: HAProxy reads all of those when it is given a folder, and these lines are for another file."""


class File(NamedTuple):
    """A file to write. ``name`` has no folder."""

    name: str
    text: str


def generate(options: Options, command: str) -> tuple[File, ...]:
    """Return the files; ``command`` is how they were asked for, and stands in their first line."""
    proxy = _lines(options, command) if options.example is None else _example(options, options.example, command)
    if not options.uses_spoe:
        return (proxy,)
    return proxy, File(SPOE, _spoe(options, command))


def _head(options: Options, command: str, what: str, check: str) -> str:
    return "\n".join(
        [
            comment(f"{what}\n"),
            f"# Made by: {command}",  # one line, to be copied
            comment(
                f"For HAProxy {options.version.text}; another series may need other lines: make it again after an"
                f" upgrade.\nCheck it: {check}"
            ),
        ]
    )


def _spoe(options: Options, command: str) -> str:
    what = f"What HAProxy tells the tracing agent: profile {options.profile.value}."
    head = _head(options, command, what, "haproxy -dW -c -f haproxy.cfg (which names this file)")
    return "\n".join([head + "\n", ENGINE + "\n", *(render(section) for section in spoe_sections(options))])


def _lines(options: Options, command: str) -> File:
    what = f"Lines for haproxy.cfg: tracing, profile {options.profile.value}. Two places."
    parts = [
        _head(options, command, what, "haproxy -dW -c -f haproxy.cfg") + "\n",
        _rule("1. " + _WHERE_FRONTEND[options.http]) + "\n",
        render(Section("", "", frontend_rules(options))),
    ]
    if closing := closing_sections(options):
        parts += [_rule("2. At the end of haproxy.cfg.") + "\n", *(render(section) for section in closing)]
    else:
        parts[0] = parts[0].replace(" Two places.", "")
    return File(LINES, "\n".join(parts))


_WHERE_FRONTEND = {
    True: "In each `frontend` (or `listen`) that is traced: below its `bind` lines and its `tcp-request connection`"
    " and `session` rules, above its `tcp-request content`, `http-request`, `redirect` and `use_backend` rules."
    " Without `option dontlognull`, connections without a request make records too.",
    False: "In each `frontend` (or `listen`) in `mode tcp` that is traced, below its `bind` lines.",
}


def _rule(text: str) -> str:
    line = "# " + "-" * 100
    return f"{line}\n{comment(text)}\n{line}"


def _example(options: Options, example: Example, command: str) -> File:
    what = f"A complete HAProxy with tracing: profile {options.profile.value}."
    parts = [
        _head(options, command, what, f"haproxy -dW -c -f {PROXY}; run it: haproxy -db -f {PROXY}") + "\n",
        *(render(section) for section in _example_sections(options, example)),
        *(render(section) for section in closing_sections(options)),
    ]
    return File(PROXY, "\n".join(parts))


def _example_sections(options: Options, example: Example) -> tuple[Section, ...]:
    path = Rule(f"{SPOE} is looked for beside this file.", ("default-path config",))
    log = Rule("HAProxy's own messages, such as an agent that went away.", ("log stderr format raw daemon notice",))
    return (
        Section("global", "", ((path, log) if options.uses_spoe else (log,))),
        Section("defaults", "", (Rule("", _defaults(options)),)),
        Section("frontend traced", "", (Rule("", (f"bind {example.bind}",)), *frontend_rules(options), _to_origin())),
        Section("backend origin", "", (Rule("", (f"server origin1 {target(example.origin)}",)),)),
    )


def _defaults(options: Options) -> tuple[str, ...]:
    timeouts = ("timeout connect 5s", "timeout client 50s", "timeout server 50s")
    http = ("timeout http-request 10s",) if options.http else ()
    return (f"mode {options.mode.value}", "log global", "option dontlognull", *timeouts, *http)


def _to_origin() -> Rule:
    return Rule("The server behind it.", ("default_backend origin",))
