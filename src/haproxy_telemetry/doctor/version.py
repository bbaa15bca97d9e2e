"""Versions of HAProxy, as far as its behaviour differs: "2.6.12-1+deb12u4", "3.5-dev5", "3.4"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(?:-dev(\d+))?\S*")
_BANNER = re.compile(r"^HA-?Proxy version (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Version:
    """``patch`` and ``dev`` are ``None`` where the text has none: 3.5-dev5 has no patch, 3.4.0 no dev."""

    text: str
    major: int
    minor: int
    patch: int | None = None
    dev: int | None = None

    def at_least(self, major: int, minor: int) -> bool:
        """Say whether this is major.minor or later; a development version counts as its release."""
        return (self.major, self.minor) >= (major, minor)

    def is_branch(self, major: int, minor: int) -> bool:
        """Say whether this is a release of major.minor."""
        return (self.major, self.minor) == (major, minor)

    def __str__(self) -> str:
        return self.text


def parse_version(text: str) -> Version | None:
    """Read a version as a person or a package writes it."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    patch, dev = (None if group is None else int(group) for group in found.group(3, 4))
    return Version(text.strip(), int(found[1]), int(found[2]), patch, dev)


def parse_banner(text: str) -> Version | None:
    """Read what ``haproxy -v`` prints."""
    found = _BANNER.search(text)
    return parse_version(found[1]) if found else None
