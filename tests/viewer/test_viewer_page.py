"""docs/viewer.md has every line that the viewer logs and every reason that it counts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "viewer.md").read_text()


def calls(*names: str) -> Iterator[list[ast.expr]]:
    for path in sorted((ROOT / "src" / "haproxy_telemetry" / "viewer").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                function = node.func
                if (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) in names:
                    yield node.args


def texts(expressions: list[ast.expr]) -> list[str]:
    return [one.value for one in expressions if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def test_every_log_line_is_explained() -> None:
    said = {text for arguments in calls("info", "warning", "error") for text in texts(arguments[:1])}
    said |= {text for arguments in calls("warn_once") for text in texts(arguments[1:2])}
    assert len(said) == 7
    assert {text for text in said if f"| `{text}` |" not in PAGE} == set()


def test_every_reason_is_explained() -> None:
    reasons = {text for arguments in calls("BadRequestError") for text in texts(arguments[1:2])}
    assert len(reasons) > 8
    # A client that has gone reads no answer.
    assert {reason for reason in reasons if f"`{reason}`" not in PAGE} == {"client_gone"}
