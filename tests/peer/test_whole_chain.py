"""The whole way: HAProxy, the agent, a collector that was not written here, and a receiver behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from haproxy_telemetry.otlp.settings import PROTOCOLS
from otlp.receiver import Receiver, receiving
from otlp.test_rotel import rotel_before
from peer.configurations import DETAILED, NINE_SPANS, traced
from peer.conftest import FOUND, StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin
from peer.processes import free_port


@pytest.fixture
def version() -> HaproxyVersion:
    """One is enough: what differs between them has not left the agent."""
    return FOUND.versions[-1]


def parents(spans: list[Span]) -> dict[str, str]:
    names = {span.span_id: span.name for span in spans} | {b"": ""}
    return {span.name: names[span.parent_span_id] for span in spans}


@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_is_a_trace_behind_a_collector(
    start_haproxy: StartHaproxy,
    start_agent: StartAgent,
    origin: Origin,
    tmp_path: Path,
    protocol: str,
    compression: str,
) -> None:
    with receiving() as sink, rotel_before(sink, tmp_path) as endpoints:
        port = free_port()
        agent = start_agent(
            export="otlp",
            env={
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_EXPORTER_OTLP_ENDPOINT": endpoints[protocol],
                "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
                "OTEL_BSP_SCHEDULE_DELAY": "50",
            },
        )
        start_haproxy(traced(port, origin.port, agent.port), {"spoe.cfg": DETAILED}, {"SERVICE_NAME": "edge"})
        trace_id = request(port, "/").header("x-trace-id")
        sink.wait_for_spans(9)
        assert agent.stop() == 0
    assert parents(sink.spans) == NINE_SPANS
    assert {span.trace_id.hex() for span in sink.spans} == {trace_id}
    assert services(sink) == {"edge"}
    assert agent.complaints() == []


def services(sink: Receiver) -> set[str]:
    resources = [group.resource for sent in sink.requests for group in sent.message.resource_spans]
    return {a.value.string_value for resource in resources for a in resource.attributes if a.key == "service.name"}
