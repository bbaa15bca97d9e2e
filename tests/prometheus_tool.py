"""What Prometheus' own tool says of a page, where it can be had."""

from __future__ import annotations

import promtool
import pytest
from debian_haproxy import UnavailableError


def nothing_to_say(metrics: bytes) -> None:
    """Fail if promtool complains; skip, with the reason, where there is none."""
    try:
        promtool.find()
    except UnavailableError as error:
        pytest.skip(f"no promtool: {error}")
    assert promtool.complaints(metrics) == ""
