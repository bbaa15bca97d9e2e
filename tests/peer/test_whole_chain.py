"""The whole way: HAProxy, the agent, a collector that was not written here, and a receiver behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from haproxy_telemetry.otlp.settings import PROTOCOLS
from otlp.grpc_receiver import receiving_grpc
from otlp.receiver import Received, receiving
from otlp.test_rotel import rotel_before
from peer.configurations import DETAILED, NINE_SPANS, traced
from peer.conftest import FOUND, StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin
from peer.processes import LOOPBACK, free_port
from peer.test_generated import Running


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


OTEL_FILE = """
file_format: "1.0"
resource: {attributes: [{name: service.name, value: edge}]}
propagator: {composite: [{tracecontext: }, {baggage: }]}
tracer_provider:
  processors: [{batch: {schedule_delay: 50, exporter: {otlp_grpc: {endpoint: "${COLLECTOR}", compression: gzip}}}}]
meter_provider:
  readers: [{periodic: {exporter: {otlp_grpc: {endpoint: "${COLLECTOR}"}}}}]
logger_provider:
  processors: [{batch: {exporter: {otlp_grpc: {endpoint: "${COLLECTOR}"}}}}]
"""


def test_opentelemetrys_own_file_sends_all_three_signals(
    start_haproxy: StartHaproxy, start_agent: StartAgent, origin: Origin, tmp_path: Path
) -> None:
    file = tmp_path / "otel.yaml"
    file.write_text(OTEL_FILE)
    with receiving_grpc() as receiver:
        agent = start_agent(
            "--records",
            f"udp:{LOOPBACK}:0",
            export="otlp",
            env={"OTEL_CONFIG_FILE": str(file), "COLLECTOR": f"http://{LOOPBACK}:{receiver.port}"},
        )
        [listening] = agent.logged("listening")
        standard = Running(
            start_haproxy, FOUND.versions[-1], origin,
            profile="standard", agents=[f"{LOOPBACK}:{agent.port}"], records=listening["records"], processing="1s",
        )  # fmt: skip
        assert request(standard.port, "/").status == 200
        receiver.wait_for_spans(2)
        assert agent.stop() == 0
    assert {span.kind for span in receiver.spans} >= {Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT}
    assert services(receiver) == {"edge"}
    assert "http.server.request.duration" in receiver.metrics
    assert [one.trace_id for one in receiver.logs] == [receiver.spans[0].trace_id]
    assert {request.path for request in receiver.requests} == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    assert agent.complaints() == []


def services(sink: Received) -> set[str]:
    traces = [sent.message for sent in sink.requests if sent.path == "/v1/traces"]
    resources = [group.resource for message in traces for group in message.resource_spans]
    return {a.value.string_value for resource in resources for a in resource.attributes if a.key == "service.name"}
