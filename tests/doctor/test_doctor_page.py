"""The page of all findings: its table is the catalog's. Run this file as a program to write it anew."""

from __future__ import annotations

import re
from pathlib import Path

from haproxy_telemetry.doctor.catalog import CHECKS, KINDS

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
TABLE = re.compile(r"(?<=test_doctor_page.py -->\n).*(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    rows = [f"| `{kind.id}` | {kind.severity.value} | {kind.about} | {kind.why} |" for kind in KINDS]
    return "\n".join(["", "| id | | found | why |", "|---|---|---|---|", *rows, "", ""])


def test_the_table_is_the_catalog() -> None:
    found = TABLE.search(PAGE.read_text())
    assert found
    assert found[0] == table()


def test_ids_are_unique_and_everything_is_in_words() -> None:
    assert len({kind.id for kind in KINDS}) == len(KINDS) == len(CHECKS) + 6
    for kind in KINDS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.id)
        assert kind.why.endswith(".")
        assert "|" not in kind.about + kind.why


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda _: table(), PAGE.read_text()))
