"""All counters in one line of the log: at the end, and when somebody asks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from haproxy_telemetry import framecounts
from haproxy_telemetry.logs import fields

_LOG: Final = logging.getLogger("haproxy_telemetry.service")


def totals(counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return every counter that is not 0, as ``what`` or ``what.reason``, in the order of their names."""
    complete = framecounts.complete(counts)
    return {f"{what}.{reason}" if reason else what: n for (what, reason), n in sorted(complete.items())}


def say_totals(counts: Mapping[tuple[str, str], int]) -> None:
    """Say them while the agent runs."""
    _LOG.info("totals", extra=fields(**totals(counts)))


def say_stopped(counts: Mapping[tuple[str, str], int], exported: int, lost: int) -> None:
    """One line at the end: what was done, what was lost, why."""
    _LOG.log(
        logging.WARNING if lost else logging.INFO,
        "stopped",
        extra=fields(exported=exported, lost=lost, **totals(counts)),
    )
