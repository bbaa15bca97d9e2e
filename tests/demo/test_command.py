"""The command before its story: what it asks for, and what it says where something is missing."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from haproxy_telemetry.cli import demo as command


@pytest.mark.parametrize("package", ["no_such_package", "no_such_package.part", "opentelemetry.no_such_part"])
def test_a_missing_package_is_named_with_the_extra_that_has_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "NEEDED", (package,))
    done = CliRunner().invoke(command.demo, ["--once"])
    assert done.exit_code == 1
    assert done.output == f"Error: the demo needs the package {package}: install the extra, haproxy-telemetry[demo]\n"


@pytest.mark.parametrize("arguments", [["--json"], ["--timeout", "0"], ["--timeout", "soon"], ["--ports", "7000"]])
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(command.demo, arguments).exit_code == 2
