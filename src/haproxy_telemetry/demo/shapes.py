"""What one HAProxy gives for one request, by profile: which spans, and how they hang together. Pure.

The judge's own list, written down from the pages (docs/records.md, docs/profiles.md) and not taken from the agent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from haproxy_telemetry import haproxyconfig as hc
from haproxy_telemetry.haproxyconfig import events
from haproxy_telemetry.terminal.records import SpanRecord

SERVER, CLIENT = "SERVER", "CLIENT"

RECEIVE = "receive request"
UPSTREAM_PHASES = ("connect", "wait for response", "transfer")
QUEUE = "queue"

# Each span of the profile `detailed`, its parent of the same HAProxy, and the event that must be used for it.
_DETAILED = (
    ("HAProxy session", None, events.CLIENT_SESSION),
    ("Client session", "HAProxy session", events.CLIENT_SESSION),
    ("Frontend TCP request", "Client session", events.FRONTEND_TCP),
    ("Frontend HTTP request", "Frontend TCP request", events.FRONTEND_HTTP),
    ("Backend TCP request", "Frontend HTTP request", events.BACKEND_TCP),
    ("Backend HTTP request", "Backend TCP request", events.BACKEND_HTTP),
    ("Server session", "HAProxy session", events.BACKEND_HTTP),
    ("TCP response", "Server session", events.TCP_RESPONSE),
    ("HTTP response", "TCP response", events.HTTP_RESPONSE),
)
_BEFORE_RULES = (events.CLIENT_SESSION, events.FRONTEND_TCP, events.FRONTEND_HTTP)


@dataclass(frozen=True, slots=True)
class Shape:
    """Names and their parents, ``None`` for the first span. ``answered``: where HAProxy itself gave the answer."""

    root: str
    upstream: str  # the span that waits for the next service
    passed_on: dict[str, str | None]
    answered: dict[str, str | None]
    name: Callable[[SpanRecord], str]

    @property
    def maybe(self) -> dict[str, str]:
        """What there is only if it took time."""
        return {QUEUE: self.upstream}


def shape_of(options: hc.Options) -> Shape:
    """Return the shape of what a configuration with these options gives."""
    if options.profile is not hc.Profile.DETAILED:
        return _shape(SERVER, CLIENT, {SERVER: None, CLIENT: SERVER}, {SERVER: None}, name_by_kind)
    used = {name: (parent, event) for name, parent, event in _DETAILED if events.is_used(options, event)}
    spans = {name: _nearest(parent, used) for name, (parent, _) in used.items()}
    answered = {name: parent for name, parent in spans.items() if used[name][1] in _BEFORE_RULES}
    return _shape("HAProxy session", "Server session", spans, answered, name_as_told)


def name_by_kind(span: SpanRecord) -> str:
    """Call a stream's two spans by their kinds: their names are the method's, and the same."""
    return {"server": SERVER, "client": CLIENT}.get(span.kind, span.name)


def name_as_told(span: SpanRecord) -> str:
    """Call a span by its name."""
    return span.name


def _nearest(parent: str | None, used: dict[str, tuple[str | None, str]]) -> str | None:
    """Return the parent; where its event is left out, that one's parent."""
    while parent is not None and parent not in used:
        parent = next(above for name, above, _ in _DETAILED if name == parent)
    return parent


def _shape(
    root: str,
    upstream: str,
    passed_on: dict[str, str | None],
    answered: dict[str, str | None],
    name: Callable[[SpanRecord], str],
) -> Shape:
    """Add HAProxy's phases: they come of the record in every profile."""
    received: dict[str, str | None] = {RECEIVE: root}
    phases = received | dict.fromkeys(UPSTREAM_PHASES, upstream)
    return Shape(root, upstream, passed_on | phases, answered | received, name)
