"""``/status``: what it tells, to whom, and which link of the chain it points at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from haproxy_telemetry.admin.chain import Link, answer
from haproxy_telemetry.admin.guard import is_own_host
from haproxy_telemetry.admin.status import MOST_HAPROXIES, version_by
from haproxy_telemetry.engines import About
from haproxy_telemetry.faults import LONGEST_FRAME, MOST, Fault, Faults
from haproxy_telemetry.otlp.ledger import ExportState
from server.running_agent import Peer, made, message, running, stream, wait_for

from .pages import World, ask, served
from .test_agent_with_pages import admin_of

PAGE = Path(__file__).parent.parent.parent / "docs" / "status.md"
S = 1_000_000_000


def status(world: World) -> dict[str, Any]:
    with served(world) as address:
        code, fields, body = ask(address, "/status", host="127.0.0.1")
    assert (code, fields["content-type"]) == (200, "application/json")
    found: dict[str, Any] = json.loads(body)
    return found


def link(page: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in page["chain"] if one["link"] == name)
    return found


def a_busy_world() -> World:
    world = World(export=ExportState(5, 1_700_000_090.0, None, 990.0, last_error="HTTP 503"))
    world.stats.count("handshakes", "", 2)
    world.stats.count("frames_answered", "", 9)
    world.stats.count("spans_exported", "", 18)
    world.stats.count("spans_dropped", "queue_full", 2)
    seen = world.seen
    seen.connection_ns, seen.frame_ns, seen.messages_ns, seen.trace_ns = (
        world.now - 50 * S,
        world.now - 20 * S,
        world.now - 20 * S,
        world.now - 11 * S,
    )
    seen.messages, seen.traces = 9, 2
    world.began = [world.now - 400 * S, world.now - 50_000_000, world.now - 2 * S, world.now - 3 * S]
    about = About((b"2.0",), (b"pipelining", b"async"), 16380)
    engine = world.engines.came(b"11-22\x1b[2J", "10.0.0.7:40000", about, world.now - 50 * S)
    assert engine is not None
    engine.frames = 9
    engine.failed("invalid_frame")
    return world


def test_an_engine_is_told_with_what_its_hello_says() -> None:
    [told] = status(a_busy_world())["haproxies"]
    assert told == {
        "engine_id": "11-22\\x1b[2J",
        "peer": "10.0.0.7:40000",
        "version": "3.0 or earlier",
        "spop_versions": ["2.0"],
        "capabilities": ["pipelining", "async"],
        "max_frame_size": 16380,
        "connections": 1,
        "connections_total": 1,
        "frames": 9,
        "errors": {"invalid_frame": 1},
        "first": 1_700_000_050.0,
        "last": 1_700_000_050.0,
    }


def test_an_escape_of_the_peer_cannot_leave_as_one() -> None:
    with served(a_busy_world()) as address:
        assert b"\x1b" not in ask(address, "/status", host="127.0.0.1")[2]


def test_live_traces_are_told_by_age() -> None:
    live = status(a_busy_world())["live_traces"]
    ages = {age["up_to_s"]: age["traces"] for age in live["ages"]}
    assert live["count"] == 4
    assert ages == {0.1: 1, 1.0: 0, 10.0: 2, 60.0: 0, 300.0: 0, None: 1}


def test_the_export_is_told_with_its_last_error() -> None:
    assert status(a_busy_world())["export"] == {
        "target": "http://collector:4318/v1/traces",
        "queue": 5,
        "exported": 18,
        "lost": 2,
        "last_success": 1_700_000_090.0,
        "failing_s": None,
        "last_error": "HTTP 503",
    }


def test_every_counter_is_told_and_drops_are_marked() -> None:
    counters = {(one["name"], one["reason"]): one for one in status(a_busy_world())["counters"]}
    assert set(counters) == {
        ("handshakes", ""),
        ("frames_answered", ""),
        ("spans_exported", ""),
        ("spans_dropped", "queue_full"),
    }
    assert (counters["spans_dropped", "queue_full"]["drop"], counters["spans_exported", ""]["drop"]) == (True, False)
    assert counters["spans_dropped", "queue_full"]["what"] == "Spans that were lost"


def test_a_fault_is_told_with_its_frame_in_words() -> None:
    world = World()
    frame = made(3, message((b"id", b"7"), (b"span", b"x" * 3000)))[4:]
    world.faults.add(Fault(world.now, "10.0.0.7:1", b"e", "invalid_frame", "the frame ends", frame, len(frame)))
    [told] = status(world)["protocol_errors"]
    assert (told["status"], told["error"], told["frame_size"]) == ("invalid_frame", "the frame ends", len(frame))
    assert 'message "opentracing:x", 2 arguments' in told["frame"]
    assert f"the first {LONGEST_FRAME} of {len(frame)} bytes" in told["frame"]
    assert len(told["frame"]) < 1000


def test_a_storm_of_one_fault_hides_no_other() -> None:
    faults = Faults()
    faults.add(Fault(1, "a:1", b"", "not_spop", "first"))
    for number in range(1000):
        faults.add(Fault(number, f"a:{number}", b"", "bad_frame", "second"))
    assert [(fault.sentence, fault.times) for fault in faults.last()] == [("second", 1000), ("first", 1)]
    for number in range(1000):
        faults.add(Fault(number, "a:1", b"", "x", f"{number}"))
    assert len(faults.last()) == MOST


def test_engines_past_the_bound_are_counted_only() -> None:
    world = World()
    for number in range(MOST_HAPROXIES + 3):
        world.engines.came(b"%d" % number, "a:1", About((), (), 1), number)
    page = status(world)
    assert (len(page["haproxies"]), page["haproxies_not_listed"]) == (MOST_HAPROXIES, 3)
    assert page["haproxies"][0]["engine_id"] == str(MOST_HAPROXIES + 2)


def test_async_went_with_3_1() -> None:
    assert version_by((b"pipelining", b"async")) == "3.0 or earlier"
    assert version_by((b"pipelining",)) == "3.1 or later"


# Why do I see nothing?


def test_before_anything_has_come_the_first_link_says_what_to_do() -> None:
    page = status(World())
    assert [one["link"] for one in page["chain"]] == [
        "haproxy",
        "frames",
        "messages",
        "records",
        "sampling",
        "export",
        "store",
    ]
    assert page["answer"].startswith("haproxy: no HAProxy has connected to 127.0.0.1:7000.")
    assert "doctor" in page["answer"]
    assert [one["state"] for one in page["chain"]] == ["nothing"] * 3 + ["off"] + ["nothing"] * 3


def test_when_all_is_well_every_link_has_seen_something_and_when() -> None:
    page = status(a_busy_world())
    links = {one["link"]: (one["state"], one["count"], one["last"]) for one in page["chain"]}
    assert links == {
        "haproxy": ("seen", 2, 1_700_000_050.0),
        "frames": ("seen", 9, 1_700_000_080.0),
        "messages": ("seen", 9, 1_700_000_080.0),
        "records": ("off", 0, None),
        "sampling": ("seen", 2, 1_700_000_089.0),
        "export": ("seen", 20, 1_700_000_090.0),
        "store": ("seen", 18, 1_700_000_090.0),
    }
    assert page["answer"].startswith("every link has seen something")


def test_health_checks_alone_ask_for_a_request() -> None:
    world = World()
    world.stats.count("connections")
    world.stats.count("health_checks")
    page = status(world)
    assert (link(page, "haproxy")["state"], page["answer"][:32]) == ("seen", "frames: no event has come. Send ")


def test_what_is_no_haproxy_is_named() -> None:
    world = World()
    world.stats.count("connections")
    world.faults.add(Fault(1, "a:1", b"", "not_spop", 'the peer does not speak SPOP: it sent "GET "', b"GET ", 4))
    assert "GET" in status(world)["answer"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [("", "must begin with `opentracing:`"), ("id_null", "unique-id-format"), ("span_missing", "span_missing 3")],
)
def test_messages_that_say_nothing_are_a_problem_with_a_remedy(reason: str, words: str) -> None:
    world = World()
    world.stats.count("handshakes")
    world.stats.count("frames_answered", "", 3)
    if reason:
        world.stats.count("dsl_problems", reason, 3)
    page = status(world)
    assert page["answer"].startswith("messages: ")
    assert words in link(page, "messages")["says"]


def test_records_that_were_asked_for_and_do_not_come_are_missed() -> None:
    world = World(records=["udp:127.0.0.1:7514"])
    assert "udp:127.0.0.1:7514" in link(status(world), "records")["says"]
    world.stats.count("records_dropped", "not_json", 4)
    told = link(status(world), "records")
    assert told["state"] == "problem"
    assert "not_json 4" in told["says"]


def test_records_alone_need_no_frames() -> None:
    world = World(records=["udp:127.0.0.1:7514"])
    world.stats.count("records", "", 4)
    assert [one["state"] for one in status(world)["chain"]][:4] == ["off", "off", "off", "seen"]


def test_sampling_that_leaves_all_out_is_a_problem() -> None:
    world = World()
    world.stats.count("traces_dropped", "rule", 2)
    world.stats.count("traces_dropped", "unsampled", 5)
    assert "unsampled 5, rule 2" in link(status(world), "sampling")["says"]


def test_traces_that_nobody_ends_are_told_with_their_age() -> None:
    world = World()
    world.began = [world.now - 42 * S]
    assert "1 traces are alive, the oldest for 42 s" in link(status(world), "sampling")["says"]


def test_an_export_that_fails_says_where_to_and_why() -> None:
    world = World(export=ExportState(7, None, 1.0, 2.0, last_error="connection refused"))
    page = status(world)
    assert link(page, "export")["state"] == "problem"
    assert re.search(r"http://collector:4318/v1/traces has not been reached for \d+ s: connection refused", str(page))


def test_a_store_that_refuses_is_a_problem_of_the_store() -> None:
    world = World(export=ExportState(0, None, 1.0, 2.0, last_error="HTTP 400 (no)"))
    world.stats.count("spans_dropped", "http_400", 9)
    assert "refused spans (http_400 9): HTTP 400 (no)" in link(status(world), "store")["says"]


def test_a_problem_is_told_before_what_has_not_come() -> None:
    links = [Link("a", "nothing", 0, None, "wait"), Link("b", "problem", 0, None, "mend")]
    assert answer(links) == "b: mend"


# To whom


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "", "127.0.0.1.evil.example", "x,127.0.0.1"])
def test_a_name_that_was_made_to_mean_this_address_gets_nothing(host: str) -> None:
    with served(World()) as address:
        assert ask(address, "/status", host=host)[::2] == (
            403,
            b"ask by the IP address or as localhost, not by this name\n",
        )
        assert ask(address, "/livez", host=host)[0] in (200, 503)


@pytest.mark.parametrize("host", ["127.0.0.1:9464", "[::1]:9464", "::1", "LOCALHOST:1", "10.1.2.3", "metrics.internal"])
def test_addresses_and_the_configured_name_are_hosts_of_ours(host: str) -> None:
    assert is_own_host(host, "metrics.internal")


def test_a_page_of_another_site_gets_nothing() -> None:
    with served(World()) as address:
        assert ask(address, "/status", host="127.0.0.1", origin="https://evil.example")[0] == 403
        assert ask(address, "/status", host="127.0.0.1:1", origin="http://127.0.0.1:1")[0] == 200


# The page in docs, and the agent


def test_every_field_is_documented() -> None:
    world = a_busy_world()
    world.faults.add(Fault(world.now, "a:1", b"", "invalid_frame", "no", b"\x03", 1))
    text = PAGE.read_text()

    def names(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*(names(one) for key, one in value.items() if key != "errors"))
        return set().union(*(names(one) for one in value)) if isinstance(value, list) else set()

    assert {name for name in names(status(world)) if f"`{name}`" not in text} == set()


def test_the_agent_tells_its_haproxy_its_traces_and_the_frame_that_was_wrong(tmp_path: Path) -> None:
    with running(tmp_path, "--admin", "127.0.0.1:0") as agent:
        address = admin_of(agent)

        def page() -> dict[str, Any]:
            found: dict[str, Any] = json.loads(ask(address, "/status", host=address)[2])
            return found

        assert page()["answer"].startswith(f"haproxy: no HAProxy has connected to {agent.addresses[0]}")
        peer = agent.connect()
        frames = stream(1)
        peer.ask(*frames)
        wait_for(lambda: page()["export"]["exported"], "export")
        peer.send(made(3, b"\x05hello"))
        assert peer.frame()
        told = page()
        [engine] = told["haproxies"]
        assert (engine["version"], engine["frames"], engine["errors"]) == (
            "3.1 or later",
            len(frames),
            {"invalid_frame": 1},
        )
        [fault] = told["protocol_errors"]
        assert fault["frame"].startswith("NOTIFY stream 1 frame 1 FIN, 13 bytes")
        assert (fault["engine_id"], fault["times"]) == (engine["engine_id"], 1)
        assert told["export"]["target"] == f"the file {agent.file}"
        states = {one["link"]: one["state"] for one in told["chain"]}
        assert states == dict.fromkeys(states, "seen") | {"records": "off"}
        wrong = Peer(agent.addresses[0])
        wrong.send(b"GET / HTTP/1.1\r\n\r\n")
        wait_for(lambda: page()["protocol_errors"][0]["status"] == "not_spop", "fault")
        assert '"GET "' in page()["protocol_errors"][0]["error"]
