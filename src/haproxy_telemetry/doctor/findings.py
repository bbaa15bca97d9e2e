"""What a finding is, and what a check is: a function of the set-up, with what people read about it as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from haproxy_telemetry.doctor.configuration import Place
from haproxy_telemetry.doctor.setup import Setup


class Severity(Enum):
    """An error loses or breaks traces or traffic; a warning costs or risks something."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of finding. ``about`` and ``why`` are for the page of all findings."""

    id: str
    severity: Severity
    about: str
    why: str


class Seen(NamedTuple):
    """What a check saw: where, in words, and what to do about it."""

    place: Place | None
    words: str
    fix: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    words: str
    fix: str
    place: Place | None = None


Look = Callable[[Setup], Iterator[Seen]]


@dataclass(frozen=True, slots=True)
class Check:
    """A kind of finding and the function that finds it."""

    kind: Kind
    look: Look

    def findings(self, setup: Setup) -> Iterator[Finding]:
        """Yield what it finds, each once: two filters may share an engine."""
        for seen in dict.fromkeys(self.look(setup)):
            yield Finding(self.kind, seen.words, seen.fix, seen.place)


def error(name: str, about: str, why: str) -> Callable[[Look], Check]:
    """Make a check of a function, for what loses or breaks something."""
    return lambda look: Check(Kind(name, Severity.ERROR, about, why), look)


def warning(name: str, about: str, why: str) -> Callable[[Look], Check]:
    """Make a check of a function, for what costs or risks something."""
    return lambda look: Check(Kind(name, Severity.WARNING, about, why), look)
