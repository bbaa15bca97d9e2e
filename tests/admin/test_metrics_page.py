"""docs/metrics.md has every metric of the code, with its kind, labels and meaning; the catalog has every counter."""

from __future__ import annotations

import re
from pathlib import Path

from haproxy_telemetry.admin import catalog, listener, vitals
from haproxy_telemetry.metrics import catalog as traffic
from haproxy_telemetry.metrics.points import HISTOGRAM
from haproxy_telemetry.metrics.prometheus import family_name
from server.test_operating_page import counted

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def test_every_metric_of_the_agent_is_on_the_page() -> None:
    expected = [(a.name, a.kind, ", ".join(f"`{one}`" for one in a.labels), a.what) for a in catalog.ALL]
    table = PAGE.partition("## The agent")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*?) ?\| (.*) \|$", table, re.MULTILINE) == expected


def test_every_metric_of_the_traffic_is_on_the_page() -> None:
    table = PAGE.partition("## The traffic")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*) \|$", table, re.MULTILINE) == [
        (family_name(one), "histogram" if one.kind == HISTOGRAM else "gauge", one.description.decode())
        for one in traffic.ALL
    ]


def test_the_catalog_has_all_that_is_counted_and_no_more() -> None:
    assert {catalog.stat_of(one) for one in catalog.COUNTERS} == {what for what, _ in counted()}
    reasoned = {what for what, reason in counted() if reason}
    assert reasoned <= {catalog.stat_of(one) for one in catalog.COUNTERS if one.labels}


def test_bounds_on_the_page_are_those_of_the_code() -> None:
    for words in (
        f"{vitals.TICK_AGE_S:.0f} s",
        f"{vitals.FAILING_S:.0f} s",
        f"{vitals.FAILURE_AGE_S:.0f} s",
        f"{listener.MAX_CONNECTIONS} connections",
        f"{listener.MAX_HEAD // 1024} KiB",
        f"{listener.HEAD_S:.0f} s",
        f"{listener.ANSWER_S:.0f} s",
    ):
        assert words in PAGE, words
