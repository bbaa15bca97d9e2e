"""A variable of OpenTelemetry that is misspelt is an error; each that is obeyed is read somewhere, and documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haproxy_telemetry.settings import load_settings
from haproxy_telemetry.settings.errors import UnknownSettingError
from haproxy_telemetry.settings.opentelemetry import OBEYED, OTHERS, not_obeyed

ROOT = Path(__file__).parents[2]
PAGES = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("OTEL_TRACE_SAMPLER", "OTEL_TRACES_SAMPLER"),
        ("OTEL_TRACES_SAMPLER_ARGS", "OTEL_TRACES_SAMPLER_ARG"),
        ("OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_EXPORTER_OTLP_METRIC_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
        ("OTEL_SERVICENAME", "OTEL_SERVICE_NAME"),
        ("OTEL_PROPAGATOR", "OTEL_PROPAGATORS"),
        ("OTEL_METRICS_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_INTERVAL"),
        ("OTEL_SDK_DISABLE", "OTEL_SDK_DISABLED"),
    ],
)
def test_a_misspelt_name_is_an_error_that_tells_the_right_one(wrong: str, right: str) -> None:
    with pytest.raises(UnknownSettingError) as caught:
        load_settings(None, {wrong: ""}, {})
    assert str(caught.value) == f"environment: unknown setting {wrong}; did you mean {right}?"


def test_right_names_are_none() -> None:
    assert not_obeyed(dict.fromkeys(OBEYED, "x")) == ()


def test_what_is_not_obeyed_is_told_unless_it_is_empty() -> None:
    strange = {"OTEL_PYTHON_LOG_CORRELATION": "true", "OTEL_SDK_DISABLED": "true", "OTEL_LOG_LEVEL": "", "PATH": "/bin"}
    assert not_obeyed(strange) == ("OTEL_PYTHON_LOG_CORRELATION", "OTEL_SDK_DISABLED")


def test_each_that_is_obeyed_is_on_a_page_by_itself_or_as_one_of_a_group() -> None:
    missing = []
    for name in OBEYED:
        group = re.sub(r"OTLP_(TRACES|METRICS|LOGS)_", "OTLP_", name)
        if f"`{name}`" not in PAGES and f"`{group}`" not in PAGES:
            missing.append(name)
    assert missing == []
    assert not OBEYED & OTHERS
