"""docs/spop.md: the agent on that page is run, over a real socket, with what HAProxy sent."""

import builtins
import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import haproxy_telemetry.spop
from haproxy_telemetry.spop import SetVar
from haproxy_telemetry.spop.actions import parse_actions
from haproxy_telemetry.spop.frames import parse_frame
from spop.captures import ACK, DISCONNECT, HELLO, NOTIFY, VERSIONS, frames_from_haproxy

PAGE = (Path(__file__).parents[2] / "docs" / "spop.md").read_text()


@pytest.fixture(scope="module")
def serve() -> Callable[[socket.socket], None]:
    """The function of the page's first Python block."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Callable[[socket.socket], None]] = {}
    exec(program, names)
    return names["serve"]


def exchange(peer: socket.socket, frame: bytes) -> bytes:
    """Play HAProxy: send one frame, return the frame that answers it, without its length field."""
    peer.sendall(frame)
    size = int.from_bytes(receive(peer, 4), "big")
    return receive(peer, size)


def receive(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = peer.recv(size - len(data))
        assert chunk, "the agent closed the connection"
        data += chunk
    return data


@pytest.mark.parametrize("version", VERSIONS)
def test_the_agent_of_the_page_answers_haproxy(version: str, serve: Callable[[socket.socket], None]) -> None:
    frames = frames_from_haproxy(version, "types")
    goodbye = next(f for f in frames_from_haproxy("2.6.12", "idle") if f[4] == DISCONNECT)
    peer, agent = socket.socketpair()
    with peer, agent:
        peer.settimeout(10)
        agent.settimeout(10)
        thread = threading.Thread(target=serve, args=(agent,))
        thread.start()
        try:
            assert [frame[4] for frame in frames] == [HELLO, NOTIFY]
            assert exchange(peer, frames[0])[0] == 101
            ack = parse_frame(exchange(peer, frames[1]))
            assert exchange(peer, goodbye)[0] == 102
        finally:
            peer.shutdown(socket.SHUT_RDWR)
            thread.join(10)
        assert not thread.is_alive()
    assert (ack.type, ack.flags) == (ACK, 1)
    (action,) = parse_actions(ack.payload, 0)
    assert isinstance(action, SetVar)
    assert (action.name, action.value) == (b"messages", 2)


def test_the_page_names_what_there_is() -> None:
    """Every name of an event, value or call on the page is public, and every event is on the page."""
    for name in re.findall(r"`([A-Z][a-z][A-Za-z0-9]+)(?:\(|`)", PAGE):
        places = (haproxy_telemetry.spop, builtins, ipaddress)
        assert any(hasattr(place, name) for place in places), name
    for event in haproxy_telemetry.spop.Event.__args__:
        assert f"`{event.__name__}(" in PAGE
    for call in re.findall(r"^\| `([a-z_]+)\(", PAGE, re.MULTILINE):
        assert hasattr(haproxy_telemetry.spop.AgentConnection, call), call
