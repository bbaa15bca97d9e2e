"""Two browsers for all tests of the page, each with one viewer with the demo's traces, and a visit for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import chromium
import pytest
from debian_haproxy import UnavailableError

from viewer.page.browser import Pages, Visit, browser_at, visit
from viewer.page.traces import Demo, feed_demo
from viewer.running import Running, running

HERE = Path(__file__).parent
ONE_HALF = {"test_search_page.py", "test_waterfall.py", "test_page_is_safe.py", "test_graph_and_status.py"}
"""By how long they take."""

Visits = Callable[..., Visit]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let two workers run them: one alone would be the last of all, and a browser for each test too much."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("page" if item.path.name in ONE_HALF else "page too"))


# Until the last of these tests, not until the run's end: as long as Playwright runs here no other loop can.
@pytest.fixture(scope="package")
def pages() -> Iterator[Pages]:
    try:
        program = chromium.find()
    except UnavailableError as error:
        pytest.skip(f"no Chromium: {error}")
    with browser_at(program) as one:
        yield Pages(one)


@pytest.fixture(scope="package")
def demo() -> Iterator[Demo]:
    """A viewer with the demo's traces, for tests that send it nothing."""
    with running() as viewer:
        yield feed_demo(viewer)


@pytest.fixture
def at(pages: Pages) -> Iterator[Visits]:
    """Visit a viewer; the browser's complaints fail the test."""
    with ExitStack() as stack:

        def start(viewer: Running, **how: object) -> Visit:
            one: AbstractContextManager[Visit] = partial(visit, pages, viewer)(**how)  # type: ignore[arg-type]
            return stack.enter_context(one)

        yield start


@pytest.fixture
def page(at: Visits, demo: Demo) -> Visit:
    """Visit the viewer with the demo's traces, on a wide screen."""
    return at(demo.viewer)
