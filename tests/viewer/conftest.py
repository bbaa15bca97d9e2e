from __future__ import annotations

from collections.abc import Iterator

import pytest

from viewer.running import Running, running


@pytest.fixture
def viewer() -> Iterator[Running]:
    with running() as one:
        yield one
