"""What the generator writes, in real HAProxies: it loads without a warning, and does what it says."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest
from haproxy_versions import HaproxyVersion

from haproxy_telemetry import haproxyconfig as hc
from haproxy_telemetry.spop import Action, HealthChecked, Message, Notified
from peer.conftest import StartHaproxy
from peer.haproxy import Haproxy
from peer.http_client import http2_streams, keep_alive, request
from peer.origin import Origin
from peer.processes import LOOPBACK, PATIENCE, free_port, wait_until
from peer.recording_agent import RecordingAgent, answer_nothing

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"
TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]")
WHERE = ["fe", "be", "srv", "ci", "cp", "si", "sp", "B", "U", "rc"]
HTTP_KEYS = ["ht", "id", "up", "tp", "link", "ts", "t0", "t1", "T", "st", "tc", *WHERE,
             "m", "v", "uri", "host", "ua", "tls", "err", "held"]  # fmt: skip
TCP_KEYS = ["ht", "id", "up", "t1", "T", "tc", *WHERE, "err", "held"]

# What a caller may send, and the flags with which its trace goes on: None where a new one begins (W3C 3.2.2).
CALLERS: dict[str, tuple[list[str], str | None]] = {
    "none": ([], None),
    "valid": ([VALID], "01"),
    "not sampled": ([f"00-{TRACE}-{SPAN}-00"], "00"),
    "flags of later versions": ([f"00-{TRACE}-{SPAN}-ff"], "03"),
    "upper case": ([VALID.upper()], None),
    "trace id zero": ([f"00-{'0' * 32}-{SPAN}-01"], None),
    "span id zero": ([f"00-{TRACE}-{'0' * 16}-01"], None),
    "version ff": ([f"ff-{TRACE}-{SPAN}-01"], None),
    "a later version": ([f"01-{TRACE}-{SPAN}-01"], "01"),
    "a later version with more": ([f"cc-{TRACE}-{SPAN}-01-what-ever"], "01"),
    "a later version without a dash": ([f"cc-{TRACE}-{SPAN}-01what"], None),
    "version 00 with more": ([f"{VALID}-extra"], None),
    "too short": ([VALID[:-1]], None),
    "twice": ([VALID, VALID], None),
    "garbage": (['"; drop %[rand]'], None),
}


class RecordSocket:
    """Where HAProxy's records go in a test."""

    def __init__(self, path: Path | None = None) -> None:
        self._socket = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0) if path is None else str(path))
        self.address = f"udp:{LOOPBACK}:{self._socket.getsockname()[1]}" if path is None else f"unix:{path}"

    def take(self, number: int = 1) -> list[dict[str, Any]]:
        """Return the next records; fail if there are fewer within seconds, or one is not JSON."""
        self._socket.settimeout(PATIENCE)
        return [_record(self._socket.recv(65_536)) for _ in range(number)]

    def one(self) -> dict[str, Any]:
        return self.take()[0]

    def rest(self) -> list[bytes]:
        """Return what has come by now."""
        self._socket.setblocking(False)
        lines = []
        while True:
            try:
                lines.append(self._socket.recv(65_536))
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


def _record(line: bytes) -> dict[str, Any]:
    """Alone in its line, or the structured data of RFC 5424 before a line of the frontend's own."""
    text = line.decode().rstrip("\n\0")
    if text.startswith("{"):
        record: dict[str, Any] = json.loads(text)
        return record
    head, brace, rest = text.partition("{")
    assert re.fullmatch(r"<134>1 \S+ \S+ haproxy \d+ - ", head)
    record, end = json.JSONDecoder().raw_decode(brace + rest)
    assert rest[end - 1 : end] == " "
    return record


@pytest.fixture
def records() -> Iterator[RecordSocket]:
    receiver = RecordSocket()
    yield receiver
    receiver.close()


def options(version: HaproxyVersion, profile: str = "zero-wait", **chosen: Any) -> hc.Options:
    """Options of the generator, written as on the command line."""
    example = chosen.get("example")
    return hc.Options(
        profile=hc.Profile(profile),
        version=hc.parse_version(version.full),
        agents=tuple(hc.parse_agent(text) for text in chosen.get("agents", ["127.0.0.1:7000"])),
        records=hc.parse_records(chosen.get("records", "udp:127.0.0.1:7514")),
        trust=hc.parse_trust(chosen.get("trust", "always")),
        mode=hc.Mode(chosen.get("mode", "http")),
        cache=chosen.get("cache", True),
        example=example and hc.Example(hc.parse_bind(example[0]), hc.parse_origin(example[1])),
        spoe_path=chosen.get("spoe_path", "/etc/haproxy/spoe-otel.cfg"),
        service=chosen.get("service", ""),
        ratio=chosen.get("ratio", 1.0),
        propagators=hc.parse_formats(chosen.get("propagators", "")),
    )


def texts(chosen: hc.Options) -> dict[str, str]:
    return {file.name: file.text for file in hc.generate(chosen, "the test")}


class HasPort(Protocol):
    """A next hop: an origin, or another proxy."""

    @property
    def port(self) -> int: ...


class Running:
    """A HAProxy with a complete example, its port, and what it is between."""

    def __init__(
        self,
        start: StartHaproxy,
        version: HaproxyVersion,
        origin: HasPort,
        bind: str = "",
        lines: str = "",
        processing: str = "1s",  # a test machine may stop for longer than a request may wait
        tags: str = "",
        **chosen: Any,
    ) -> None:
        self.port = free_port()
        example = (f"{LOOPBACK}:{self.port}", f"{LOOPBACK}:{origin.port}")
        files = texts(options(version, example=example, **chosen))
        config = files.pop(hc.PROXY).replace(f"bind {example[0]}", f"bind {example[0]} {bind}")
        config = config.replace("default_backend", f"{lines}\n    default_backend")
        if hc.SPOE in files:
            files[hc.SPOE] = files[hc.SPOE].replace("timeout processing 20ms", f"timeout processing {processing}")
            files[hc.SPOE] = files[hc.SPOE].replace("    event ", f"    {tags and 'args ' + tags}\n    event ")
        self.haproxy: Haproxy = start(config, files)


def check(version: HaproxyVersion, folder: Path, files: dict[str, str]) -> None:
    """Let HAProxy read the files; a warning is a failure."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [*version.command, "-dW", "-c", "-f", "haproxy.cfg"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "[NOTICE]" not in line]
    assert (done.returncode, [line for line in said if line != "Configuration file is valid"]) == (0, [])


# Loading


EXAMPLES: list[dict[str, Any]] = [
    *({"profile": profile.value} for profile in hc.Profile),
    *({"profile": profile.value, "mode": "tcp"} for profile in hc.Profile),
    {"profile": "detailed", "cache": False},
    {"profile": "detailed", "mode": "tcp", "cache": False},
    {"profile": "standard", "trust": "never", "agents": ["unix:/run/otel/a 1.sock", "[::1]:7000", "localhost:7001"]},
    {"profile": "standard", "trust": "{ src 10.0.0.0/8 } !{ hdr_cnt(x-a) gt 1 } or LOCALHOST",
     "records": "unix:/run/otel/it's records.sock", "example": ("unix:/tmp/in.sock", "unix:/tmp/origin.sock")},
    {"profile": "standard", "ratio": 0.1},
    {"profile": "detailed", "ratio": 0.0, "trust": "never"},
    {"profile": "zero-wait", "ratio": 1e-9, "trust": "LOCALHOST"},
    {"profile": "standard", "propagators": "b3,b3multi,jaeger,tracecontext", "trust": "{ src 10.0.0.0/8 }"},
    {"profile": "detailed", "propagators": "none"},
    {"profile": "zero-wait", "records": "udp:[::1]:7514", "example": (":18000", "[::1]:18001")},
]  # fmt: skip


def test_every_complete_example_loads_without_a_warning(version: HaproxyVersion, tmp_path: Path) -> None:
    for number, chosen in enumerate(EXAMPLES):
        example = chosen.get("example", ("127.0.0.1:18000", "127.0.0.1:18001"))
        check(version, tmp_path / str(number), texts(options(version, **{**chosen, "example": example})))


def existing(version: HaproxyVersion, folder: Path, log: str = "", port: int = 18000, **chosen: Any) -> dict[str, str]:
    """A configuration that people have already, with the lines put where the generator says."""
    spoe_path = str(folder / "spoe-otel.cfg")
    files = texts(options(version, spoe_path=spoe_path, **chosen))
    frontend, _, end = files.pop(hc.LINES).partition("# 2. At the end")
    config = f"""\
global
    maxconn 100
    {log}
defaults
    mode http
    log global
    option httplog
    option dontlognull
    option http-server-close
    option forwardfor except 127.0.0.0/8
    option redispatch
    retries 3
    timeout connect 5s
    timeout client 10s
    timeout server 10s
    timeout http-request 10s
frontend web
    bind {LOOPBACK}:{port}
    acl trusted-net src 127.0.0.0/8
    capture request header Host len 64
    tcp-request connection reject if {{ src 192.0.2.1 }}
{frontend}
    http-request set-header x-of-theirs 1
    use_backend other if {{ path /other }}
    default_backend app
backend app
    http-request return status 200 content-type text/plain string app
backend other
    http-request return status 200 content-type text/plain string other
# {end}
"""
    return {"haproxy.cfg": config, **files}


@pytest.mark.parametrize("profile", list(hc.Profile), ids=lambda profile: profile.value)
def test_the_lines_fit_into_a_configuration_that_is_there(
    version: HaproxyVersion, tmp_path: Path, profile: hc.Profile
) -> None:
    folder = tmp_path / "there"
    check(version, folder, existing(version, folder, profile=profile.value, trust="trusted-net"))


# Running


@pytest.mark.parametrize("profile", list(hc.Profile), ids=lambda profile: profile.value)
def test_a_request_is_served_with_a_context_and_makes_one_record(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket, profile: hc.Profile
) -> None:
    with RecordingAgent() as agent:
        running = Running(
            start_haproxy, version, origin,
            profile=profile.value, agents=[f"{LOOPBACK}:{agent.port}"], records=records.address,
        )  # fmt: skip
        if profile is not hc.Profile.ZERO_WAIT:
            wait_until(lambda: any(isinstance(event, HealthChecked) for _, event in agent.events), "a health check")
        answers = keep_alive(running.port, ["/one?a=b", "/404"], headers=[("user-agent", "me/1")])
        assert [answer.status for answer in answers] == [200, 404]
        first, second = records.take(2)
    assert records.rest() == []
    assert [list(one) for one in (first, second)] == [HTTP_KEYS, HTTP_KEYS]
    sent = origin.received_at("/one?a=b")[0].values("traceparent")
    assert sent == [first["up"]]
    assert TRACEPARENT.fullmatch(first["up"])
    assert first["up"][3:35] != second["up"][3:35]
    expected = {"ht": 1, "tp": "", "link": "", "ts": "", "st": "200", "tc": "----", "fe": "traced", "be": "origin",
                "srv": "origin1", "ci": LOOPBACK, "si": LOOPBACK, "sp": str(origin.port), "rc": "0", "m": "GET",
                "v": "HTTP/1.1", "uri": "/one?a=b",
                "host": f"{LOOPBACK}:{running.port}", "ua": "me/1", "tls": "0", "err": ""}  # fmt: skip
    assert {key: first[key] for key in expected} == expected
    assert [one["held"].isdigit() for one in (first, second)] == [profile is not hc.Profile.ZERO_WAIT] * 2
    assert second["st"] == "404"
    assert 0 < int(first["t1"]) - int(first["t0"]) < PATIENCE * 1e6
    assert all(-1 <= int(timer) < PATIENCE * 1e3 for timer in first["T"])
    check_messages(profile, version, agent.messages, first)


def check_messages(
    profile: hc.Profile, version: HaproxyVersion, messages: list[Message], record: dict[str, Any]
) -> None:
    """What the agent was told of the first of two requests."""
    told = [message for message in messages if (b"id", record["id"].encode()) in message.arguments]
    names = [message.name.decode() for message in told]
    if profile is hc.Profile.ZERO_WAIT:
        assert messages == []
    elif profile is hc.Profile.STANDARD:
        assert names == ["otel:request"]
        arguments = dict(told[0].arguments)
        assert [arguments[key] for key in (b"up", b"t0", b"uri", b"host", b"tp")] == [
            record["up"].encode(), int(record["t0"]), b"/one?a=b", record["host"].encode(), None,
        ]  # fmt: skip
    else:
        request_side = ["client-session", "frontend-tcp-request", "frontend-http-request",
                        "backend-tcp-request", "backend-http-request"]  # fmt: skip
        rest = ["server-session", "tcp-response", "http-response"]
        if version.number < (2, 8) or version.number >= (3, 2):
            rest = ["http-response"] if version.number >= (3, 2) else []
        assert names == [f"opentracing:{name}" for name in request_side + rest]
        assert (b"upstream", record["up"].encode()) in told[2].arguments


@pytest.mark.parametrize("trust", ["always", "never", "{ req.hdr(x-inside) yes }"])
def test_a_callers_trace_goes_on_exactly_when_it_is_right_and_believed(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket, trust: str
) -> None:
    running = Running(start_haproxy, version, origin, trust=trust, records=records.address)
    ups = set()
    for name, (values, flags) in CALLERS.items():
        for inside in ("yes", "no") if trust.startswith("{") else ("",):
            headers = [("traceparent", value) for value in values] + [("tracestate", "a=1"), ("x-inside", inside)]
            assert request(running.port, "/", headers=headers).status == 200
            record, received = records.one(), origin.received[-1]
            ups.add(record["up"][36:52])
            assert received.values("traceparent") == [record["up"]], name
            assert TRACEPARENT.fullmatch(record["up"]), name
            believed = flags is not None and (trust == "always" or inside == "yes")
            caller = values[0][:55] if flags is not None else ""
            assert (record["tp"], record["link"]) == ((caller, "") if believed else ("", caller)), name
            assert (record["ts"], received.values("tracestate")) == (("a=1", ["a=1"]) if believed else ("", [])), name
            if believed:
                assert (record["up"][3:35], record["up"][53:]) == (TRACE, flags), name
            else:
                assert record["up"][3:35] != TRACE, name
                assert record["up"][53:] == "01", name
    assert len(ups) == len(CALLERS) * (2 if trust.startswith("{") else 1)


def exchange(port: int, request_bytes: bytes) -> bytes:
    """Send bytes as they are, and return the answer's first bytes."""
    with socket.create_connection((LOOPBACK, port), PATIENCE) as connection:
        connection.sendall(request_bytes)
        return connection.recv(100)


def test_whatever_a_client_sends_the_record_is_json_of_one_line(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket
) -> None:
    running = Running(start_haproxy, version, origin, records=records.address)
    controls = bytes(range(1, 9)) + b"\t" + bytes(range(14, 32)) + b"\x7f"
    agent = b'q"\\\x80\xff\xc3\xa9' + controls
    lines = [b'GET /"\\%00{}?\'= HTTP/1.1', b"host: h", b"user-agent: " + agent,
             b"traceparent: " + VALID.encode(), b"tracestate: a=" + controls]  # fmt: skip
    assert exchange(running.port, b"\r\n".join(lines) + b"\r\n\r\n").startswith(b"HTTP/1.1 200")
    record = records.one()
    assert list(record) == HTTP_KEYS
    assert record["uri"] == "/\"\\%00{}?'="
    assert record["ua"].startswith('q"\\')
    assert record["ua"].endswith(controls.decode())
    assert record["ts"] == ""


def test_the_longest_record_fits_into_its_line(
    start_haproxy: StartHaproxy, version: HaproxyVersion, tmp_path: Path, records: RecordSocket
) -> None:
    """Each of these bytes takes as many in JSON as any can: six for a control character, two for a quote."""
    port = free_port()
    config = existing(version, tmp_path, "", port, records=records.address, service="s" * 64)["haproxy.cfg"]
    start_haproxy(config.replace("global\n", "global\n    log-send-hostname " + "h" * 200 + "\n", 1))
    host = b"\x01" if version.number < (2, 8) else b"h"  # later ones refuse it in a host
    headers = [b"host: " + host * 2500, b"user-agent: " + b"\x02" * 2500, b"traceparent: " + VALID.encode() ,
               b"tracestate: a=" + b'"' * 510]  # fmt: skip
    head = b"\r\n".join([b"A" * 100 + b" /" + b'"' * 4000 + b" HTTP/1.1", *headers])
    exchange(port, head + b"\r\n\r\n")
    line = records.one()
    assert (line["uri"], line["m"], line["ts"]) == ("/" + '"' * 2047, "A" * 32, "a=" + '"' * 510)
    assert (line["host"], line["ua"], line["v"]) == (host.decode() * 128, "\x02" * 200, "HTTP/1.1")


def test_http2_streams_have_a_context_and_a_record_each(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket
) -> None:
    running = Running(start_haproxy, version, origin, bind="proto h2", records=records.address)
    paths = [f"/together?n=3&stream={number}" for number in range(3)]
    answers = http2_streams(running.port, paths, [("traceparent", VALID), ("user-agent", 'é"')])
    assert [answer.status for answer in answers] == [200] * 3
    got = records.take(3)
    assert {one["up"] for one in got} == {one.values("traceparent")[0] for one in origin.received}
    assert {(one["up"][3:35], one["v"], one["ua"], one["host"]) for one in got} == {
        (TRACE, "HTTP/2.0", 'é"', f"{LOOPBACK}:{running.port}")
    }
    assert {one["uri"].removeprefix(f"http://{LOOPBACK}:{running.port}") for one in got} == set(paths)
    assert len({one["id"] for one in got}) == 3


@pytest.mark.parametrize("profile", ["standard", "detailed"])
def test_without_an_agent_requests_are_served_and_have_a_context(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket, profile: str
) -> None:
    running = Running(
        start_haproxy, version, origin, profile=profile, agents=[f"{LOOPBACK}:{free_port()}"], records=records.address
    )
    for number in range(3):
        assert request(running.port, f"/{number}", headers=[("traceparent", VALID)]).status == 200
        record = records.one()
        assert record["err"] != ""
        assert origin.received[-1].values("traceparent") == [record["up"]]
        assert record["up"][3:35] == TRACE


@pytest.mark.parametrize("profile", ["standard", "detailed"])
def test_the_record_tells_for_how_long_the_events_held_the_request_up(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket, profile: str
) -> None:
    """HAProxy's own measurement, by an agent that takes its time; in `detailed` the sum over the events."""
    seconds = [0.0]

    def late(_: Notified) -> Sequence[Action]:
        time.sleep(seconds[0])
        return answer_nothing(_)

    def ask(took: float, path: str = "/") -> int:
        """How many events the request had, which the agent answered after so many seconds each."""
        seconds[0], before = took, notified()
        assert request(running.port, path).status == 200
        return notified() - before

    def notified() -> int:
        return sum(isinstance(event, Notified) for _, event in agent.events)

    with RecordingAgent(late) as agent:
        running = Running(
            start_haproxy, version, origin,
            profile=profile, agents=[f"{LOOPBACK}:{agent.port}"], records=records.address, processing="200ms",
        )  # fmt: skip
        wait_until(lambda: any(isinstance(event, HealthChecked) for _, event in agent.events), "a health check")
        events = ask(0.02)
        record = records.one()
        assert (record["err"], events) == ("", 1 if profile == "standard" else max(events, 5))
        assert 19 * events <= int(record["held"]) <= int(record["T"][4])
        ask(0.3)
        record = records.one()
        assert record["err"] == "1"
        assert int(record["held"]) >= 199


def test_an_answer_of_haproxys_own_makes_a_record_too(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket
) -> None:
    running = Running(
        start_haproxy, version, origin, lines="http-request deny if { path /deny }", records=records.address
    )
    assert request(running.port, "/deny").status == 403
    record = records.one()
    assert (record["st"], record["tc"][:2], record["m"], record["srv"]) == ("403", "PR", "GET", "<NOSRV>")
    assert (record["si"], record["sp"]) == ("", "")


def test_records_come_over_a_unix_socket_too(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, tmp_path: Path
) -> None:
    records = RecordSocket(tmp_path / "re cords")
    running = Running(start_haproxy, version, origin, records=records.address)
    assert request(running.port, "/unix").status == 200
    assert records.one()["uri"] == "/unix"
    records.close()


BROKEN: dict[str, tuple[bytes, bytes, tuple[str, str]]] = {
    "garbage": (b"garbage\r\n\r\n", b"HTTP/1.1 400", ("400", "PR--")),
    "half a request, then silence": (b"GET / HTTP/1.1\r\nHo", b"HTTP/1.1 408", ("408", "cR--")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_never_was_a_request_makes_one_record_without_an_id(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket, name: str
) -> None:
    data, answer, end = BROKEN[name]
    running = Running(start_haproxy, version, origin, lines="timeout http-request 200ms", records=records.address)
    assert exchange(running.port, data).startswith(answer)
    broken = records.one()
    assert (broken["st"], broken["tc"]) == end
    assert list(broken) == HTTP_KEYS
    assert (broken["id"], broken["up"], broken["t0"], broken["m"], broken["fe"]) == ("", "", "", "", "traced")
    assert request(running.port, "/").status == 200
    assert records.one()["st"] == "200"
    assert records.rest() == []


def test_half_a_request_and_its_end_make_one_record_without_an_id(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket
) -> None:
    running = Running(start_haproxy, version, origin, records=records.address)
    with socket.create_connection((LOOPBACK, running.port), PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHo")
    broken = records.one()
    assert (broken["id"], broken["st"], broken["tc"]) == ("", "400", "CR--")
    assert request(running.port, "/").status == 200
    assert records.one()["st"] == "200"
    assert records.rest() == []


def test_from_3_1_on_a_failed_tls_handshake_makes_one_record(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket, tmp_path: Path
) -> None:
    """Up to 3.0 HAProxy writes a line of its own for it, in no format."""
    if version.number < (3, 1) or shutil.which("openssl") is None:
        pytest.skip("it needs log profiles, and an openssl command to make a certificate with")
    pem = tmp_path / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(pem), "-out", str(tmp_path / "cert")], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (tmp_path / "cert").read_text())
    running = Running(start_haproxy, version, origin, bind=f"ssl crt {pem}", records=records.address)
    exchange(running.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    failed = records.one()
    assert (failed["id"], failed["tc"], failed["tls"]) == ("", "PR--", "1")
    assert records.rest() == []


@pytest.mark.parametrize("profile", list(hc.Profile), ids=lambda profile: profile.value)
def test_the_log_that_was_there_stays_as_it_is(
    start_haproxy: StartHaproxy, version: HaproxyVersion, tmp_path: Path, records: RecordSocket, profile: hc.Profile
) -> None:
    port = free_port()
    chosen = {"profile": profile.value, "agents": [f"{LOOPBACK}:{free_port()}"], "records": records.address}
    files = existing(version, tmp_path, "log stderr format raw local0", port, **chosen)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    haproxy = start_haproxy(files["haproxy.cfg"])
    assert request(port, "/other").body == b"other"
    assert records.one()["be"] == "other"
    assert exchange(port, b"garbage\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert records.one()["be"] == "web"
    wait_until(lambda: haproxy.output.count(" web ") == 2, "two lines of the log")
    lines = [line for line in haproxy.output.splitlines() if " web " in line]
    whole = f'{{{LOOPBACK}:{port}}} "GET /other HTTP/1.1"'
    assert [line.rpartition(" 0/0 ")[2] for line in lines] == [whole, '"<BADREQ>"']


def test_a_log_that_was_complete_early_waits_for_the_record_or_the_record_is_lost(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, tmp_path: Path, records: RecordSocket
) -> None:
    """Up to 3.0 HAProxy waits for what the record needs; from 3.1 on not for what a log profile needs: see `doctor`."""
    port = free_port()
    config = existing(version, tmp_path, "log stderr format raw local0", port, records=records.address)["haproxy.cfg"]
    config = config.replace("option httplog", "log-format 'web %ci %ST'")
    config = config.replace(
        "http-request return status 200 content-type text/plain string app", f"server s1 {LOOPBACK}:{origin.port}"
    )
    haproxy = start_haproxy(config)
    assert request(port, "/").status == 200
    wait_until(lambda: f"web {LOOPBACK} 200" in haproxy.output, "the line of the log")
    if version.number < (3, 1):
        assert int(records.one()["B"]) > 0
    assert request(port, "/other").status == 200  # HAProxy's own answer, and its record, come behind
    assert records.one()["be"] == "other"
    assert records.rest() == []


@pytest.mark.parametrize("profile", ["detailed", "zero-wait"])
def test_a_tcp_stream_makes_a_record(
    start_haproxy: StartHaproxy, version: HaproxyVersion, origin: Origin, records: RecordSocket, profile: str
) -> None:
    with RecordingAgent() as agent:
        running = Running(
            start_haproxy, version, origin,
            mode="tcp", profile=profile, agents=[f"{LOOPBACK}:{agent.port}"], records=records.address,
        )  # fmt: skip
        if profile == "detailed":
            wait_until(lambda: any(isinstance(event, HealthChecked) for _, event in agent.events), "a health check")
        assert request(running.port, "/through", headers=[("traceparent", VALID)]).status == 200
        record = records.one()
    assert list(record) == TCP_KEYS
    assert (record["fe"], record["be"], record["srv"], record["tc"]) == ("traced", "origin", "origin1", "--")
    assert record["id"]
    assert origin.received[-1].values("traceparent") == [VALID]
    told = [message.name.decode() for message in agent.messages]
    rest = ["server-session", "tcp-response"] if (2, 8) <= version.number < (3, 4) else []
    names = ["client-session", "frontend-tcp-request", "backend-tcp-request", *rest]
    assert told == ([f"opentracing:{name}" for name in names] if profile == "detailed" else [])
