"""TLS as both transports do it: whom to trust, what to show, and that a handshake that fails is said and counted."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
import trustme

from haproxy_telemetry.otlp.ledger import CloseReport
from haproxy_telemetry.otlp.settings import PROTOCOLS
from haproxy_telemetry.stats import Stats

from .grpc_receiver import receiving_grpc
from .receiver import Received, receiving
from .spans import a_trace
from .test_send import LONG_S, SHORT, exporter_to, until

BASE = "OTEL_EXPORTER_OTLP_"
TRACES = BASE + "TRACES_"


class Papers(NamedTuple):
    """Files: an authority, one that vouches for nobody here, a client's certificate and key, and both in one."""

    authority: trustme.CA
    ca: str
    other_ca: str
    client: str
    key: str
    both: str


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    folder = tmp_path_factory.mktemp("tls")
    authority, other = trustme.CA(), trustme.CA()
    client = authority.issue_cert("agent@example.org")

    def write(name: str, *blobs: trustme.Blob) -> str:
        (folder / name).write_bytes(b"".join(blob.bytes() for blob in blobs))
        return str(folder / name)

    chain = client.cert_chain_pems
    return Papers(
        authority,
        write("ca.pem", authority.cert_pem),
        write("other.pem", other.cert_pem),
        write("client.pem", *chain),
        write("key.pem", client.private_key_pem),
        write("both.pem", client.private_key_pem, *chain),
    )


@contextmanager
def serving(protocol: str, papers: Papers, *, ask: bool) -> Iterator[tuple[str, Received]]:
    """Receive on https://localhost by a protocol; ``ask`` the client for a certificate of the same authority."""
    server = papers.authority.issue_cert("localhost")
    if protocol == "grpc":
        key, chain = server.private_key_pem.bytes(), b"".join(pem.bytes() for pem in server.cert_chain_pems)
        roots = papers.authority.cert_pem.bytes() if ask else None
        credentials = grpc.ssl_server_credentials([(key, chain)], roots, ask)
        with receiving_grpc(address="localhost:0", credentials=credentials) as receiver:
            yield f"https://localhost:{receiver.port}", receiver
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.configure_cert(context)
    if ask:
        papers.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    with receiving(tls=context) as http:
        yield f"https://localhost:{http.server_port}", http


def send(url: str, protocol: str, environ: Mapping[str, str]) -> CloseReport:
    stats = Stats()
    exporter = exporter_to(url, stats, retry=SHORT, environ={BASE + "PROTOCOL": protocol, **environ})
    exporter.export(a_trace(1))
    until(lambda: stats.get("spans_exported") + stats.get("spans_dropped", "retries_exhausted") == 1)
    return exporter.close(LONG_S)


TAKEN = CloseReport(1, {})
LOST = CloseReport(0, {"retries_exhausted": 1})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_that_the_named_authority_vouches_for(protocol: str, papers: Papers) -> None:
    with serving(protocol, papers, ask=False) as (url, receiver):
        assert send(url, protocol, {BASE + "CERTIFICATE": papers.ca}) == TAKEN
        general = {BASE + "CERTIFICATE": papers.other_ca}
        assert send(url, protocol, general | {TRACES + "CERTIFICATE": papers.ca}) == TAKEN
    assert len(receiver.spans) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_that_nobody_vouches_for_gets_nothing_and_the_reason_is_said(
    protocol: str, papers: Papers, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(protocol, papers, ask=False) as (url, receiver):
        assert send(url, protocol, {BASE + "CERTIFICATE": papers.other_ca}) == LOST
        assert send(url, protocol, {}) == LOST  # the system's know it as little
    assert receiver.requests == []
    assert "certificate verify failed" in caplog.text.lower().replace("_", " ")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_of_another_name_gets_nothing(protocol: str, papers: Papers) -> None:
    with serving(protocol, papers, ask=False) as (url, receiver):
        elsewhere = url.replace("localhost", "127.0.0.1")
        assert send(elsewhere, protocol, {BASE + "CERTIFICATE": papers.ca}) == LOST
    assert receiver.requests == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_receiver_that_asks_for_a_certificate_is_shown_one(protocol: str, papers: Papers) -> None:
    ca = {BASE + "CERTIFICATE": papers.ca}
    with serving(protocol, papers, ask=True) as (url, receiver):
        client = {BASE + "CLIENT_CERTIFICATE": papers.client, BASE + "CLIENT_KEY": papers.key}
        assert send(url, protocol, ca | client) == TAKEN
        assert send(url, protocol, ca | {TRACES + "CLIENT_CERTIFICATE": papers.both}) == TAKEN  # the key is in it
        assert send(url, protocol, ca) == LOST
    assert len(receiver.spans) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_systems_authorities_count_where_none_is_named(
    protocol: str, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", papers.ca)
    with serving(protocol, papers, ask=False) as (url, _):
        assert send(url, protocol, {}) == TAKEN


def test_grpc_reads_a_folder_of_authorities_as_openssl_does(
    papers: Papers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    for number, name in enumerate((papers.other_ca, papers.ca)):
        (tmp_path / f"0000000{number}.0").symlink_to(name)
    with serving("grpc", papers, ask=False) as (url, _):
        assert send(url, "grpc", {}) == TAKEN


PROGRAM = """
import os
from haproxy_telemetry.exporters import make_exporter
from haproxy_telemetry.stats import Stats
from otlp.spans import a_trace
exporter = make_exporter("otlp", os.environ, Stats())
exporter.export(a_trace(2))
print(dict(exporter.close(0.5).lost))
"""


def test_grpcs_library_writes_nothing_beside_the_log(papers: Papers) -> None:
    with serving("grpc", papers, ask=False) as (url, _):
        environ = {
            BASE + "PROTOCOL": "grpc",
            BASE + "ENDPOINT": url,
            BASE + "CERTIFICATE": papers.other_ca,
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, timeout=30, check=True
        )
    assert done.stdout == "{'shutdown': 2}\n"
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert all(line.startswith(("spans can't be delivered", "2 spans lost")) for line in done.stderr.splitlines())
