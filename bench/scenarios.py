"""The frames that the load generator sends: bytes that a real HAProxy sent, one file a scenario.

A file has lines `value TEXT` and `frame HEX` (see native/load.c): the payload of one transaction's NOTIFY frames, with
the places of what differs from request to request. `record.py` makes them. Where a transaction ends by its record, a
line `record HEX` has that; the load generator knows no records, so such a file is for core_loop.py alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "frames"


@dataclass(frozen=True)
class Scenario:
    """One kind of request. ``spans``: how many the agent makes of it."""

    name: str
    what: str
    spans: int

    @property
    def path(self) -> Path:
        """Return the file for the load generator."""
        return FOLDER / f"{self.name}.frames"


SEED = Scenario("seed", "spoa-opentracing's own configuration: 8 frames, 9 spans", 9)
COMPACT = Scenario("compact", "two events: 2 frames, 2 spans of 4 and 9 attributes", 2)
DETAILED = Scenario("detailed", "the profile detailed, all eight events: 9 spans, ended by a record", 9)
SCENARIOS = (SEED, COMPACT, DETAILED)

STANDARD = Scenario("standard", "the profile standard: one frame and a record, 6 spans", 6)
ZERO_WAIT = Scenario("zero-wait", "the profile zero-wait: a record, 6 spans", 6)
RECORDED = (STANDARD, ZERO_WAIT)
"""Those with a record."""


@dataclass(frozen=True)
class Frames:
    """A scenario's file, read: ``values`` are texts, ``payloads`` have ``b"@N"`` cut out and kept as numbers."""

    values: tuple[str, ...]
    payloads: tuple[tuple[bytes | int, ...], ...]
    record: tuple[bytes | int, ...] = ()
    """As one of ``payloads``; empty where there is none."""

    def filled(self, values: tuple[str, ...]) -> list[bytes]:
        """Return the payloads of one transaction, with these values in their places."""
        return [_filled(parts, values) for parts in self.payloads]

    def filled_record(self, values: tuple[str, ...]) -> bytes:
        """Return the record of one transaction, with these values in their places."""
        return _filled(self.record, values)


def _filled(parts: tuple[bytes | int, ...], values: tuple[str, ...]) -> bytes:
    return b"".join(values[part].encode() if isinstance(part, int) else part for part in parts)


def parse_frames(text: str) -> Frames:
    """Read a file of frames; raise :class:`ValueError` for what is no such file."""
    values: list[str] = []
    payloads = []
    record: tuple[bytes | int, ...] = ()
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "value":
            values.append(rest)
        elif kind == "frame":
            payloads.append(_parse_payload(rest))
        elif kind == "record":
            record = _parse_payload(rest)
        else:
            raise ValueError(f"neither value nor frame nor record: {line[:20]!r}")
    return Frames(tuple(values), tuple(payloads), record)


def _parse_payload(text: str) -> tuple[bytes | int, ...]:
    first, *others = text.split("@")
    parts: list[bytes | int] = [bytes.fromhex(first)]
    for other in others:
        parts += [int(other[0]), bytes.fromhex(other[1:])]
    return tuple(parts)


def write_frames(values: list[str], payloads: list[bytes], record: bytes = b"") -> str:
    """Return the file of payloads in which ``values`` are what differs from transaction to transaction."""
    lines = [f"value {value}" for value in values]
    lines += [f"frame {_with_places(payload, values)}" for payload in payloads]
    lines += [f"record {_with_places(record, values)}"] if record else []
    return "\n".join(lines) + "\n"


def _with_places(payload: bytes, values: list[str]) -> str:
    text = payload.hex()
    for number, value in enumerate(values):
        text = text.replace(value.encode().hex(), f"@{number}")
    return text
