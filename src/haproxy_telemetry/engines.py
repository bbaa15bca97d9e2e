"""Which HAProxies are connected: one line in the log when an engine comes, one when it has left."""

from __future__ import annotations

import logging
from typing import Final, final

from haproxy_telemetry.logs import fields
from haproxy_telemetry.stats import Stats

_LOG: Final = logging.getLogger("haproxy_telemetry.engines")

MAX_ENGINES: Final = 1024
"""Engines listed at once. A HAProxy has one a filter, up to 3.0 one a thread and filter; the names are the peer's."""

ENGINE_GRACE_NS: Final = 60_000_000_000
"""An engine has left when it had no connection for so long: HAProxy closes and opens them as load changes."""


@final
class Engine:
    """A HAProxy's filter: how many connections it has, and since when it has none (0: not noticed yet)."""

    __slots__ = ("connections", "gone_since", "peer")

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.connections = 0
        self.gone_since = 0


@final
class Engines:
    """The engines that are connected, or were a moment ago, by engine-id."""

    def __init__(self, stats: Stats) -> None:
        self.known: dict[bytes, Engine] = {}
        self._stats = stats

    def came(self, name: bytes, peer: str, **about: object) -> Engine | None:
        """Count a connection of an engine in; ``None`` past the number that are listed."""
        engine = self.known.get(name)
        if engine is None:
            if len(self.known) >= MAX_ENGINES:
                self._stats.count("engines_unlisted")
                return None
            engine = self.known[name] = Engine(peer)
            _LOG.info("HAProxy came", extra=fields(engine=name, peer=peer, **about))
        engine.connections += 1
        engine.gone_since = 0
        return engine

    def let_go(self, now: int) -> None:
        """Forget those that have been without a connection for the grace; to be called now and then."""
        for name, engine in list(self.known.items()):
            if engine.connections:
                continue
            engine.gone_since = engine.gone_since or now
            if now - engine.gone_since >= ENGINE_GRACE_NS:
                _LOG.info("HAProxy left", extra=fields(engine=name, peer=self.known.pop(name).peer))
