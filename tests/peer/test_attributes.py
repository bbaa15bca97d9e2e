"""What was sent, beside what was exported: HTTP's attributes through a real HAProxy."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion

from haproxy_telemetry import haproxyconfig as hc
from peer.conftest import StartAgent, StartHaproxy
from peer.http_client import keep_alive, request
from peer.origin import Origin
from peer.processes import LOOPBACK, PATIENCE, free_port
from peer.test_generated import options, texts
from peer.tracing_agent import Span, Trace, TracingAgent

SETTINGS = """
[http]
routes = ["/users/me", "GET /users/{id}", "/users/{name}", "/files/{*path}"]

[privacy]
query_allow = ["page"]
client_address = "truncate"
"""
TAGS = """
    args tag=str("http.request.header.x-request-id") req.fhdr(x-request-id)
    args tag=str("http.request.header.x-absent") req.fhdr(x-absent)
    event on-frontend-http-request"""

UNIQUE_ID = "    unique-id-format"
"""Where the generated lines of a frontend begin."""

Start = Callable[..., "Standard"]


class Standard:
    """A HAProxy in the profile ``standard``, its agent with routes and privacy, and its origin."""

    def __init__(self, port: int, origin: Origin, agent: TracingAgent) -> None:
        self.port = port
        self.origin = origin
        self.agent = agent

    def trace(self, path: str, number: int = 0) -> Trace:
        """Wait for the trace of the request for a path, the only one or the one of that number."""
        found = self.agent.wait_for(lambda one: one.root.attributes.get("url.path") == path, number + 1)
        return found[number]

    def spans(self, path: str) -> tuple[Span, Span]:
        """The SERVER and the CLIENT span of the request for a path."""
        kinds = {span.kind: span for span in self.trace(path).spans if span.kind != "internal"}
        return kinds["server"], kinds["client"]


@pytest.fixture
def standard(
    start_haproxy: StartHaproxy, start_agent: StartAgent, version: HaproxyVersion, origin: Origin, tmp_path: Path
) -> Start:
    def start(
        settings: str = SETTINGS,
        env: Mapping[str, str] | None = None,
        profile: str = "standard",
        tags: str = TAGS,
        lines: str = "",
    ) -> Standard:
        (tmp_path / "agent.toml").write_text(settings)
        port, records = free_port(), f"udp:{LOOPBACK}:{free_port()}"
        agent = start_agent("--config", str(tmp_path / "agent.toml"), "--records", records, env=env)
        chosen = options(
            version,
            profile,
            agents=[f"{LOOPBACK}:{agent.port}"],
            records=records,
            example=(f"{LOOPBACK}:{port}", f"{LOOPBACK}:{origin.port}"),
        )
        files = texts(chosen)
        if hc.SPOE in files:  # a test machine may stop for longer than a request may wait
            files[hc.SPOE] = files[hc.SPOE].replace("timeout processing 20ms", "timeout processing 1s")
        if profile == "standard":
            files[hc.SPOE] = files[hc.SPOE].replace("\n    event on-frontend-http-request", tags)
        config = files.pop(hc.PROXY).replace(UNIQUE_ID, f"{lines}\n{UNIQUE_ID}", 1)
        config = config.replace(
            "http-request set-header",
            "http-request return status 204 if { path /here }\n    http-request set-header",
            1,
        )
        start_haproxy(config, files)
        return Standard(port, origin, agent)

    return start


def ours(attributes: Mapping[str, object]) -> dict[str, object]:
    """Attributes without those of HAProxy, which other tests know."""
    return {key: value for key, value in attributes.items() if not key.startswith("haproxy.")}


def one(text: str) -> dict[str, object]:
    """A list of one text, as OTLP's JSON writes it."""
    return {"values": [{"stringValue": text}]}


def test_what_was_sent_is_what_the_spans_say(standard: Start) -> None:
    running = standard()
    headers = [("host", "shop.example:8080"), ("user-agent", "a client"), ("x-request-id", "r-1")]
    with socket.create_connection((LOOPBACK, running.port), PATIENCE) as connection:
        client_port = connection.getsockname()[1]
        lines = ["GET /users/7?page=2&token=s3cr3t HTTP/1.1", *(f"{k}: {v}" for k, v in headers), "connection: close"]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while received := connection.recv(65_536):
            answer += received
    assert answer.startswith(b"HTTP/1.1 200 ")
    [sent] = running.origin.received
    assert sent.path == "/users/7?page=2&token=s3cr3t"

    server, client = running.spans("/users/7")
    assert (server.name, client.name) == ("GET /users/{id}", "GET")
    assert (server.status, client.status) == ("unset", "unset")
    assert ours(server.attributes) == {
        "http.request.method": "GET",
        "http.route": "/users/{id}",
        "http.response.status_code": 200,
        "http.request.header.x-request-id": one("r-1"),
        "url.scheme": "http",
        "url.path": "/users/7",
        "url.query": "page=2&token=REDACTED",
        "network.protocol.name": "http",
        "network.protocol.version": "1.1",
        "server.address": "shop.example",
        "server.port": 8080,
        "user_agent.original": "a client",
        "client.address": "127.0.0.0",
        "client.port": client_port,
        "network.peer.address": "127.0.0.0",
        "network.peer.port": client_port,
    }
    assert ours(client.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": "http://shop.example:8080/users/7?page=2&token=REDACTED",
        "server.address": "127.0.0.1",
        "server.port": running.origin.port,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": running.origin.port,
    }
    assert b"s3cr3t" not in running.agent.exported()


def test_names_and_status_of_all_kinds_of_requests(standard: Start) -> None:
    running = standard()
    sent = [("GET", "/users/me"), ("GET", "/users/8"), ("POST", "/users/9"), ("GET", "/files/a/b%2Fc/"),
            ("GET", "/503"), ("GET", "/404"), ("BREW", "/pot"), ("HEAD", "/here")]  # fmt: skip
    for method, path in sent:
        request(running.port, path, method)
    roots = {path: running.trace(path).root for _, path in sent}
    assert {path: (root.name, root.status) for path, root in roots.items()} == {
        "/users/me": ("GET /users/me", "unset"),
        "/users/8": ("GET /users/{id}", "unset"),
        "/users/9": ("POST /users/{name}", "unset"),
        "/files/a/b%2Fc/": ("GET /files/{*path}", "unset"),
        "/503": ("GET", "error"),
        "/404": ("GET", "unset"),
        "/pot": ("HTTP", "error" if roots["/pot"].attributes["http.response.status_code"] == 501 else "unset"),
        "/here": ("HEAD", "unset"),
    }
    assert roots["/503"].attributes["error.type"] == "503"
    assert roots["/pot"].attributes["http.request.method"] == "_OTHER"
    assert roots["/pot"].attributes["http.request.method_original"] == "BREW"
    assert [span.kind for span in running.trace("/here").spans if span.kind == "client"] == []
    [client] = [span for span in running.trace("/404").spans if span.kind == "client"]
    assert (client.status, client.attributes["error.type"]) == ("error", "404")


def test_the_environment_says_which_methods_have_a_name(standard: Start) -> None:
    running = standard(env={"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "GET,PURGE"})
    for method in ("PURGE", "POST"):
        request(running.port, f"/{method}", method)
    assert (running.trace("/PURGE").root.name, running.trace("/POST").root.name) == ("PURGE", "HTTP")


def test_hashed_clients_are_one_and_nowhere_named(standard: Start, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"k" * 32)
    running = standard(f"[privacy]\nclient_address = 'hash'\nhash_key_file = '{tmp_path}/key'\n")
    for path in ("/1", "/2"):
        request(running.port, path)
    hashes = {running.trace(path).root.attributes["client.address"] for path in ("/1", "/2")}
    [hashed] = hashes
    assert isinstance(hashed, str)
    assert len(hashed) == 16


@pytest.mark.parametrize("profile", ["detailed", "zero-wait"])
def test_no_profile_lets_a_value_or_an_address_out(standard: Start, profile: str) -> None:
    running = standard(profile=profile)
    request(running.port, "/users/7?page=2&token=s3cr3t")
    root = running.trace("/users/7").root
    assert root.name == ("HAProxy session" if profile == "detailed" else "GET /users/{id}")
    assert root.attributes["url.query"] == "page=2&token=REDACTED"
    assert root.attributes["http.route"] == "/users/{id}"
    assert root.attributes["client.address"] == root.attributes["network.peer.address"] == "127.0.0.0"
    peers = {span.attributes.get("network.peer.address") for span in running.trace("/users/7").spans}
    assert peers <= {None, "127.0.0.0", "127.0.0.1"}
    assert b"s3cr3t" not in running.agent.exported()


FORWARDED = (
    ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
    ("x-forwarded-proto", "HTTPS"),
    ("x-forwarded-host", "Shop.example:444"),
    ("x-forwarded-port", "443"),
)


@pytest.mark.parametrize("balancer", [LOOPBACK, "10.0.0.0/8"], ids=["believed", "a stranger"])
def test_behind_another_proxy_its_headers_count_as_the_page_says(standard: Start, balancer: str) -> None:
    """With the lines of docs/attributes.md themselves."""
    section = (Path(__file__).parents[2] / "docs/attributes.md").read_text().split("## Behind another proxy")[1]
    rules, tags = (block.strip("\n") for block in section.split("\n## ")[0].split("```")[1::2])
    running = standard(
        tags=f"\n{tags}\n    event on-frontend-http-request", lines=rules.replace("10.0.0.0/8", balancer)
    )
    names = ("client.address", "url.scheme", "server.address", "server.port", "network.peer.address")
    ours = ("127.0.0.0", "http", "127.0.0.1", running.port, "127.0.0.0")
    theirs = ("198.51.100.0", "https", "shop.example", 443, "127.0.0.0")
    for path, headers, expected in [
        ("/told", FORWARDED, theirs if balancer == LOOPBACK else ours),
        ("/not-told", (), ours),
    ]:
        request(running.port, path, headers=headers)
        server, client = running.spans(path)
        assert tuple(server.attributes[name] for name in names) == expected
        assert client.attributes["url.full"] == f"http://127.0.0.1:{running.port}{path}"


HOSTILE = [
    b"/users/%FF%00%0D%0A?%FF=s3cr3t&a;b=s3cr3t",
    b"/users/" + b"x" * 6000 + b"?q=s3cr3t",
    b"/users/x?" + b"&".join(b"k%d=s3cr3t" % n for n in range(300)),
    b"/files/" + b"%2e%2e/" * 500 + b"?s3cr3t",
    b"/users/{id}?{page}=s3cr3t",
    b"/users/\xff\xfe?q=s3cr3t",
    b"//users/../x?page&q=s3cr3t",
]


def test_hostile_requests_neither_make_names_nor_leak_values(standard: Start) -> None:
    running = standard()
    for target in HOSTILE:
        with socket.create_connection((LOOPBACK, running.port), PATIENCE) as connection:
            connection.sendall(b"GET " + target + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 ")
    keep_alive(running.port, ["/last"])
    running.trace("/last")
    running.agent.wait_for(
        lambda _: True, len(HOSTILE)
    )  # bytes that are no ASCII may be refused before a stream has an id
    names = {trace.root.name for trace in running.agent.traces}
    assert names <= {"GET", "HTTP", "GET /users/{id}", "GET /files/{*path}"}
    assert "GET /users/{id}" in names
    assert b"s3cr3t" not in running.agent.exported()
