"""Rules: what a stream must be for one to hold, and what it asks for then. The first that holds counts.

Some facts come late: the backend is in the record only, the path behind the first event. A rule that needs one is
neither true nor false until then, and while such a rule stands before the others none of them is decided.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple, TypeAlias, final

from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.sampling.rate import RateLimit
from haproxy_telemetry.sampling.thresholds import ALWAYS

Network: TypeAlias = IPv4Network | IPv6Network


class Action(Enum):
    """``SAMPLE``: the sampler decides; the rule is there for its ``slow_ns``."""

    SAMPLE = "sample"
    KEEP = "keep"
    DROP = "drop"
    RATIO = "ratio"
    RATE = "rate"


@mypyc_attr(acyclic=True)
@final
class Facts:
    """What is known of a stream so far; ``None`` is what nobody has told yet. ``tags`` grow until the end."""

    __slots__ = ("backend", "client", "frontend", "method", "path", "tags")

    def __init__(self) -> None:
        self.frontend: bytes | None = None
        self.backend: bytes | None = None
        self.method: bytes | None = None
        self.path: bytes | None = None
        self.client: bytes | None = None
        self.tags: dict[bytes, bytes] = {}


@final
class Rule:
    """One rule. Empty conditions always hold, several values of one are alternatives, conditions all must hold.

    Names and methods are shell patterns (``*``, ``?``, ``[...]``); a path without these is the beginning of one, by
    whole segments. ``slow_ns`` is the rule's own threshold of the slow, 0 for the common one.
    """

    __slots__ = (
        "_backend",
        "_frontend",
        "_method",
        "_networks",
        "_path",
        "_tags",
        "action",
        "limit",
        "slow_ns",
        "threshold",
    )

    def __init__(
        self,
        action: Action,
        *,
        frontend: Sequence[str] = (),
        backend: Sequence[str] = (),
        path: Sequence[str] = (),
        method: Sequence[str] = (),
        tag: Sequence[str] = (),
        network: Sequence[Network] = (),
        threshold: int = ALWAYS,
        per_second: float = 0.0,
        slow_ns: int = 0,
    ) -> None:
        self.action = action
        self.threshold = threshold
        self.slow_ns = slow_ns
        self.limit = RateLimit(per_second) if action is Action.RATE else None
        self._frontend = _pattern([_shell(one) for one in frontend])
        self._backend = _pattern([_shell(one) for one in backend])
        self._path = _pattern([_path(one) for one in path])
        self._method = _pattern([_shell(one) for one in method])
        self._tags = tuple([_tag(one) for one in tag])
        self._networks = tuple(network)

    @property
    def tag_names(self) -> tuple[bytes, ...]:
        """The tags that it asks for."""
        return tuple([name for name, _ in self._tags])

    def holds(self, facts: Facts, tags_known: bool) -> bool | None:
        """Say whether the rule holds; ``None`` as long as it depends on what is not known."""
        unknown = False
        for pattern, value in (
            (self._frontend, facts.frontend),
            (self._method, facts.method),
            (self._path, facts.path),
            (self._backend, facts.backend),
        ):
            if pattern is None:
                continue
            if value is None:
                unknown = True
            elif pattern.fullmatch(value) is None:
                return False
        for answer in (self._tagged(facts, tags_known), self._from(facts.client)):
            if answer is False:
                return False
            unknown = unknown or answer is None
        return None if unknown else True

    def _tagged(self, facts: Facts, known: bool) -> bool | None:
        if not self._tags:
            return True
        for name, pattern in self._tags:
            value = facts.tags.get(name)
            if value is not None and pattern.fullmatch(value):
                return True
        return False if known else None

    def _from(self, client: bytes | None) -> bool | None:
        if not self._networks:
            return True
        if client is None:
            return None
        address = _address(client)
        return address is not None and any(address in network for network in self._networks)


class Match(NamedTuple):
    """The first rule that holds. ``pending``: one before it may still."""

    rule: Rule | None
    pending: bool


def first_match(rules: Sequence[Rule], facts: Facts, tags_known: bool) -> Match:
    """Return the first rule that holds, or that it can't be told yet."""
    for rule in rules:
        holds = rule.holds(facts, tags_known)
        if holds is None:
            return Match(None, True)
        if holds:
            return Match(rule, False)
    return Match(None, False)


def _pattern(alternatives: list[str]) -> re.Pattern[bytes] | None:
    return re.compile("|".join(alternatives).encode()) if alternatives else None


def _shell(text: str) -> str:
    return f"(?:{fnmatch.translate(text)})"


def _path(text: str) -> str:
    if any(character in "*?[" for character in text):
        return _shell(text)
    return rf"(?s:{re.escape(text.rstrip('/'))}(?:/.*)?)"


def _tag(text: str) -> tuple[bytes, re.Pattern[bytes]]:
    name, has_value, value = text.partition("=")
    return name.encode(), re.compile(_shell(value if has_value else "*").encode())


def _address(text: bytes) -> IPv4Address | IPv6Address | None:
    """Return the client's address; an IPv4 one that came in over IPv6 is itself."""
    try:
        address = ip_address(text.decode("ascii", "replace"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
