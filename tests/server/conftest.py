"""One agent for the tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from server.running_agent import RunningAgent, running


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAgent]:
    with running(tmp_path_factory.mktemp("agent"), "--log-level", "debug") as agent:
        yield agent
