"""A configuration in which nothing is wrong, and how a test breaks it in one place and has it examined."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from haproxy_telemetry.doctor.catalog import CHECKS
from haproxy_telemetry.doctor.files import read_setup
from haproxy_telemetry.doctor.findings import Finding
from haproxy_telemetry.doctor.setup import Setup
from haproxy_telemetry.doctor.version import parse_version
from haproxy_telemetry.settings.address import RecordsAddress, UdpAddress

RECORDS: tuple[RecordsAddress, ...] = (UdpAddress("127.0.0.1", 7514),)
SCOPES = ("txn", "req")

PROXY = """\
global
    log stderr format raw local0
    nbthread 2
    tune.http.logurilen 4096

defaults
    mode http
    log global
    option dontlognull
    timeout connect 5s
    timeout client 50s
    timeout server 50s

frontend web
    bind 127.0.0.1:7001
    unique-id-format %[uuid]
    acl has_context var(txn.otel.trace_id) -m found
    filter spoe engine otel config spoe.cfg
    http-request set-header traceparent %[var(txn.otel.traceparent)] if has_context
    http-request set-header tracestate %[var(txn.otel.tracestate)] if { var(txn.otel.tracestate) -m found }
    log 127.0.0.1:7514 len 8192 format raw local0 info
    log-format '{"ht":1,"w":"%[var(txn.otel.worker)]","id":"%[unique-id]","uri":"%[capture.req.uri,json(utf8s)]"}'
    default_backend origin

backend origin
    server origin1 127.0.0.1:8080

backend agents
    mode tcp
    balance hash thread
    option spop-check
    timeout connect 500ms
    timeout server 30s
    default-server check inter 1s pool-low-conn 20
    server agent1 127.0.0.1:7000
"""

SPOE = """\
[otel]

spoe-agent otel
    messages opentracing:begin opentracing:backend
    option var-prefix otel
    option set-on-error err
    timeout hello 100ms
    timeout idle 20s
    timeout processing 20ms
    use-backend agents

spoe-message opentracing:begin
    args id=unique-id
    args span=str("HAProxy") tag=str("http.request.method") method
    event on-frontend-http-request

spoe-message opentracing:backend
    args id=unique-id span=str("Backend") child-of=str("HAProxy")
    event on-backend-http-request
"""

CONTEXT = """\
    tcp-request content set-var(txn.otel_up) str(00-1-2-01)
    http-request set-header traceparent %[var(txn.otel_up)] if { var(txn.otel_up) -m found }
"""


def admit(
    folder: Path,
    proxy: str = PROXY,
    spoe: str = SPOE,
    version: str = "3.0",
    environ: Mapping[str, str] | None = None,
    records: tuple[RecordsAddress, ...] = RECORDS,
) -> Setup:
    """Write both files into a folder and read them as the doctor does."""
    (folder / "haproxy.cfg").write_text(proxy)
    (folder / "spoe.cfg").write_text(spoe)
    return read_setup([str(folder / "haproxy.cfg")], environ or {}, parse_version(version), records, SCOPES)


def findings_of(setup: Setup) -> list[Finding]:
    return [finding for check in CHECKS for finding in check.findings(setup)]


def line_of(finding: Finding) -> str:
    """The line that a finding points at."""
    assert finding.place is not None
    return Path(finding.place.file).read_text().splitlines()[finding.place.line - 1].strip()


def replaced(text: str, old: str, new: str) -> str:
    """The text with one part changed; a test that changes nothing is a mistake."""
    assert old in text, old
    return text.replace(old, new)
