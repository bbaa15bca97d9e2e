"""The questions to the agent and to the OTLP endpoint: what they send, and what each kind of answer becomes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from grpc import StatusCode

from haproxy_telemetry import haproxyprogram
from haproxy_telemetry.doctor.probes import (
    HELLO,
    AgentHello,
    NoHello,
    ask_otlp,
    ask_version,
    check_files,
    say_hello,
    takes_records,
)
from haproxy_telemetry.doctor.proxies import parse_server_address
from haproxy_telemetry.otlp.settings import read_otlp_settings
from haproxy_telemetry.settings.address import TcpAddress, UdpAddress, UnixAddress
from haproxy_telemetry.spop import HealthChecked
from otlp.grpc_receiver import ok, receiving_grpc, refuse
from otlp.receiver import answer, hang, raw, receiving
from peer.recording_agent import RecordingAgent
from spop.captures import frames_from_haproxy

# What HAProxy's own regression test of spop-check answers (reg-tests/checks/spop-check.vtc).
AGENT_HELLO = bytes.fromhex(
    "00000036 6500000001000007 76657273696f6e 0803322e30 0e 6d61782d6672616d652d73697a65 03fcf006 0c"
    "6361706162696c6974696573 0800"
)
AGENT_DISCONNECT = bytes.fromhex(
    "0000001f 6600000001 0000 0b 7374617475732d636f6465 0308 07 6d657373616765 0800".replace(" ", "")
)


@contextmanager
def peer(behave: Callable[[socket.socket], None], family: int = socket.AF_INET, path: str = "") -> Iterator[int]:
    """A listener whose first connection is treated so, after the HELLO has arrived."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(path or ("127.0.0.1", 0))
    listener.listen()
    listener.settimeout(10)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            connection.recv(65_536)
            behave(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield 0 if path else listener.getsockname()[1]
    finally:
        thread.join(10)
        listener.close()


def test_the_hello_is_that_of_haproxys_own_health_check() -> None:
    assert HELLO in frames_from_haproxy("2.6.12", "hc-spop-check")


def test_an_agent_that_answers() -> None:
    with peer(lambda connection: connection.sendall(AGENT_HELLO)) as port:
        reply = say_hello(TcpAddress("127.0.0.1", port), 5)
    assert isinstance(reply, AgentHello)
    assert (reply.version, reply.max_frame_size) == ("2.0", 16380)


def test_an_answer_in_pieces_at_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "agent.sock")

    def behave(connection: socket.socket) -> None:
        for byte in AGENT_HELLO:
            connection.sendall(bytes([byte]))

    with peer(behave, socket.AF_UNIX, path):
        assert isinstance(say_hello(UnixAddress(path), 5), AgentHello)


def test_our_own_agent_takes_it_for_a_health_check() -> None:
    with RecordingAgent() as agent:
        assert isinstance(say_hello(TcpAddress("127.0.0.1", agent.port), 5), AgentHello)
        assert isinstance(agent.events[0][1], HealthChecked)


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"", "it closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it closed the connection"),  # four bytes of it are a huge length
        (AGENT_HELLO[:30], "its answer is not SPOP"),
        (b"\0\0\0\x0a" + b"\xff" * 10, "its answer is not SPOP"),
        (b"\0\0\0\x07\x65\0\0\0\1\0\0", "no AGENT-HELLO with version"),
        (b"\0\0\0\x07\x67\0\0\0\1\0\0", "no AGENT-HELLO with version"),
        (AGENT_DISCONNECT, "it refuses: 8, unsupported version"),
    ],
    ids=["closes", "HTTP", "cut", "garbage", "empty hello", "ACK", "disconnect"],
)
def test_what_is_no_hello(sent: bytes, problem: str) -> None:
    with peer(lambda connection: connection.sendall(sent)) as port:
        reply = say_hello(TcpAddress("127.0.0.1", port), 5)
    assert isinstance(reply, NoHello)
    assert problem in reply.problem


def test_an_agent_that_says_nothing() -> None:
    def wait(connection: socket.socket) -> None:
        connection.recv(1)  # until the doctor goes

    with peer(wait) as port:
        assert say_hello(TcpAddress("127.0.0.1", port), 0.1) == NoHello("no answer in 0.1 s")


def test_nobody_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert say_hello(TcpAddress("127.0.0.1", port), 5) == NoHello("Connection refused")
    assert say_hello(UnixAddress(str(tmp_path / "none")), 5) == NoHello("No such file or directory")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("127.0.0.1:7000", "127.0.0.1:7000"),
        ("ipv4@127.0.0.1:7000", "127.0.0.1:7000"),
        ("agents.local:7000", "agents.local:7000"),
        ("[::1]:7000", "[::1]:7000"),
        ("::1:7000", "[::1]:7000"),
        ("/run/agent.sock", "unix:/run/agent.sock"),
        ("unix@/run/agent.sock", "unix:/run/agent.sock"),
        ("127.0.0.1", "None"),
        ("abns@agent", "None"),
        ("fd@3", "None"),
    ],
)
def test_addresses_of_servers(written: str, read: str) -> None:
    assert str(parse_server_address(written)) == read


def test_who_takes_records(tmp_path: Path) -> None:
    path = tmp_path / "records.sock"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix,
    ):
        udp.bind(("127.0.0.1", 0))
        unix.bind(str(path))
        port = udp.getsockname()[1]
        assert takes_records(UdpAddress("127.0.0.1", port)) is True
        assert takes_records(UnixAddress(str(path))) is True
    assert takes_records(UdpAddress("127.0.0.1", port)) is False
    assert takes_records(UnixAddress(str(path))) is False  # left behind by a process that is gone
    assert takes_records(UnixAddress(str(tmp_path / "none"))) is False
    assert takes_records(UdpAddress("192.0.2.1", 7514)) is None


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_the_receiver_gets_a_request_without_spans(protocol: str, compression: str) -> None:
    with receiving() as receiver:
        environ = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}",
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        }
        assert ask_otlp(read_otlp_settings(environ), 5) == ""
    (request,) = receiver.requests
    assert (request.path, request.spans) == ("/v1/traces", [])


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        (answer(401), "it answers HTTP 401"),
        (answer(404, b"no such page"), "it answers HTTP 404 (no such page)"),
        (answer(302, Location="http://elsewhere/"), "it answers HTTP 302"),
        (raw(b"SSH-2.0-OpenSSH\r\n"), ""),
        (hang, ""),
    ],
)
def test_a_receiver_that_does_not_take_it(behaviour, problem: str) -> None:  # type: ignore[no-untyped-def]  # receiver's
    with receiving(behaviour) as receiver:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.server_port}"}
        found = ask_otlp(read_otlp_settings(environ), 0.3)
    assert found
    assert found.startswith(problem)


def test_a_receiver_by_grpc() -> None:
    with receiving_grpc(refuse(StatusCode.UNAUTHENTICATED, "who are you?"), ok) as receiver:
        environ = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
        }
        settings = read_otlp_settings(environ)
        assert ask_otlp(settings, 5) == "it answers gRPC UNAUTHENTICATED (who are you?)"
        assert ask_otlp(settings, 5) == ""
    assert [request.spans for request in receiver.requests] == [[], []]
    assert "refused" in ask_otlp(settings, 5)


def test_a_program_that_is_not_haproxy(tmp_path: Path) -> None:
    assert ask_version(["/bin/echo"], {}) is None
    assert ask_version([str(tmp_path / "none")], {}) is None
    assert check_files([str(tmp_path / "none")], ["x.cfg"], {}) is None


def test_haproxy_is_found_where_debian_puts_it(tmp_path: Path) -> None:
    binary = tmp_path / "haproxy"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    assert haproxyprogram.installed({"PATH": str(tmp_path)}) == str(binary)
