"""Which HAProxies are connected: one line in the log when an engine comes, one when it has left."""

from __future__ import annotations

import logging
from typing import Final, NamedTuple, final

from haproxy_telemetry.logs import fields
from haproxy_telemetry.stats import Stats

_LOG: Final = logging.getLogger("haproxy_telemetry.engines")

MAX_ENGINES: Final = 1024
"""Engines listed at once. A HAProxy has one a filter, up to 3.0 one a thread and filter; the names are the peer's."""

ENGINE_GRACE_NS: Final = 60_000_000_000
"""An engine has left when it had no connection for so long: HAProxy closes and opens them as load changes."""


class About(NamedTuple):
    """What a HELLO says."""

    versions: tuple[bytes, ...]
    capabilities: tuple[bytes, ...]
    max_frame_size: int


FIELDS: Final = ("about", "accepted", "connections", "errors", "first_ns", "frames", "gone_since", "last_ns", "peer")


@final
class Engine:
    """A HAProxy's filter: how many connections it has, and since when it has none (0: not noticed yet).

    ``about`` and ``peer`` are the last HELLO's, ``accepted`` all connections that there were, ``frames`` the NOTIFYs
    that were answered, ``last_ns`` when it was heard of, ``errors`` the faults of both sides by status.
    """

    __slots__ = FIELDS

    def __init__(self, peer: str, about: About, now: int) -> None:
        self.peer = peer
        self.about = about
        self.connections = 0
        self.accepted = 0
        self.gone_since = 0
        self.first_ns = now
        self.last_ns = now
        self.frames = 0
        self.errors: dict[str, int] = {}

    def failed(self, status: str) -> None:
        """Count a fault; statuses are SPOE.txt's, in lower case, so there are few."""
        self.errors[status] = self.errors.get(status, 0) + 1


@final
class Engines:
    """The engines that are connected, or were a moment ago, by engine-id."""

    def __init__(self, stats: Stats) -> None:
        self.known: dict[bytes, Engine] = {}
        self._stats = stats

    def came(self, name: bytes, peer: str, about: About, now: int) -> Engine | None:
        """Count a connection of an engine in; ``None`` past the number that are listed."""
        engine = self.known.get(name)
        if engine is None:
            if len(self.known) >= MAX_ENGINES:
                self._stats.count("engines_unlisted")
                return None
            engine = self.known[name] = Engine(peer, about, now)
            size, capabilities = about.max_frame_size, b",".join(about.capabilities)
            said = fields(engine=name, peer=peer, max_frame_size=size, capabilities=capabilities)
            _LOG.info("HAProxy came", extra=said)
        engine.peer = peer
        engine.about = about
        engine.connections += 1
        engine.accepted += 1
        engine.gone_since = 0
        engine.last_ns = now
        return engine

    def let_go(self, now: int) -> None:
        """Forget those that have been without a connection for the grace; to be called now and then."""
        for name, engine in list(self.known.items()):
            if engine.connections:
                continue
            engine.gone_since = engine.gone_since or now
            if now - engine.gone_since >= ENGINE_GRACE_NS:
                _LOG.info("HAProxy left", extra=fields(engine=name, peer=self.known.pop(name).peer))
