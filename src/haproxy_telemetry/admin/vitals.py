"""When the agent lives, and when it is ready. Pure: the time comes in."""

from __future__ import annotations

from typing import Final, final

from haproxy_telemetry.otlp.ledger import ExportState

TICK_AGE_S: Final = 10.0
"""The event loop ticks at least once a second; one that has not for so long hangs."""

FAILING_S: Final = 20.0
"""An export that has only failed for so long is no hiccup: a collector restarts faster."""

FAILURE_AGE_S: Final = 120.0
"""A failure older than that tells nothing any more: there may have been nothing to send since."""


@final
class Heartbeat:
    """When the event loop ticked last; it writes, the pages read."""

    __slots__ = ("last",)

    def __init__(self, now: float) -> None:
        self.last = now


def why_dead(last_tick: float, now: float) -> str:
    """Return why the agent is to be restarted, ``""`` if it lives."""
    age = now - last_tick
    return f"the event loop has not ticked for {age:.0f} s" if age > TICK_AGE_S else ""


def why_not_ready(listening: bool, export: ExportState, now: float) -> str:
    """Return why the agent is not ready, ``""`` if it is."""
    if not listening:
        return "the agent does not listen"
    since, last = export.failing_since, export.last_failure
    if since is not None and last is not None and now - since >= FAILING_S and now - last <= FAILURE_AGE_S:
        return f"the export has only failed for {now - since:.0f} s"
    return ""
