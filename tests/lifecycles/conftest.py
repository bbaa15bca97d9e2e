"""The HAProxies that the life cycles are run on: all that can be had."""

from __future__ import annotations

import haproxy_versions
import pytest
from haproxy_versions import HaproxyVersion


@pytest.fixture(params=haproxy_versions.discover().versions, ids=lambda version: version.name)
def version(request: pytest.FixtureRequest) -> HaproxyVersion:
    """Each version of HAProxy in turn."""
    chosen: HaproxyVersion = request.param
    return chosen
