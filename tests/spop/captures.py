"""The golden captures as bytes: how tests/golden is read, without any code of the package."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

GOLDEN = Path(__file__).parents[1] / "golden"
VERSIONS = ("2.6.12", "2.8.25", "3.0.0", "3.2.0")
FROM_HAPROXY = "H>A"
HELLO, DISCONNECT, NOTIFY, ACK = 1, 2, 3, 103


class Recorded(NamedTuple):
    connection: str
    direction: str
    frame: bytes
    """With its length field."""


@cache
def lines_of(version: str, scenario: str) -> tuple[Recorded, ...]:
    """The frames of a scenario, in the order of time."""
    text = (GOLDEN / version / f"{scenario}.jsonl").read_text()
    records = [json.loads(line) for line in text.splitlines()]
    return tuple(Recorded(r["conn"], r["direction"], bytes.fromhex(r["hex"])) for r in records if r["hex"])


def frames_from_haproxy(version: str, scenario: str) -> list[bytes]:
    return [line.frame for line in lines_of(version, scenario) if line.direction == FROM_HAPROXY]


def frames_to_haproxy(version: str, scenario: str) -> list[bytes]:
    return [line.frame for line in lines_of(version, scenario) if line.direction != FROM_HAPROXY]


def hello_of(version: str) -> bytes:
    return frames_from_haproxy(version, "get200")[0]


def connections_of(version: str, scenario: str) -> dict[str, bytes]:
    """What HAProxy sent on each connection; where the HELLO was in an earlier scenario, get200's stands before."""
    sent: dict[str, bytes] = {}
    for line in lines_of(version, scenario):
        if line.direction == FROM_HAPROXY:
            if line.connection not in sent:
                sent[line.connection] = b"" if line.frame[4] == HELLO else hello_of(version)
            sent[line.connection] += line.frame
    return sent


def scenarios_of(version: str) -> list[str]:
    return sorted(path.stem for path in (GOLDEN / version).glob("*.jsonl"))


def every_scenario() -> Iterator[tuple[str, str]]:
    for version in VERSIONS:
        for scenario in scenarios_of(version):
            yield version, scenario
