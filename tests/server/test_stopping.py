"""How the agent ends: in order, in time, and with an account of everything."""

from __future__ import annotations

import itertools
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from server.running_agent import (
    ACK,
    AGENT_DISCONNECT,
    NOTIFY,
    Peer,
    RunningAgent,
    disconnected,
    made,
    message,
    running,
    stream,
    trace_id,
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_spans_leave_as_incomplete_and_the_peer_is_told(tmp_path: Path, number: int) -> None:
    with running(tmp_path) as agent:
        peer = agent.connect()
        acks = peer.ask(*stream(1)[:3])
        agent.signal(number)
        assert disconnected(peer.frame()) == 0
        assert peer.frame() == b""
        peer.close()
        assert agent.wait() == 0
        spans = agent.spans_of(trace_id(acks[0]))
        mark = {"key": "haproxy.incomplete", "value": {"boolValue": True}}
        incomplete = [span["name"] for span in spans if mark in span.get("attributes", ())]
        assert incomplete == ["HAProxy session", "Client session", "Frontend HTTP request"]
        assert len(spans) == 4
        assert agent.totals["traces_incomplete.shutdown"] == 1
        assert agent.totals["exported"] == agent.totals["spans_exported"] == 4
        assert agent.complaints() == []


def test_without_any_peer_it_ends_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as agent:
        agent.logged("listening")
        began = time.monotonic()
        assert agent.stop() == 0
        assert time.monotonic() - began < 5
        assert [line.split("msg=")[1].split()[0] for line in agent.log] == ["listening", "stopping", "stopped"]


class Load:
    """A HAProxy that asks and asks on one connection; keeps the trace ids that it was answered."""

    def __init__(self, peer: Peer, first: int) -> None:
        self.answered: list[str] = []
        self.last = 0
        self.reset = False
        self._peer = peer
        self._first = first
        self.asked = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        frames = stream(0)
        try:
            for number in range(self._first, self._first + 10**6):
                name = b"%0*d" % (41, number)
                self._peer.send(*[frame.replace(b"0" * 41, name) for frame in (frames if number % 3 else frames[:3])])
                self.asked.release()
                for _ in range(len(frames) if number % 3 else 3):
                    answer = self._peer.frame()
                    if not answer or answer[0] == AGENT_DISCONNECT:
                        self.last = answer[0] if answer else 0
                        self._peer.close()
                        return
                    assert answer[0] == ACK
                    self.answered += [told] if (told := trace_id(answer)) else []
        except OSError:
            self.reset = True


def test_under_load_every_answer_is_in_the_export_or_among_the_losses(tmp_path: Path) -> None:
    with running(tmp_path, listen=("127.0.0.1:0", f"unix:{tmp_path}/a.sock")) as agent:
        loads = [Load(agent.connect(n % 2), n * 10**6) for n in range(6)]
        for load in loads:
            for _ in range(30):
                assert load.asked.acquire(timeout=8)
        assert agent.stop() == 0
        for load in loads:
            load.thread.join(8)
            assert (load.last, load.reset) == (AGENT_DISCONNECT, False)
        answered = {one for load in loads for one in load.answered}
        exported = {span["traceId"] for span in agent.spans()}
        totals = agent.totals
        assert len(answered) >= 180
        assert exported <= answered
        assert totals["exported"] == len(agent.spans())
        missing = answered - exported
        if totals["lost"] == 0:
            assert missing == set()
        else:
            assert totals["lost"] >= len(missing)


def test_a_peer_that_goes_on_sending_reads_all_answers_before_the_end(tmp_path: Path) -> None:
    """Nothing of what was written is erased by a reset, although the peer's frames stay unread at the end."""
    with running(tmp_path) as agent:
        peer = agent.connect()
        frame = message((b"id", b"1"), (b"span", b"A"), (b"tag", b"t"), (b"", b"v" * 1000))
        stop = threading.Event()

        def flood() -> None:
            try:
                for number in itertools.cycle(range(200)):
                    peer.send(made(NOTIFY, frame, ids=bytes([number, 1])))
                    if stop.is_set():
                        break
            except OSError:
                pass

        flooding = threading.Thread(target=flood, daemon=True)
        flooding.start()
        assert peer.frame()[0] == ACK
        agent.signal(signal.SIGTERM)
        types = [peer.frame()[0]]
        while types[-1] != AGENT_DISCONNECT:
            types.append(peer.frame()[0])
        stop.set()
        flooding.join(8)
        assert set(types[:-1]) == {ACK}
        assert agent.wait() == 0


@pytest.fixture
def silent_collector() -> socket.socket:
    """Takes connections and requests, and never answers."""
    return socket.create_server(("127.0.0.1", 0))


def to_collector(listener: socket.socket) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}"}


@pytest.mark.parametrize("away", [True, False], ids=["connection refused", "no answer"])
def test_a_collector_that_is_away_does_not_hold_the_agent(
    tmp_path: Path, silent_collector: socket.socket, away: bool
) -> None:
    environ = {**to_collector(silent_collector), "HAPROXY_TELEMETRY_SERVER_SHUTDOWN_TIMEOUT": "0.5"}
    if away:
        silent_collector.close()
    with running(tmp_path, export="otlp", environ=environ) as agent:
        peer = agent.connect()
        peer.ask(*stream(1))
        peer.ask(*stream(2)[:3])
        peer.close()
        began = time.monotonic()
        assert agent.stop() == 0
        assert time.monotonic() - began < 0.5 + 1
        assert agent.totals["exported"] == 0
        assert agent.totals["lost"] == 13
        assert sum(n for name, n in agent.totals.items() if name.startswith("spans_dropped.")) == 13
        assert " level=warning msg=stopped " in agent.log[-1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once(
    tmp_path: Path, silent_collector: socket.socket, number: int, code: int
) -> None:
    environ = {**to_collector(silent_collector), "HAPROXY_TELEMETRY_SERVER_SHUTDOWN_TIMEOUT": "60"}
    path = tmp_path / "a.sock"
    with running(tmp_path, export="otlp", environ=environ, listen=(f"unix:{path}",)) as agent:
        agent.connect().ask(*stream(1))
        agent.signal(number)
        agent.logged("stopping")
        agent.signal(number)
        assert agent.wait() == code
        assert "ended at once" in agent.log[-1]
        assert "frames_answered=8" in agent.log[-1]
        assert not path.exists()


def test_sighup_and_sigusr1_end_nothing(agent: RunningAgent) -> None:
    peer = agent.connect()
    agent.signal(signal.SIGHUP)
    assert "changed=nothing" in agent.logged("settings read again")
    peer.ask(*stream(3))
    agent.signal(signal.SIGUSR1)
    assert "frames_answered=8" in agent.logged("msg=totals")
    assert peer.ask(stream(4)[0])[0][0] == ACK
