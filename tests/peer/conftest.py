"""Fixtures of the live tests: every version of HAProxy that can be had, and what they are started with."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import haproxy_versions
import pytest
from haproxy_versions import Found, HaproxyVersion

from peer.haproxy import Haproxy
from peer.origin import Origin

FOUND: Found = haproxy_versions.discover()


@pytest.fixture(scope="session")
def found() -> Found:
    return FOUND


@pytest.fixture(params=FOUND.versions, ids=lambda version: version.name)
def version(request: pytest.FixtureRequest) -> HaproxyVersion:
    """Each version of HAProxy in turn."""
    chosen: HaproxyVersion = request.param
    return chosen


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        yield running


class StartHaproxy(Protocol):
    def __call__(
        self,
        config: str,
        files: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> Haproxy: ...


@pytest.fixture
def start_haproxy(version: HaproxyVersion, tmp_path: Path) -> Iterator[StartHaproxy]:
    """Start HAProxy of the test's version, as often as the test likes. None of them may crash."""
    started: list[Haproxy] = []

    def start(
        config: str,
        files: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> Haproxy:
        started.append(Haproxy(version, config, tmp_path, files, env, arguments))
        return started[-1]

    yield start
    codes = [haproxy.stop() for haproxy in started]
    for haproxy in started:
        print(f"{haproxy.name} wrote:\n{haproxy.output}")  # pytest shows it when the test failed
    assert not [code for code in codes if code < 0 and code != -signal.SIGTERM], f"HAProxy crashed: {codes}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Say on the last lines which versions were run, and why another was not."""
    yield
    terminalreporter.section("HAProxy")
    for line in FOUND.lines():
        terminalreporter.line(line)
