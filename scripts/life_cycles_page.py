"""Write docs/life-cycles.md out of a run of all life cycles: ``python scripts/life_cycles_page.py``.

It takes about a minute, and every version of HAProxy that can be had (scripts/haproxy_versions.py). Nothing is written
if a cell is not as expected.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

import haproxy_versions  # noqa: E402 (the folders must be known first)

from lifecycles.judge import Cell, checked  # noqa: E402
from lifecycles.page import PROFILES, Column, Row, page  # noqa: E402

PAGE = ROOT / "docs" / "life-cycles.md"


def main() -> int:
    measured: dict[tuple[Row, Column], int | None] = {}
    versions = haproxy_versions.discover().versions
    wrong: list[str] = []
    for version in versions:
        for profile in PROFILES:
            with tempfile.TemporaryDirectory() as folder:
                cells = checked(version, profile, Path(folder))
            measured |= {(row, Column(version.name, profile)): cell.apart_ns for row, cell in cells.items()}
            wrong += _complaints(f"{version.name} {profile}", cells)
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    PAGE.write_text(
        page(measured, {version.name: version.full.split("-")[0] for version in versions}), encoding="utf-8"
    )
    sys.stdout.write(f"wrote {PAGE.name}\n")
    return 0


def _complaints(column: str, cells: dict[Row, Cell]) -> list[str]:
    return [f"{column}, {row[0]} {row[1] + 1}: {why}" for row, cell in cells.items() for why in cell.wrong]


if __name__ == "__main__":
    sys.exit(main())
