"""What a file becomes: variables of OpenTelemetry and settings of the agent, each with its place in the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from haproxy_telemetry.otelfile.table import Table


class Own(NamedTuple):
    """A value for one of the agent's settings, and its place."""

    value: object
    where: str


@dataclass(frozen=True, slots=True)
class Variables:
    """Filled while the file is read. ``places`` are those of the variables; ``said`` is what is worth a warning."""

    environ: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Own] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def put(self, name: str, value: object, where: str) -> None:
        """Set a variable; numbers and booleans as the variables write them."""
        self.environ[name] = str(value).lower() if isinstance(value, bool) else str(value)
        self.places[name] = where

    def take(self, name: str, table: Table, key: str, default: Any = "") -> None:
        """Set a variable to what stands under a key."""
        self.put(name, table.take(key, default), table.at(key))

    def setting(self, name: str, value: object, where: str) -> None:
        """Give one of the agent's own settings (``trace.max_links``); its own file, variables and flags win over it."""
        self.settings[name] = Own(value, where)
