"""Every recorded connection replays to the events that HAProxy's behaviour promises, in any chunking."""

from typing import TypeVar

import pytest

from haproxy_telemetry.spop import (
    AgentConnection,
    Connected,
    Disconnected,
    Event,
    Failed,
    HealthChecked,
    Message,
    Notified,
)
from haproxy_telemetry.spop.frames import parse_frame, serialize_frame
from haproxy_telemetry.spop.messages import parse_messages, parse_pairs, serialize_messages, serialize_pairs
from spop.captures import (
    FROM_HAPROXY,
    HELLO,
    NOTIFY,
    VERSIONS,
    connections_of,
    every_scenario,
    frames_from_haproxy,
    hello_of,
    lines_of,
    scenarios_of,
)

T = TypeVar("T")
ALL = "CS FT FH BT BH SS TR HR"
TO_FH, TO_BH, TO_TR = "CS FT FH", "CS FT FH BT BH", "CS FT FH BT BH SS TR"


def same(scenarios: tuple[str, ...], expected: T) -> dict[str, T]:
    return dict.fromkeys(scenarios, expected)


# The events of each request, by its unique id, in order of their first frame. HAProxy sends each event when the
# one before is acknowledged; it sends none for what it answers itself, and none at the end of a response.
LIFE_CYCLES: dict[str, list[str]] = {
    **same(("get200", "post", "post_slow_body", "s204", "s404", "s500", "head", "rules", "monitor", "waitbody"), [ALL]),
    **same(("stream", "websocket", "expect100", "hints103", "early_resp", "respdeny"), [ALL]),
    **same(("abort_before", "abort_mid", "srv_abort_mid", "h2x3", "h2_rst", "retry-r2"), [ALL]),
    **same(("keepalive3", "h2-3streams"), [ALL, ALL, ALL]),
    "pipeline2": [ALL, ALL],
    "cache2": [ALL, ALL],
    **same(("deny", "ret", "redir", "tarpit", "reject", "silent"), [TO_FH]),
    **same(("bedeny", "nosrv503", "refused"), [TO_BH]),
    "queue": [ALL, TO_BH],
    **same(("t504", "srv_close_before", "srv_garbage", "retry-earlyclose"), [TO_TR]),
    "tcp": ["CS FT BT SS TR"],
    "befilter": ["BT BH SS TR HR"],
    "listen": ["CS FT+BT FH+BH SS TR HR"],
    "hc-tcp-check": ["FH BH HR"],
    "hc-spop-check": ["FH BH HR", "FH BH HR"],
    "idle": ["FH HR"],
    "softstop": ["FH HR"],
    "reload": ["FH HR", "FH HR"],
    "group-req+resp-ok": ["m1 m2"],
    "group-req+resp-404": ["m1 m2"],
    "group-req+resp-stream": ["m1 m2"],
    "group-req+resp-deny": ["m1"],
    "group-resp-waitbody-ok": ["m2"],
    "group-resp-waitbody-stream": ["m2"],
    "frag-256-cap": ["FH HR"],
    "frag-256-cap-nopipe": ["FH HR"],
    "frag-abort": ["FH HR"],
}
# HAProxy 3.2 answers a cache hit behind on-server-session or on-tcp-response with a 502, before the response.
PER_VERSION = {("3.2.0", "cache2"): [ALL, TO_TR]}

CHAIN = (
    "client_session_start frontend_tcp_request frontend_http_request backend_tcp_request backend_http_request "
    "server_session_start tcp_response http_response+server_session_end+client_session_end"
)
CHAIN_404 = CHAIN.replace("http_response+", "http_response+http_response-error+")
# Two HAProxies, each with a unique id of its own; 8001 passes only the second.
LIFE_CYCLES["seed-chain-7001-ok"] = [CHAIN, CHAIN]
LIFE_CYCLES["seed-chain-7001-404"] = [CHAIN_404, CHAIN_404]
LIFE_CYCLES["seed-chain-8001-ok"] = [CHAIN]

REQUEST = ["FH", "BH", "HR"]
# What the other scenarios end in: names of messages, then the statuses of HAProxy's DISCONNECTs.
OUTCOMES: dict[str, tuple[list[str], list[int]]] = {
    "agent-mfs256-cap": ([], []),
    "agent-mfs256-nocap": ([], []),
    "err-accept-silent-close": ([], []),
    "err-hello-close": ([], []),
    "err-hello-disc": ([], []),
    "err-hello-silent": ([], []),
    **same(("err-close", "err-rst", "err-disconnect0", "err-disconnect13"), (["FH"], [])),
    **same(("err-disconnect200", "err-ack-wrong-dir-type3", "err-len0"), (["FH"], [])),
    **same(("err-huge-len", "err-too-big-ack"), (["FH"], [3])),
    **same(("err-ack-nofin", "err-ack-abort-only"), (["FH"], [10])),
    **same(("err-hello-v1.0", "err-hello-v2.5", "err-hello-v3.0"), ([], [8])),
    "err-hello-nover": ([], [5]),
    "err-hello-nomfs": ([], [6]),
    "err-late700ms": (["FH", "FH"], []),
    "err-late700ms-cont": (REQUEST, [2]),
    "err-neverack": (["FH"], [2]),
    "frag-256-nocap": ([], [10]),
}
# 3.1 and later reset where earlier versions say why, take a HELLO without max-frame-size, and give up at an ACK
# for ids that they do not know; 2.8 and 3.0 disconnect at a frame of length 0.
for _version in ("2.8.25", "3.0.0"):
    OUTCOMES[f"{_version} err-len0"] = (["FH"], [4])
    OUTCOMES[f"{_version} err-late700ms"] = (["FH", "FH"], [2])
for _name in ("err-huge-len", "err-too-big-ack", "err-ack-nofin", "err-ack-abort-only", "err-neverack"):
    OUTCOMES[f"3.2.0 {_name}"] = (["FH"], [])
for _name in ("err-unk-fid-ok", "err-unk-sid-ok", "err-unk-frame-type-ok"):
    OUTCOMES[f"3.2.0 {_name}"] = (["FH"], [])
OUTCOMES["3.2.0 err-hello-nomfs"] = (REQUEST, [])
OUTCOMES["3.2.0 err-late700ms-cont"] = (REQUEST, [])


def acknowledged(connection: AgentConnection, data: bytes) -> list[Event]:
    """Feed ``data`` and acknowledge at once, as HAProxy had it when it went on."""
    events = connection.receive_data(data)
    for event in events:
        if isinstance(event, Notified):
            connection.acknowledge(event)
    connection.data_to_send()
    return events


def replay(version: str, scenario: str) -> list[Event]:
    """The events of all connections of a scenario, in the order of time."""
    connections: dict[str, AgentConnection] = {}
    events: list[Event] = []
    for line in lines_of(version, scenario):
        if line.direction != FROM_HAPROXY:
            continue
        if line.connection not in connections:
            connections[line.connection] = AgentConnection()
            if line.frame[4] != HELLO:
                connections[line.connection].receive_data(hello_of(version))
        events += acknowledged(connections[line.connection], line.frame)
    return events


def names(messages: tuple[Message, ...]) -> str:
    return "+".join(m.name.decode().removeprefix("m-").removeprefix("opentracing:") for m in messages)


def life_cycles(events: list[Event]) -> list[str]:
    """The names of the messages of each request, joined by its id."""
    requests: dict[object, list[str]] = {}
    for event in events:
        if isinstance(event, Notified):
            arguments = dict(event.messages[0].arguments)
            identity = arguments.get(b"uid", arguments.get(b"id"))
            assert identity is not None
            requests.setdefault(identity, []).append(names(event.messages))
    return [" ".join(seen) for seen in requests.values()]


ALL_SCENARIOS = list(every_scenario())


@pytest.mark.parametrize(("version", "scenario"), ALL_SCENARIOS)
def test_any_chunking_gives_the_same_events(version: str, scenario: str) -> None:
    for stream in connections_of(version, scenario).values():
        whole = AgentConnection().receive_data(stream)
        assert whole
        assert not any(isinstance(event, Failed) for event in whole)
        single = AgentConnection()
        assert [e for i in range(len(stream)) for e in single.receive_data(stream[i : i + 1])] == whole
        assert AgentConnection().receive_data(bytearray(stream)) == whole


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("tail", [b"\x00", b"\x00\x00\x00", b"\x00\x00\x00\x37\x03\x00\x00", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_trails_changes_nothing_before_it(version: str, tail: bytes) -> None:
    for scenario in scenarios_of(version):
        for stream in connections_of(version, scenario).values():
            expected = AgentConnection().receive_data(stream)
            connection = AgentConnection()
            events = connection.receive_data(stream + tail)
            assert events[: len(expected)] == expected
            over = isinstance(expected[-1], Disconnected | HealthChecked)
            failed = tail.startswith(b"GET") and not over
            assert [type(event) for event in events[len(expected) :]] == [Failed] * failed


@pytest.mark.parametrize(
    ("version", "scenario"), [(v, s) for v, s in ALL_SCENARIOS if s in LIFE_CYCLES], ids=lambda x: str(x)
)
def test_a_life_cycle_has_its_events(version: str, scenario: str) -> None:
    expected = PER_VERSION.get((version, scenario), LIFE_CYCLES[scenario])
    assert life_cycles(replay(version, scenario)) == expected


@pytest.mark.parametrize(("version", "scenario"), [(v, s) for v, s in ALL_SCENARIOS if s.startswith(("err-", "agent"))])
def test_a_fault_of_the_agent_has_its_outcome(version: str, scenario: str) -> None:
    """Where the table has no entry, HAProxy took what the agent did and went on to the end of the request."""
    expected = OUTCOMES.get(f"{version} {scenario}", OUTCOMES.get(scenario, (REQUEST, [])))
    events = replay(version, scenario)
    goodbyes = sorted({event.status for event in events if isinstance(event, Disconnected)})
    assert ([names(e.messages) for e in events if isinstance(e, Notified)], goodbyes) == expected


def test_every_scenario_is_in_a_table() -> None:
    other = ("err-", "agent", "types", "frag-256-nocap")
    assert [s for _, s in ALL_SCENARIOS if s not in LIFE_CYCLES and not s.startswith(other)] == []
    assert {version for version, _ in ALL_SCENARIOS} == set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_hello(version: str) -> None:
    (event,) = AgentConnection().receive_data(hello_of(version))
    assert isinstance(event, Connected)
    hello = event.hello
    assert (hello.versions, hello.max_frame_size, hello.healthcheck) == ((b"2.0",), 16380, False)
    assert hello.capabilities == ((b"pipelining",) if version == "3.2.0" else (b"pipelining", b"async"))
    assert len(hello.engine_id) == 36


@pytest.mark.parametrize("version", VERSIONS)
def test_health_checks_are_told_apart(version: str) -> None:
    events = replay(version, "hc-spop-check")
    checks = [event for event in events if isinstance(event, HealthChecked)]
    assert len(checks) >= 5
    assert all(check.hello.engine_id == b"" and check.hello.capabilities == () for check in checks)
    assert not any(isinstance(event, HealthChecked) for event in replay(version, "hc-tcp-check"))


@pytest.mark.parametrize("version", ["2.6.12", "2.8.25", "3.0.0"])
@pytest.mark.parametrize(
    ("scenario", "fragments"), [("frag-256-cap", 4), ("frag-256-cap-nopipe", 4), ("frag-abort", 19)]
)
def test_fragments_become_one_event(version: str, scenario: str, fragments: int) -> None:
    events = [event for event in replay(version, scenario) if isinstance(event, Notified)]
    in_pieces = [f for f in frames_from_haproxy(version, scenario) if f[4] == 0 or f[4:9] == b"\x03\0\0\0\0"]
    assert len(in_pieces) == fragments
    assert events[0].size == sum(len(frame) - 4 for frame in in_pieces)
    headers = dict(events[0].messages[0].arguments)[b"h"]
    assert isinstance(headers, bytes)
    assert headers.startswith(b"host: x\r\nx-big: aaa")
    assert headers.endswith(b"a\r\n\r\n")


@pytest.mark.parametrize("version", VERSIONS)
def test_how_haproxy_leaves(version: str) -> None:
    """2 at ``timeout idle`` and 0 at reload or stop up to 3.0; later versions just reset."""
    for scenario, statuses in (("idle", [2]), ("softstop", [0]), ("reload", [0, 2])):
        if scenario not in scenarios_of(version):
            continue
        seen = {e.status for e in replay(version, scenario) if isinstance(e, Disconnected)}
        assert sorted(seen) == ([] if version == "3.2.0" else statuses)


@pytest.mark.parametrize("version", VERSIONS)
def test_parsing_and_serializing_gives_the_same_bytes(version: str) -> None:
    for scenario in scenarios_of(version):
        for data in frames_from_haproxy(version, scenario):
            frame = parse_frame(data[4:])
            if frame.type == NOTIFY and frame.flags:
                payload = serialize_messages(parse_messages(frame.payload, 0))
            elif frame.type in (1, 2):
                payload = serialize_pairs(parse_pairs(frame.payload, 0))
            else:
                payload = frame.payload
            assert serialize_frame(frame._replace(payload=payload)) == data
