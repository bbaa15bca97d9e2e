"""docs/export.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haproxy_telemetry.exporters.console import render_trace
from haproxy_telemetry.otlp import endpoint, resource, settings
from haproxy_telemetry.otlp.batch import BatchLimits
from haproxy_telemetry.otlp.retry import MAX_RETRY_AFTER_S
from haproxy_telemetry.settings.opentelemetry import OTHERS
from haproxy_telemetry.trace.spans import FinishedSpan, FinishedTrace

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()


def default_of(variable: str) -> str:
    [cell] = re.findall(rf"^\| `{variable}` \| `?(.*?)`? \|", PAGE, re.MULTILINE)
    return str(cell)


def test_the_defaults_on_the_page_are_those_of_the_code() -> None:
    limits = BatchLimits()
    assert default_of("OTEL_EXPORTER_OTLP_ENDPOINT") == endpoint.DEFAULT_ENDPOINT
    assert default_of("OTEL_EXPORTER_OTLP_TIMEOUT") == str(settings.DEFAULT_TIMEOUT_MS)
    assert default_of("OTEL_BSP_SCHEDULE_DELAY") == str(settings.DEFAULT_SCHEDULE_DELAY_MS)
    assert default_of("OTEL_BSP_EXPORT_TIMEOUT") == str(settings.DEFAULT_EXPORT_TIMEOUT_MS)
    assert default_of("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") == str(limits.batch_spans)
    assert default_of("OTEL_BSP_MAX_QUEUE_SIZE") == str(limits.queue_spans)
    assert default_of("OTEL_SERVICE_NAME") == resource.DEFAULT_SERVICE.decode()
    assert f"up to {resource.MAX_SERVICES} different" in PAGE
    assert f"({MAX_RETRY_AFTER_S:.0f} s at most)" in PAGE
    assert f"more than {limits.queue_bytes >> 20} MiB" in PAGE


class Recording(dict[str, str]):
    """An environment that notes which variables are asked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(**values)
        self.asked: set[str] = set()

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # all that is used of it
        self.asked.add(name)
        return super().get(name, default)


def test_every_variable_that_is_read_is_on_the_page() -> None:
    environ = Recording(OTEL_EXPORTER_OTLP_ENDPOINT="https://collector")
    settings.read_otlp_settings(environ), settings.read_batch_limits(environ)
    resource.read_resource_attributes(environ, "id")
    assert len(environ.asked) > 20
    general = {name.replace("OTLP_TRACES_", "OTLP_") for name in environ.asked}
    assert {name for name in general if f"`{name}`" not in PAGE} == set()


def test_every_variable_that_is_known_and_not_obeyed_is_on_the_page() -> None:
    assert {name for name in OTHERS if f"`{name}`" not in PAGE} == set()


REASONS = ["queue_full", "retries_exhausted", "http_400", "rejected", "shutdown", "write_failed"]


@pytest.mark.parametrize("reason", [*REASONS, "encode_error", "internal_error"])
def test_every_reason_of_a_loss_is_on_the_page(reason: str) -> None:
    assert f"`{reason}`" in PAGE


def test_the_tree_on_the_page_is_what_the_console_shows() -> None:
    begin = 1_769_860_800_000_123_456

    def span(number: int, name: bytes, start_us: int, end_us: int, **changes: object) -> FinishedSpan:
        span_id, parent_id = number.to_bytes(8, "big"), (number - 1).to_bytes(8, "big")
        trace_id = bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736")
        start, end = begin + start_us * 1000, begin + end_us * 1000
        made = FinishedSpan(trace_id, span_id, parent_id, b"", 0, name, 1, start, end, (), 0, (), 0, (), 0, b"")
        return made.replaced(**changes)

    spans = (
        span(1, b"HAProxy session", 0, 12345),
        span(2, b"Client session", 0, 12001, attributes=((b"http.method", b"GET"),)),
        span(3, b"Frontend HTTP request", 120, 1354, kind=2, status=2, status_message=b"no server is available"),
    )
    assert render_trace(FinishedTrace(None, spans), b"haproxy").decode() in PAGE
