"""What holds for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator

import chromium
import haproxy_versions
import pytest
from hypothesis import settings

# No deadlines: how long an example takes says more about the machine than about the code. CI always tries
# the same examples, so that a change is judged by what it changed.
settings.register_profile("person", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "person")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Say on the last lines which programs of others took part, and why another did not.

    It stands here and not beside their tests: with several workers only these fixtures are known to who prints.
    """
    yield
    terminalreporter.section("HAProxy and Chromium")
    for line in [*haproxy_versions.discover().lines(), chromium.line()]:
        terminalreporter.line(line)


WAYS = ("carried out", "heard")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What frames mean does not depend on whether their layout is known: the assembler's tests run both ways."""
    if _laboratory(metafunc.module) is not None:
        metafunc.parametrize("way", WAYS, indirect=True)


@pytest.fixture(autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a laboratory's frames be recognised, or not."""
    laboratory = _laboratory(request.module)
    if laboratory is not None:
        monkeypatch.setattr(laboratory, "known_unless_said", getattr(request, "param", "") == "heard")


def _laboratory(module: object) -> object:
    """The one of trace/laboratory.py, if the module works in it."""
    laboratory = getattr(module, "Laboratory", None)
    return laboratory if hasattr(laboratory, "known_unless_said") else None
