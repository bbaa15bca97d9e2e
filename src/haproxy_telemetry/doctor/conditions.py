"""The conditional blocks of a configuration, `.if` to `.endif` (manual, 2.4): which lines count.

What only the binary knows (features, its OpenSSL) counts as true: the first branch is the one people write for
what they have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from haproxy_telemetry.doctor.version import Version, parse_version

_TOKEN = re.compile(r"\s*(&&|\|\||!|\(|\)|[A-Za-z_]\w*\([^()]*\)|[^\s()!&|]+)")


class Blocks:
    """Fed with the directives in their order; says which lines are active."""

    def __init__(self, environ: Mapping[str, str], version: Version | None) -> None:
        self._environ = environ
        self._version = version
        self._levels: list[tuple[bool, bool]] = []  # (this branch is active, one was already)

    @property
    def active(self) -> bool:
        """Whether lines count here."""
        return all(active for active, _ in self._levels)

    def directive(self, words: list[str]) -> bool:
        """Take a line; ``True`` if it was a directive of conditional blocks and is done with."""
        keyword, rest = words[0], " ".join(words[1:])
        if keyword == ".if":
            holds = self._holds(rest)
            self._levels.append((holds, holds))
        elif keyword in (".elif", ".else") and self._levels:
            done = self._levels[-1][1]
            holds = not done and (keyword == ".else" or self._holds(rest))
            self._levels[-1] = (holds, done or holds)
        elif keyword == ".endif" and self._levels:
            self._levels.pop()
        return keyword.startswith(".")

    def _holds(self, text: str) -> bool:
        return _Expression(text, self._predicate).value() if text.strip() else False

    def _predicate(self, text: str) -> bool:
        if text.isdigit():
            return text != "0"
        name, _, inside = text.partition("(")
        arguments = [argument.strip('"') for argument in inside.rstrip(")").split(",")]
        first, second = arguments[0], arguments[1] if len(arguments) > 1 else ""
        known = {
            "defined": lambda: first in self._environ,
            "streq": lambda: first == second,
            "strneq": lambda: first != second,
            "strstr": lambda: second in first,
            "version_atleast": lambda: self._at_least(first),
            "version_before": lambda: not self._at_least(first),
        }.get(name)
        return known() if known else True

    def _at_least(self, text: str) -> bool:
        asked = parse_version(text)
        if asked is None or self._version is None:
            return True
        have, want = self._version, asked
        return (have.major, have.minor, have.patch or 0) >= (want.major, want.minor, want.patch or 0)


class _Expression:
    """`!`, `&&` before `||`, and parentheses; the predicates are the caller's."""

    def __init__(self, text: str, predicate: Callable[[str], bool]) -> None:
        self._tokens: list[str] = _TOKEN.findall(text)
        self._predicate = predicate

    def value(self) -> bool:
        result = self._all()
        while self._next("||"):
            result = self._all() or result
        return result

    def _all(self) -> bool:
        result = self._one()
        while self._next("&&"):
            result = self._one() and result
        return result

    def _one(self) -> bool:
        if not self._tokens:
            return True
        if self._next("!"):
            return not self._one()
        if self._next("("):
            result = self.value()
            self._next(")")
            return result
        return self._predicate(self._tokens.pop(0))

    def _next(self, token: str) -> bool:
        if not self._tokens or self._tokens[0] != token:
            return False
        self._tokens.pop(0)
        return True
