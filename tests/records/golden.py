"""The lines that HAProxy logged, by version and scenario (tests/golden-records/README.md)."""

from __future__ import annotations

import functools
from pathlib import Path

from haproxy_telemetry.records import parse_record
from haproxy_telemetry.trace.stream import EndOfStream

FOLDER = Path(__file__).parents[1] / "golden-records"
VERSIONS = sorted((path.stem for path in FOLDER.glob("*.txt")), key=lambda name: [int(n) for n in name.split(".")])


@functools.cache
def lines(version: str) -> dict[str, list[bytes]]:
    """All datagrams of one version: scenario to datagrams in order."""
    found: dict[str, list[bytes]] = {}
    for line in (FOLDER / f"{version}.txt").read_bytes().splitlines():
        scenario, _, datagram = line.partition(b"\t")
        found.setdefault(scenario.decode(), []).append(datagram)
    return found


def line(version: str, scenario: str, number: int = 0) -> bytes:
    return lines(version)[scenario][number]


def stream(version: str, scenario: str, number: int = 0) -> EndOfStream:
    return parse_record(line(version, scenario, number))
