"""docs/traffic-metrics.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haproxy_telemetry.exporters import read_outlets
from haproxy_telemetry.exporters.traffic import DEFAULT_LOGS_EXPORTER, DEFAULT_METRICS_EXPORTER
from haproxy_telemetry.metrics import catalog
from haproxy_telemetry.metrics.instruments import MAX_SERIES
from haproxy_telemetry.metrics.points import Metric
from haproxy_telemetry.metrics.prometheus import family_name
from haproxy_telemetry.metrics.traffic import EXEMPLAR_FILTERS, LONGEST_VALUE
from haproxy_telemetry.settings import MetricsSettings

PAGE = (Path(__file__).parents[2] / "docs" / "traffic-metrics.md").read_text()
ROWS = re.findall(r"^\| `([a-z._]+)` \| `(\S+)` \| ([a-z -]+) \| (.*) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("metric", catalog.ALL, ids=lambda metric: metric.name.decode())
def test_every_metric_is_on_the_page_with_unit_kind_and_attributes(metric: Metric) -> None:
    attributes = ", ".join(f"`{name.decode()}`" for name in metric.attributes)
    assert (metric.name.decode(), metric.unit.decode(), metric.kind, attributes) in ROWS


def test_no_other_metric_is_on_the_page() -> None:
    assert [name for name, *_ in ROWS] == [metric.name.decode() for metric in catalog.ALL]
    for name in re.findall(r"`([a-z_]+_(?:seconds|bytes|active_requests))`", PAGE):
        assert name in {family_name(metric) for metric in catalog.ALL}


def test_buckets_and_bounds_are_those_of_the_code() -> None:
    said = re.search(r"times at (.*) s, as the conventions", PAGE)
    assert said is not None
    assert [float(number) for number in re.findall(r"[\d.]+", said[1])] == list(catalog.SECONDS)
    assert (catalog.BYTES[0], catalog.BYTES[-1]) == (256, 256 << 20)
    assert {after / before for before, after in zip(catalog.BYTES, catalog.BYTES[1:], strict=False)} == {4}
    assert MetricsSettings().max_series == MAX_SERIES
    assert f"({MAX_SERIES} of\none metric)" in PAGE
    assert f"cut at {LONGEST_VALUE} bytes" in PAGE


class Recording(dict[str, str]):
    """An environment that notes which variables are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # all that is used of it
        self.asked.add(name)
        return super().get(name, default)


def test_every_variable_that_is_read_is_on_a_page() -> None:
    environ = Recording()
    read_outlets(environ)
    export = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
    assert len(environ.asked) > 8
    assert {name for name in environ.asked if f"`{name}`" not in PAGE + export} == set()


def test_defaults_are_those_of_the_code() -> None:
    settings = read_outlets({})
    assert f"| `OTEL_METRICS_EXPORTER` | `{DEFAULT_METRICS_EXPORTER}` |" in PAGE
    assert f"| `OTEL_LOGS_EXPORTER` | `{DEFAULT_LOGS_EXPORTER}` |" in PAGE
    assert f"| `OTEL_METRIC_EXPORT_INTERVAL` | `{settings.interval_s * 1000:.0f}` |" in PAGE
    assert f"| `OTEL_METRICS_EXEMPLAR_FILTER` | `{EXEMPLAR_FILTERS[0]}` |" in PAGE
