"""What HAProxy makes of an agent that breaks the rules: a 200 for the client, the reason in `txn.<prefix>.err`.

Only one event is used, but where it is about a second one: for that, 2.6 loses its time limit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from haproxy_versions import HaproxyVersion

from haproxy_telemetry.spop.frames import FIN, Frame, serialize_frame
from haproxy_telemetry.spop.handshake import serialize_agent_disconnect, serialize_agent_hello
from peer.configurations import DEFAULTS, agent_backend, behind
from peer.conftest import StartHaproxy
from peer.http_client import Response, keep_alive, request
from peer.misbehaving_agent import Behaviour, MisbehavingAgent, Talk, ack, answer, hello
from peer.origin import Origin
from peer.processes import LOOPBACK, free_port, wait_until

PROCESSING_MS = 150

SPOE = f"""\
[engine]
spoe-agent agent
    messages ask
    option var-prefix agent
    option set-on-error err
    timeout hello 1s
    timeout idle 20s
    timeout processing {PROCESSING_MS}ms
    use-backend agents
spoe-message ask
    args path=path
    event on-frontend-http-request
"""

Said = tuple[str, str]
"""`txn.agent.err` and `txn.agent.answer` in the end, "" for one that is not set."""

YES: Said = ("", "yes")
TIMEOUT: Said = ("1", "")
EVER = (2, 6)


SECOND = (
    SPOE.replace("messages ask", "messages ask again")
    + """\
spoe-message again
    args path=path
    event on-backend-http-request
"""
)


def start(
    start_haproxy: StartHaproxy,
    origin: Origin,
    agent: int,
    *,
    checked: bool = False,
    threads: int = 2,
    spoe: str = SPOE,
) -> int:
    """Start a HAProxy that asks this agent; return its port. An agent unchecked is one that nobody takes out."""
    port = free_port()
    address = f"{LOOPBACK}:{agent}"
    unchecked = f"backend agents\n mode tcp\n timeout connect 500ms\n timeout server 5s\n server agent {address}\n"
    config = f"""global
    nbthread {threads}
{DEFAULTS}
frontend web
    bind {LOOPBACK}:{port}
    log-format "%HU %ST %tsc error=%[var(txn.agent.err)]"
    filter spoe engine engine config spoe.cfg
    http-response set-header x-error %[var(txn.agent.err)] if {{ var(txn.agent.err) -m found }}
    http-response set-header x-answer %[var(txn.agent.answer)] if {{ var(txn.agent.answer) -m found }}
    default_backend origin
{behind(origin.port)}
{agent_backend("agents", address, "inter 20ms") if checked else unchecked}"""
    start_haproxy(config, {"spoe.cfg": spoe})
    return port


def silent(_: Talk, __: Frame) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Case:
    """One way to break the rules, and what HAProxy may say of it from a version on.

    There are several where it depends on who was faster, or on the patch release.
    """

    outcomes: Mapping[tuple[int, int], Sequence[Said]]
    on_notify: Behaviour = silent
    on_hello: Behaviour = hello

    def allowed(self, version: HaproxyVersion) -> Sequence[Said]:
        return self.outcomes[max(number for number in self.outcomes if number <= version.number)]


def disconnect(status: int) -> Behaviour:
    return lambda talk, _: talk.write(serialize_agent_disconnect(status, b"of my own accord"))


def say(data: bytes) -> Behaviour:
    """Write bytes as they are."""
    return lambda talk, _: talk.write(data)


def acked(payload: bytes) -> Behaviour:
    """An ACK with this list of actions."""
    return lambda talk, frame: talk.write(ack(frame, payload))


def unknown_stream_first(talk: Talk, frame: Frame) -> None:
    talk.write(ack(frame, answer(b"wrong"), streams_on=1000) + ack(frame, answer()))


def unknown_frame_first(talk: Talk, frame: Frame) -> None:
    talk.write(ack(frame, answer(b"wrong"), frames_on=1000) + ack(frame, answer()))


def unknown_type_first(talk: Talk, frame: Frame) -> None:
    talk.write(serialize_frame(Frame(111, FIN, frame.stream_id, frame.frame_id, b"")) + ack(frame, answer()))


def twice(talk: Talk, frame: Frame) -> None:
    talk.write(ack(frame, answer(b"first")) + ack(frame, answer(b"second")))


def unfinished(talk: Talk, frame: Frame) -> None:
    talk.write(ack(frame, answer(), flags=0))


def faulty(action: bytes) -> Behaviour:
    """A good action, a bad one, a good one.

    What stands before the fault is done, the rest is not; only a value of unknown type counts as an empty one.
    """
    return lambda talk, frame: talk.write(ack(frame, answer() + action + answer(b"later")))


def hello_with(text: bytes, instead: bytes) -> Behaviour:
    return lambda talk, _: talk.write(serialize_agent_hello(16_380, []).replace(text, instead))


BOTH = [("", "first"), ("", "second")]

CASES = {
    "none of them": Case({EVER: [YES]}, acked(answer())),
    "disconnect 0": Case({EVER: [("256", "")], (3, 1): [("257", "")]}, disconnect(0)),
    "disconnect 13": Case({EVER: [("269", "")]}, disconnect(13)),
    "disconnect 200": Case({EVER: [("456", "")]}, disconnect(200)),
    "close": Case(
        {EVER: [("257", "")], (3, 1): [("257", ""), TIMEOUT], (3, 2): [("257", "")]}, lambda talk, _: talk.close()
    ),
    "reset": Case({EVER: [("257", "")], (3, 1): [("257", ""), TIMEOUT]}, lambda talk, _: talk.reset()),
    "no ack": Case({EVER: [TIMEOUT]}, silent),
    "unknown stream": Case({EVER: [YES], (3, 1): [TIMEOUT]}, unknown_stream_first),
    "unknown frame": Case({EVER: [YES], (3, 1): [TIMEOUT]}, unknown_frame_first),
    "unknown type": Case({EVER: [YES], (3, 1): [TIMEOUT, YES]}, unknown_type_first),
    "second ack": Case({EVER: [("", "first")], (3, 1): [("256", ""), *BOTH], (3, 2): BOTH}, twice),
    "ack without fin": Case({EVER: [("256", "")], (3, 1): [TIMEOUT]}, unfinished),
    "truncated action": Case({EVER: [YES]}, acked(answer() + answer(b"later")[:-2])),
    "unknown action": Case({EVER: [YES]}, faulty(b"\x09\x03\x02\x05other\x00")),
    "wrong number of arguments": Case({EVER: [YES]}, faulty(b"\x01\x07\x02\x05other\x00")),
    "unknown scope": Case({EVER: [YES]}, faulty(b"\x01\x03\x09\x05other\x00")),
    "bad data type": Case({EVER: [("", "later")]}, faulty(b"\x01\x03\x02\x05other\x0c")),
    "garbage for actions": Case({EVER: [("", "")]}, acked(b"\xff" * 100)),
    "ack larger than a frame": Case({EVER: [("259", "")], (3, 1): [TIMEOUT]}, acked(answer(b"x" * 20_000))),
    "absurd length": Case({EVER: [("259", "")], (3, 1): [TIMEOUT]}, say(b"\x7f\xff\xff\xff" + b"x" * 100)),
    "length 0": Case({EVER: [TIMEOUT], (2, 8): [("260", "")], (3, 1): [TIMEOUT]}, say(bytes(4))),
    "no hello": Case({EVER: [TIMEOUT]}, on_hello=silent),
    "hello of version 3.0": Case({EVER: [TIMEOUT]}, on_hello=hello_with(b"\x032.0", b"\x033.0")),
    "hello without a version": Case({EVER: [TIMEOUT]}, on_hello=hello_with(b"version", b"revsion")),
    "hello with a larger frame": Case({EVER: [TIMEOUT]}, on_hello=say(serialize_agent_hello(60_000, []))),
    "disconnect for hello": Case({EVER: [TIMEOUT]}, on_hello=disconnect(5)),
    "close for hello": Case({EVER: [TIMEOUT], (3, 1): [TIMEOUT, ("257", "")]}, on_hello=lambda talk, _: talk.close()),
}


@pytest.mark.parametrize("name", CASES)
def test_the_client_has_its_answer_and_haproxy_says_what_was_wrong(
    version: HaproxyVersion, start_haproxy: StartHaproxy, origin: Origin, name: str
) -> None:
    case = CASES[name]
    with MisbehavingAgent(case.on_notify, case.on_hello) as agent:
        port = start(start_haproxy, origin, agent.port)
        response = request(port)
    assert response.status == 200
    assert said(response) in case.allowed(version)


def said(response: Response) -> Said:
    return response.header("x-error") or "", response.header("x-answer") or ""


def test_an_ack_that_comes_too_late_does_no_harm(start_haproxy: StartHaproxy, origin: Origin) -> None:
    kept: list[bytes] = []

    def one_late(talk: Talk, frame: Frame) -> None:
        """Keep the first answer until the second is due, which comes by the same connection."""
        kept.append(ack(frame, answer(b"late" if not kept else b"yes")))
        if len(kept) > 1:
            talk.write(kept[0] + kept[-1])

    with MisbehavingAgent(one_late) as agent:
        port = start(start_haproxy, origin, agent.port, threads=1)
        responses = keep_alive(port, ["/1", "/2"])
    assert [(response.status, said(response)) for response in responses] == [(200, TIMEOUT), (200, YES)]


def test_each_event_of_a_request_has_the_time_limit(
    version: HaproxyVersion, start_haproxy: StartHaproxy, origin: Origin
) -> None:
    """2.6 has it for the first alone: the task sleeps until that one's limit, and then forgets a later one's."""
    if version.number < (2, 8):
        pytest.skip("2.6 holds the client up: see docs/profiles.md")
    taken: list[Frame] = []

    def first_alone(talk: Talk, frame: Frame) -> None:
        """Answer the first after some of HAProxy's milliseconds, so that its limit is not the second's too."""
        taken.append(frame)
        if len(taken) == 1:
            time.sleep(PROCESSING_MS / 3000)
            talk.write(ack(frame, answer()))

    with MisbehavingAgent(first_alone) as agent:
        response = request(start(start_haproxy, origin, agent.port, spoe=SECOND))
    assert len(taken) == 2
    assert (response.status, said(response)) == (200, ("1", "yes"))


def test_an_agent_that_is_away_costs_the_time_limit_where_nobody_checks(
    start_haproxy: StartHaproxy, origin: Origin
) -> None:
    response = request(start(start_haproxy, origin, free_port()))
    assert (response.status, said(response)) == (200, TIMEOUT)


def test_an_agent_that_is_away_costs_nothing_where_it_is_checked(
    version: HaproxyVersion, start_haproxy: StartHaproxy, origin: Origin
) -> None:
    port = start(start_haproxy, origin, free_port(), checked=True)
    error = "257" if version.number >= (3, 1) else "2"
    wait_until(lambda: said(request(port)) == (error, ""), f"error {error}")
    assert request(port).status == 200
