"""The results of whole runs, kept between them: a part may be measured anew without all others."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.native import BUILD
from bench.results import Part, Table

FILE = BUILD / "results.json"


@dataclass(frozen=True)
class Kept:
    """A part's result, with the day and the machine it was taken on."""

    part: Part
    day: str
    machine: str


def to_json(kept: dict[str, Kept]) -> str:
    """Return results as text, by the part's name."""
    return json.dumps({name: asdict(one) for name, one in kept.items()}, indent=1)


def from_json(text: str) -> dict[str, Kept]:
    """Read what :func:`to_json` wrote."""
    return {name: Kept(_part(one["part"]), one["day"], one["machine"]) for name, one in json.loads(text).items()}


def _part(value: dict[str, Any]) -> Part:
    tables = tuple(
        Table(one["title"], tuple(one["heads"]), tuple(map(tuple, one["rows"])), one["note"]) for one in value["tables"]
    )
    return Part(value["name"], tables, value["figures"], tuple(value["skipped"]))


def load(path: Path = FILE) -> dict[str, Kept]:
    """Return what is kept, nothing if there is no file."""
    return from_json(path.read_text()) if path.exists() else {}


def save(kept: dict[str, Kept], path: Path = FILE) -> None:
    """Keep these results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_json(kept))
