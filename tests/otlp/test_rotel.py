"""A receiver not written here: PyPI's ``rotel``, a collector in Rust, between the exporter and a sink.

It reads our bytes with its own decoder, and what it sends on is written by its own encoder.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import python_library
from debian_haproxy import UnavailableError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from haproxy_telemetry.exporters import CloseReport, make_exporter
from haproxy_telemetry.otlp.encode import encode_request, encode_resource, encode_span
from haproxy_telemetry.otlp.settings import GRPC, PROTOCOLS
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.spans import Blob, FinishedTrace

from .receiver import Receiver, receiving
from .spans import a_span

VALUES = (
    (b"text", "Zürich".encode()),
    (b"latin-1", b"caf\xe9"),
    (b"blob", Blob(b"\x00\xff")),
    (b"yes", True),
    (b"no", False),
    (b"least", -(1 << 63)),
    (b"most", (1 << 64) - 1),
    (b"ratio", 0.25),
    (b"long", b"x" * 10_000),
)


def free_ports(number: int) -> list[int]:
    probes = [socket.socket() for _ in range(number)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def rotel_before(sink: Receiver, folder: Path) -> Iterator[dict[str, str]]:
    """Run rotel until the test ends; give the endpoint on which it receives each protocol."""
    spec = find_spec("rotel")
    if spec is None or spec.origin is None:
        pytest.skip("the package rotel is not installed (there is no wheel for this platform)")
    http, grpc = free_ports(2)
    try:
        library = python_library.environment()
    except UnavailableError as error:
        pytest.skip(f"rotel is linked with {python_library.PACKAGE}: {error}")
    command = [str(Path(spec.origin).parent / "rotel-agent"), "start"]
    options = {
        "--otlp-http-endpoint": f"127.0.0.1:{http}",
        "--otlp-grpc-endpoint": f"127.0.0.1:{grpc}",
        "--exporter": "otlp",
        "--otlp-exporter-endpoint": f"http://127.0.0.1:{sink.server_port}",
        "--otlp-exporter-protocol": "http",
        "--batch-timeout": "20ms",
        "--pid-file": str(folder / "pid"),
        "--log-file": str(folder / "log"),
    }
    with (folder / "output").open("wb") as output:
        arguments = [word for option in options.items() for word in option]
        process = subprocess.Popen(
            [*command, *arguments], stdout=output, stderr=output, env={"PATH": os.environ["PATH"], **library}
        )
    try:
        wait_until_listening(http, process, folder)
        yield {protocol: f"http://127.0.0.1:{grpc if protocol == GRPC else http}" for protocol in PROTOCOLS}
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def wait_until_listening(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, f"rotel has ended: {(folder / 'output').read_text()}"
        time.sleep(0.05)
    raise AssertionError("rotel does not listen")


def by_id(spans: list[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: span.span_id)


@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_not_written_here_understands_and_passes_on_every_field(
    protocol: str, compression: str, tmp_path: Path
) -> None:
    plain = FinishedTrace(None, tuple(a_span(number) for number in range(1, 4)))
    rich = FinishedTrace(b"shop", (a_span(4, attributes=VALUES), a_span(5, parent_span_id=b"", status=0, events=())))
    with receiving() as sink, rotel_before(sink, tmp_path) as endpoints:
        environ = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoints[protocol],
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
            "OTEL_SERVICE_NAME": "edge",
        }
        exporter = make_exporter("otlp", environ, Stats())
        exporter.export(plain)
        exporter.export(rich)
        assert exporter.close(10) == CloseReport(5, {})
        sink.wait_for_spans(5)
    ours = [encode_span(span) for span in plain.spans + rich.spans]
    sent = ExportTraceServiceRequest.FromString(encode_request([(encode_resource(()), ours)]))
    assert by_id(sink.spans) == by_id(list(sent.resource_spans[0].scope_spans[0].spans))
    assert services(sink) == {"edge": 3, "shop": 2}


def services(sink: Receiver) -> dict[str, int]:
    found: dict[str, int] = {}
    for request in sink.requests:
        for group in request.message.resource_spans:
            [name] = [a.value.string_value for a in group.resource.attributes if a.key == "service.name"]
            found[name] = found.get(name, 0) + sum(len(scope.spans) for scope in group.scope_spans)
    return found
