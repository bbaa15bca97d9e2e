"""SPOE files (SPOE.txt 2): the agent section of an engine and its messages, as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from haproxy_telemetry.doctor.configuration import Directive, Place, Section
from haproxy_telemetry.doctor.proxies import parse_time

OUR_PREFIXES = ("opentracing:", "otel:")

FRONTEND_EVENTS = frozenset({"on-client-session", "on-frontend-tcp-request", "on-frontend-http-request"})
BACKEND_EVENTS = frozenset({"on-backend-tcp-request", "on-backend-http-request"})
RESPONSE_EVENTS = frozenset({"on-server-session", "on-tcp-response", "on-http-response"})
CONNECTION_EVENTS = frozenset({"on-server-session", "on-tcp-response"})


@dataclass(frozen=True, slots=True)
class Argument:
    """``id=unique-id``; ``name`` is empty for a sample without one."""

    name: str
    sample: str


@dataclass(frozen=True, slots=True)
class Message:
    """A `spoe-message` section; ``event`` is empty where it has none."""

    name: str
    arguments: tuple[Argument, ...]
    event: str
    event_place: Place
    place: Place
    lines: tuple[Directive, ...]

    @property
    def is_ours(self) -> bool:
        """Whether the agent reads it."""
        return self.name.startswith(OUR_PREFIXES)


@dataclass(frozen=True, slots=True)
class Agent:
    """A `spoe-agent` section."""

    name: str
    place: Place
    lines: tuple[Directive, ...]

    def __str__(self) -> str:
        return f"spoe-agent {self.name}"

    def last(self, *words: str) -> Directive | None:
        """Return the line that counts of those that begin so."""
        return next((line for line in reversed(self.lines) if line.begins(*words)), None)

    def option(self, name: str) -> str:
        """Return the value of an option, empty if it is not set."""
        line = self.last("option", name)
        return line.word(2) if line else ""

    def timeout(self, name: str) -> tuple[float, Directive] | None:
        """Return a time-out in milliseconds with its line; ``None`` if it is missing, no time, or zero."""
        line = self.last("timeout", name)
        value = parse_time(line.word(2)) if line else None
        return (value, line) if line and value else None

    @property
    def prefix(self) -> str:
        """Of its variables; the section's name is HAProxy's default."""
        return self.option("var-prefix") or self.name

    @property
    def backend(self) -> str:
        """The name of the backend where the agent is."""
        line = self.last("use-backend")
        return line.word(1) if line else ""

    def listed(self, keyword: str) -> frozenset[str]:
        """Return the names of its `messages` or `groups` lines."""
        return frozenset(name for line in self.lines if line.begins(keyword) for name in line.words[1:])


@dataclass(frozen=True, slots=True)
class Engine:
    """What one `filter spoe` line takes from its file. ``in_groups``: sent by rules, not by events."""

    agent: Agent
    messages: tuple[Message, ...]
    in_groups: frozenset[str]

    @property
    def sent(self) -> tuple[Message, ...]:
        """The messages that an event sends."""
        listed = self.agent.listed("messages")
        return tuple(message for message in self.messages if message.name in listed)

    @property
    def unused(self) -> tuple[Message, ...]:
        """The messages that nothing sends."""
        named = self.agent.listed("messages") | self.in_groups
        return tuple(message for message in self.messages if message.name not in named)

    @property
    def is_ours(self) -> bool:
        """Whether it tells our agent anything."""
        return any(message.is_ours for message in self.messages)


def make_engine(sections: Iterable[Section], scope: str) -> Engine | None:
    """Return the engine of ``scope`` (empty: sections before any scope); ``None`` if it has no agent."""
    mine = [section for section in sections if section.scope == scope]
    agents = [Agent(section.name, section.place, section.lines) for section in mine if section.kind == "spoe-agent"]
    if not agents:
        return None
    messages = tuple(_message(section) for section in mine if section.kind == "spoe-message")
    return Engine(agents[0], messages, frozenset(_in_groups(mine, agents[0])))


def _in_groups(sections: Iterable[Section], agent: Agent) -> Iterator[str]:
    groups = agent.listed("groups")
    for section in sections:
        if section.kind == "spoe-group" and section.name in groups:
            for line in section.lines:
                yield from line.words[1:] if line.begins("messages") else ()


def _message(section: Section) -> Message:
    words = [word for line in section.lines if line.begins("args") for word in line.words[1:]]
    event = next((line for line in reversed(section.lines) if line.begins("event")), None)
    return Message(
        section.name,
        tuple(_argument(word) for word in words),
        event.word(1) if event else "",
        event.place if event else section.place,
        section.place,
        section.lines,
    )


def _argument(word: str) -> Argument:
    """HAProxy takes a name only before the first ``=`` that no parenthesis precedes."""
    name, equals, sample = word.partition("=")
    return Argument(name, sample) if equals and "(" not in name else Argument("", word)
