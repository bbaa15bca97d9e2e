"""How many records came, out of the line of totals that the agent logs when it is asked (SIGUSR1). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_TOTALS = "msg=totals"
_TAKEN, _DROPPED = "records", "records_dropped."


@dataclass(frozen=True, slots=True)
class RecordCounters:
    """``dropped`` is by reason (docs/records.md)."""

    taken: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


def read_totals(lines: Iterable[str]) -> RecordCounters | None:
    """Read the last line of totals; ``None`` if there is none. What was never counted isn't in it."""
    totals = [line for line in lines if _TOTALS in line.split()]
    if not totals:
        return None
    counts = {
        name: int(value) for name, _, value in (word.partition("=") for word in totals[-1].split()) if value.isdecimal()
    }
    dropped = {name.removeprefix(_DROPPED): count for name, count in counts.items() if name.startswith(_DROPPED)}
    return RecordCounters(counts.get(_TAKEN, 0), dropped)
