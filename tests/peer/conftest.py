"""Fixtures of the live tests: every version of HAProxy that can be had, and what they are started with."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import haproxy_versions
import pytest
from haproxy_versions import Found, HaproxyVersion

from peer.configurations import DETAILED, traced
from peer.haproxy import Haproxy
from peer.origin import Origin
from peer.processes import free_port
from peer.tracing_agent import TracingAgent

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


@pytest.fixture(scope="session")
def shared_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracingAgent]:
    """One agent for all tests that do not look at its log or end it; traces are told apart by their ids."""
    agent = TracingAgent(tmp_path_factory.mktemp("agent"))
    yield agent
    assert agent.stop() == 0, agent.output


@pytest.fixture
def agent(shared_agent: TracingAgent) -> Iterator[TracingAgent]:
    """The shared agent, which must have nothing to complain about in the end."""
    yield shared_agent
    assert shared_agent.complaints() == []


class StartAgent(Protocol):
    def __call__(
        self,
        *arguments: str,
        port: int | None = None,
        listen: str | None = None,
        env: Mapping[str, str] | None = None,
        export: str = "file",
    ) -> TracingAgent: ...


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[StartAgent]:
    """Start agents of the test's own; those that still run at its end must end well."""
    started: list[TracingAgent] = []

    def start(
        *arguments: str,
        port: int | None = None,
        listen: str | None = None,
        env: Mapping[str, str] | None = None,
        export: str = "file",
    ) -> TracingAgent:
        started.append(TracingAgent(tmp_path, *arguments, port=port, listen=listen, env=env, export=export))
        return started[-1]

    yield start
    codes = [agent.stop() for agent in started if agent.returncode is None]
    for agent in started:
        print(f"{agent.name} wrote:\n{agent.output}")
    assert not any(codes), f"the agent ended with {codes}"


@dataclass(frozen=True)
class Proxy:
    """A HAProxy that traces to the shared agent, and the origin behind it."""

    port: int
    origin: Origin
    agent: TracingAgent
    haproxy: Haproxy


@pytest.fixture
def proxy(start_haproxy: StartHaproxy, origin: Origin, agent: TracingAgent) -> Proxy:
    """The usual case: the profile `detailed`, the lines of the project's documents, no special rule."""
    port = free_port()
    haproxy = start_haproxy(traced(port, origin.port, agent.port), {"spoe.cfg": DETAILED})
    return Proxy(port, origin, agent, haproxy)
