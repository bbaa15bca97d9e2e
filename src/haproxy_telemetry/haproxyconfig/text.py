"""How a configuration is written down: sections of rules, each rule below the reason for it."""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import Final, NamedTuple

from haproxy_telemetry.settings.address import ListenAddress, UnixAddress

WIDTH: Final = 110
INDENT: Final = "    "

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./\[\]*-]+")


class Rule(NamedTuple):
    """Lines that belong together, and why they are there. ``why`` may be ``""`` where a line speaks for itself."""

    why: str
    lines: tuple[str, ...]


class Section(NamedTuple):
    """A section of a configuration file: its first line (``""``: lines for a section that is there), its rules."""

    opening: str
    why: str
    rules: tuple[Rule, ...]


def render(section: Section) -> str:
    """Write one section, with an empty line between rules that have a reason."""
    parts = [comment(section.why)] if section.why else []
    if section.opening:
        parts.append(section.opening)
    for number, rule in enumerate(section.rules):
        if number and rule.why:
            parts.append("")
        parts.append(_render_rule(rule))
    return "\n".join(parts) + "\n"


def _render_rule(rule: Rule) -> str:
    why = [comment(rule.why, INDENT)] if rule.why else []
    return "\n".join([*why, *(INDENT + line for line in rule.lines)])


def comment(text: str, indent: str = "") -> str:
    """Write text as a comment; its line breaks stay, and longer lines are wrapped."""
    begin = indent + "# "
    wrap = textwrap.TextWrapper(WIDTH, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False)
    lines = [wrap.wrap(line) for line in text.split("\n")]
    return "\n".join("\n".join(wrapped) if wrapped else begin.rstrip() for wrapped in lines)


def word(text: str) -> str:
    """Return the text as one word of a HAProxy configuration, whose quotes are those of a shell."""
    return text if _PLAIN.fullmatch(text) else shlex.quote(text)


def target(address: ListenAddress) -> str:
    """Return an address as `server` and `log` have it."""
    return word(f"unix@{address.path}" if isinstance(address, UnixAddress) else str(address))
