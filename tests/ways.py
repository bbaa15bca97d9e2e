"""How the tests run: on the sources, or on modules that were compiled from them (``make test-compiled``)."""

from __future__ import annotations

import os
from typing import Final

import pytest

from haproxy_telemetry.cli.version import COMPILED, how_it_runs

COMPILED_HERE: Final = how_it_runs() == COMPILED

EXPECTED: Final = os.environ.get("TESTED", "interpreted")
"""What ``make test`` and ``make test-compiled`` are about: neither may run the other by mistake."""

reaches_inside = pytest.mark.skipif(
    COMPILED_HERE, reason="exchanges a function inside a module; compiled, its neighbours call the original"
)
"""For tests that put a mistake or a counter where no argument reaches. They judge the source, which is the same."""
