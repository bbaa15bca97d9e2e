"""The lines that HAProxy logged, by version and scenario (tests/golden-records/README.md)."""

from __future__ import annotations

import functools
from pathlib import Path

from haproxy_telemetry.records import parse_record
from haproxy_telemetry.trace.stream import EndOfStream

FOLDER = Path(__file__).parents[1] / "golden-records"
VERSIONS = sorted((path.stem for path in FOLDER.glob("*.txt")), key=lambda name: [int(n) for n in name.split(".")])


WITH_DATA = [name for name in VERSIONS if (FOLDER / f"{name}.data").exists()]


@functools.cache
def lines(version: str) -> dict[str, list[bytes]]:
    """All datagrams of one version: scenario to datagrams in order."""
    return _read(FOLDER / f"{version}.txt")


@functools.cache
def as_data(version: str) -> dict[str, list[bytes]]:
    """Datagrams whose record is the structured data, with a log line of the frontend's own behind it."""
    return _read(FOLDER / f"{version}.data")


def _read(path: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for line in path.read_bytes().splitlines():
        scenario, _, datagram = line.partition(b"\t")
        found.setdefault(scenario.decode(), []).append(datagram)
    return found


def line(version: str, scenario: str, number: int = 0) -> bytes:
    return lines(version)[scenario][number]


def stream(version: str, scenario: str, number: int = 0) -> EndOfStream:
    return parse_record(line(version, scenario, number))
