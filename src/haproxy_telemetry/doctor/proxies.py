"""Frontends, backends and `listen` sections with what they inherit, and what their lines mean.

`defaults` are inherited as the manual says (section 4): the last one before the proxy, or the one it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from haproxy_telemetry.doctor.configuration import PROXIES, Directive, Place, Section
from haproxy_telemetry.settings.address import ListenAddress, ListenError, UnixAddress, parse_listen

_UNIT_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_TIME = re.compile(r"(\d+)(us|ms|s|m|h|d)?")


@dataclass(frozen=True, slots=True)
class Server:
    """One `server` line with its `default-server`; ``count`` is more than one for a `server-template`."""

    name: str
    address: str
    parameters: Mapping[str, str]
    """Each word after the address, and the word that follows it."""
    count: int
    place: Place


@dataclass(frozen=True, slots=True)
class Proxy:
    """``lines`` are all that hold: those of its `defaults` first, then its own."""

    kind: str
    name: str
    place: Place
    lines: tuple[Directive, ...]
    own: tuple[Directive, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def takes_clients(self) -> bool:
        """Whether streams begin here."""
        return self.kind in ("frontend", "listen")

    @property
    def has_servers(self) -> bool:
        """Whether streams end here."""
        return self.kind in ("backend", "listen")

    @property
    def mode(self) -> str:
        """``tcp`` is HAProxy's default."""
        line = self.last("mode")
        return line.word(1) if line else "tcp"

    def last(self, *words: str) -> Directive | None:
        """Return the line that counts of those that begin so."""
        found = None
        for line in self.lines:
            if line.begins(*words):
                found = line
            elif line.begins("no", *words):
                found = None
        return found

    def option(self, name: str) -> bool:
        """Say whether an option is on."""
        return self.last("option", name) is not None

    def rules(self, *words: str) -> Iterator[Directive]:
        """Yield all lines that begin so."""
        return (line for line in self.lines if line.begins(*words))

    @property
    def servers(self) -> tuple[Server, ...]:
        """The servers, in their order."""
        return tuple(_servers(self.lines))


def make_proxies(sections: Iterable[Section]) -> tuple[Proxy, ...]:
    """Return the proxies in their order, each with its defaults."""
    proxies: list[Proxy] = []
    defaults: dict[str, tuple[Directive, ...]] = {}
    current: tuple[Directive, ...] = ()
    for section in sections:
        inherited = defaults.get(section.base, ()) if section.base else current
        if section.kind == "defaults":
            current = (*(inherited if section.base else ()), *section.lines)
            defaults[section.name] = current
        elif section.kind in PROXIES:
            lines = (*inherited, *section.lines)
            proxies.append(Proxy(section.kind, section.name, section.place, lines, section.lines))
    return tuple(proxies)


def parse_time(text: str) -> float | None:
    """Return milliseconds, HAProxy's default unit; ``None`` if it is no time."""
    found = _TIME.fullmatch(text)
    return int(found[1]) * _UNIT_MS[found[2] or "ms"] if found else None


def _servers(lines: Sequence[Directive]) -> Iterator[Server]:
    default: tuple[str, ...] = ()
    for line in lines:
        if line.begins("default-server"):
            default = (*default, *line.words[1:])
        elif line.begins("server") and len(line.words) >= 3:
            yield Server(line.words[1], line.words[2], _parameters((*default, *line.words[3:])), 1, line.place)
        elif line.begins("server-template") and len(line.words) >= 4:
            parameters = _parameters((*default, *line.words[4:]))
            yield Server(line.words[1], line.words[3], parameters, _template_count(line.words[2]), line.place)


def _parameters(words: Sequence[str]) -> dict[str, str]:
    """Values become keys too; none of them is a keyword that is asked for."""
    parameters: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("no-"):
            parameters.pop(word.removeprefix("no-"), None)
        else:
            parameters[word] = following
    return parameters


def _template_count(text: str) -> int:
    low, dash, high = text.partition("-")
    if not low.isdigit() or (dash and not high.isdigit()):
        return 1
    return int(high) - int(low) + 1 if dash else int(low)


# The conditions of rules


@dataclass(frozen=True, slots=True)
class Term:
    """One test: words of an anonymous ACL, or the one name of an ACL."""

    negated: bool
    words: tuple[str, ...]


def alternatives_of(rule: Directive) -> list[list[Term]]:
    """Return the condition of a rule, or-ed lists of and-ed terms; none for a rule without a condition."""
    start = next((i for i, word in enumerate(rule.words) if i > 1 and word in ("if", "unless")), 0)
    if not start:
        return []
    alternatives = list(_alternatives(rule.words[start + 1 :]))
    if rule.words[start] == "if":
        return alternatives
    # Not (a or b) is not-a and not-b; "unless a b" with several terms says nothing for sure about any of them.
    return [[Term(not terms[0].negated, terms[0].words) for terms in alternatives if len(terms) == 1]]


def _alternatives(words: Sequence[str]) -> Iterator[list[Term]]:
    terms: list[Term] = []
    rest = iter(words)
    for word in rest:
        if word in ("or", "||"):
            yield terms
            terms = []
        elif word in ("{", "!{"):
            inside = tuple(iter(lambda: next(rest, "}"), "}"))
            terms.append(Term(word == "!{", inside))
        elif word == "!":
            continue  # "! name" is not written by anyone; HAProxy wants "!name"
        else:
            terms.append(Term(word.startswith("!"), (word.lstrip("!"),)))
    yield terms


def parse_server_address(text: str) -> ListenAddress | None:
    """Read the address of a `server` line; ``None`` for what cannot be asked from here (fd@, abns@, no port)."""
    scheme, _, rest = text.rpartition("@")
    scheme = scheme.split("+")[-1]
    if scheme in ("", "unix") and rest.startswith("/"):
        return UnixAddress(rest)
    if scheme not in ("", "ipv4", "ipv6", "tcp", "tcp4", "tcp6"):
        return None
    host, _, port = rest.rpartition(":")
    try:  # HAProxy also writes IPv6 without brackets: ::1:7000
        return parse_listen(f"[{host}]:{port}" if ":" in host and not host.startswith("[") else rest)
    except ListenError:
        return None
