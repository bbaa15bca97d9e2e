"""docs/operating.md: its table of counters has all that the code counts, its log lines all that the agent says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from haproxy_telemetry.otlp.signals import SIGNALS, TO_VIEWER

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operating.md"
SOURCES = sorted((ROOT / "src" / "haproxy_telemetry").rglob("*.py"))

# Parts with a life of their own: no agent runs them.
OTHER_PROGRAMS = {"demo", "cli", "doctor", "haproxyconfig", "viewer"}

# Calls whose first argument is the reason of a counter.
REASONS = {"lost": "spans_dropped", "GiveUp": "spans_dropped", "_evict": "traces_incomplete"}
PROBLEMS = {"problem", "_problem", "Problem"}


def calls() -> Iterator[tuple[str, list[ast.expr]]]:
    """All calls in the agent: the function's own name, and its arguments."""
    for path in SOURCES:
        if path.relative_to(ROOT / "src" / "haproxy_telemetry").parts[0] in OTHER_PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                yield name, node.args


def texts(expression: ast.expr) -> list[str]:
    """The words that an expression can be: a literal, or either side of a condition."""
    if isinstance(expression, ast.IfExp):
        return texts(expression.body) + texts(expression.orelse)
    return [expression.value] if isinstance(expression, ast.Constant) and isinstance(expression.value, str) else []


def counted() -> set[tuple[str, str]]:
    """Every (counter, reason) that the code spells out; reasons that are made at run time are left out."""
    found = {(counter, "") for signal in (*SIGNALS, TO_VIEWER) for counter in (signal.exported, signal.dropped)}
    for name, arguments in calls():
        first = texts(arguments[0]) if arguments else []
        if name in ("count", "tally"):
            reasons = (texts(arguments[1]) if len(arguments) > 1 else []) or [""]
            found |= {(what, reason) for what in first for reason in reasons}
        elif name in REASONS:
            found |= {(REASONS[name], reason) for reason in first}
        elif name in PROBLEMS:
            found |= {("dsl_problems", reason) for reason in first}
    return found


def rows() -> dict[str, str]:
    """The table of counters: what stands in a row after the counter's name."""
    table = PAGE.read_text().partition("## Counters")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z_]+)` \|(.*)\|$", table, re.MULTILINE))


def test_every_counter_and_every_reason_is_explained() -> None:
    told = rows()
    assert len(counted()) > 40
    missing = {one for one in counted() if one[0] not in told or (one[1] and f"`{one[1]}`" not in told[one[0]])}
    assert missing == set()


def test_nothing_is_explained_that_is_not_counted() -> None:
    assert set(rows()) - {what for what, _ in counted()} == set()


def test_every_log_line_is_explained() -> None:
    said = {
        text
        for name, arguments in calls()
        if name in ("info", "warning", "error")
        for text in (texts(arguments[0]) if arguments else [])
        if "%" not in text
    }
    said |= {
        text
        for name, arguments in calls()
        if name == "warn_once" and len(arguments) > 1
        for text in texts(arguments[1])
    }
    page = PAGE.read_text()
    assert len(said) > 10
    assert {text for text in said if f"`{text}`" not in page} == set()
