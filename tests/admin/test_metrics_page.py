"""docs/metrics.md has every metric of the code, with its kind, labels and meaning; the catalog has every counter."""

from __future__ import annotations

import re
from pathlib import Path

from haproxy_telemetry.admin import listener, vitals
from haproxy_telemetry.metrics import catalog as traffic
from haproxy_telemetry.metrics.points import COUNTER, HISTOGRAM, Metric
from haproxy_telemetry.metrics.prometheus import family_name, kind_of
from haproxy_telemetry.own import catalog
from server.test_operating_page import counted

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


ROW = r"^\| `([a-z_]+)` \| (\w+) \| (.*?) ?\| (.*) \|$"


def row(metric: Metric) -> tuple[str, str, str, str]:
    name = family_name(metric) + ("_total" if metric.kind == COUNTER else "")
    labels = ["le"] if metric.kind == HISTOGRAM else [one.decode() for one in metric.attributes]
    what = metric.description.decode().removesuffix(".")
    return name, kind_of(metric), ", ".join(f"`{label}`" for label in labels), what


def test_every_metric_of_the_agent_is_on_the_page() -> None:
    table = PAGE.partition("## The agent")[2].partition("\n## ")[0]
    assert re.findall(ROW, table, re.MULTILINE) == [row(metric) for metric in catalog.OWN]


def test_every_metric_under_opentelemetrys_names_is_on_the_page() -> None:
    table = PAGE.partition("## Under OpenTelemetry's names")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `([a-z_.]+)` \| (.*) \|$", table, re.MULTILINE)
    assert found == [(one.name.decode(), one.description.decode().removesuffix(".")) for one in catalog.MIRRORED]


def test_every_metric_of_the_traffic_is_on_the_page() -> None:
    table = PAGE.partition("## The traffic")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*) \|$", table, re.MULTILINE) == [
        (family_name(one), "histogram" if one.kind == HISTOGRAM else "gauge", one.description.decode())
        for one in traffic.ALL
    ]


def test_the_catalog_has_all_that_is_counted_and_no_more() -> None:
    assert {catalog.stat_of(one) for one in catalog.COUNTERS} == {what for what, _ in counted()}
    reasoned = {what for what, reason in counted() if reason}
    assert reasoned <= {catalog.stat_of(one) for one in catalog.COUNTERS if one.attributes}


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
