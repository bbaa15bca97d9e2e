"""docs/context.md, held against the code."""

from __future__ import annotations

import re
from pathlib import Path

from haproxy_telemetry.dialect.opentracing import OTHER_HEADERS
from haproxy_telemetry.settings.propagators import NAMES, UNSUPPORTED
from w3c_cases import CASES

PAGE = (Path(__file__).parents[2] / "docs" / "context.md").read_text()


def test_every_name_is_on_the_page() -> None:
    assert re.findall(r"^\| `(\w+)`.*\|.*\|.*\|.*\|$", PAGE, re.MULTILINE)[: len(NAMES)] == list(NAMES)
    assert all(f"`{name}`" in PAGE.partition("## What is not supported")[2] for name in UNSUPPORTED)


def test_every_header_that_is_read_is_an_argument_there() -> None:
    for header in OTHER_HEADERS:
        assert f" {header.decode()}=req.fhdr({header.decode()})" in PAGE


def test_every_line_that_sets_a_header_asks_whether_there_is_one() -> None:
    rules = re.findall(r"^http-\S+ set-header (\S+)\s+%\[var\((\S+)\)\]\s+if \{ var\((\S+)\) -m found \}$", PAGE, re.M)
    assert len(rules) == len(re.findall(r"set-header", PAGE)) == 10
    assert all(made == asked for _, made, asked in rules)


def test_the_number_of_cases_is_right() -> None:
    assert f"a table of {len(CASES)} cases" in PAGE
