"""The agent is killed, records are lost, records and events miss each other: what it costs, and what it must not."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest
from haproxy_versions import HaproxyVersion

from lifecycles.client import Stream, Visit
from lifecycles.relays import LateRelay, LosingRelay
from lifecycles.run import Laboratory, laboratory
from peer.processes import free_port, wait_until
from peer.tracing_agent import Trace, TracingAgent

pytestmark = pytest.mark.xdist_group("life cycles")  # in turn with those


class Clients:
    """Some clients with one request after the other, each on a connection of its own. Use as a context manager."""

    def __init__(self, lab: Laboratory, number: int = 3) -> None:
        self._ports = lab.ports
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(number)]
        self.streams: list[Stream] = []  # append is atomic

    def _run(self) -> None:
        while not self._stop.is_set():
            self.streams.append(ask(self._ports))

    def wait_for_more(self, number: int) -> None:
        wanted = len(self.streams) + number
        wait_until(lambda: len(self.streams) >= wanted, f"{number} more requests")

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def ask(ports: dict[str, int]) -> Stream:
    """One request; what went wrong is its status."""
    return Visit(ports).get("/items")


def whole(agent: TracingAgent, stream: Stream) -> Trace:
    """Wait for the stream's trace, which must be complete."""
    trace = agent.trace(stream.trace_id)
    assert trace.root.attributes["http.response.status_code"] == 200
    assert trace.root.attributes["haproxy.termination.state"] == "----"
    assert not any(span.attributes.get("haproxy.incomplete") for span in trace.spans)
    return trace


def wait_for_health(lab: Laboratory) -> None:
    """The agent has answered a health check, and HAProxy, which may have tried before there was a way, believes it."""
    wait_until(lambda: lab.agent.totals().get("health_checks", 0) > 0, "a health check")
    wait_until(lambda: lab.haproxy.output.count(" is UP") >= lab.haproxy.output.count(" is DOWN"), "the agent to be up")


def frame_came(lab: Laboratory, number: int) -> bool:
    """Whether so many events were answered, within seconds. A busy machine may keep HAProxy from asking at all."""
    deadline = time.monotonic() + 3
    while (answered := lab.agent.totals().get("frames_answered", 0)) < number and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(answered >= number)


def test_the_agent_may_be_killed_and_no_request_notices(version: HaproxyVersion, tmp_path: Path) -> None:
    with laboratory(version, "standard", tmp_path) as lab:
        wait_for_health(lab)
        with Clients(lab) as clients:
            clients.wait_for_more(50)
            lab.agent.send(signal.SIGKILL)
            lab.agent.wait()
            clients.wait_for_more(100)
        second = lab.another_agent()
        try:
            next_one = ask(lab.ports)
            trace = whole(second, next_one)
        finally:
            second.stop()
        streams = [*clients.streams, next_one]
        assert {stream.status for stream in streams} == {200}
        reached = [lab.origin.of(stream.trace_id) for stream in streams]
        assert all(len(one) == 1 and len(one[0].traceparent) == 1 for one in reached)
        [client] = [span for span in trace.spans if span.kind == "client"]
        assert reached[-1][0].traceparent == [f"00-{trace.trace_id}-{client.span_id}-01"]


def test_lost_records_leave_their_own_traces_incomplete_and_no_others(version: HaproxyVersion, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def every_fifth(datagram: bytes) -> bool:
        seen.append(datagram)
        return len(seen) % 5 == 0

    ttl = {"HAPROXY_TELEMETRY_TRACE_TTL": "1"}
    with (
        LosingRelay(every_fifth) as relay,
        laboratory(version, "standard", tmp_path, records_port=relay.port, env=ttl) as lab,
    ):
        relay.target = lab.records_port
        wait_for_health(lab)
        streams = [ask(lab.ports) for _ in range(50)]
        lab.agent.wait_for(lambda _: True, len(streams))
        assert (len(relay.lost), len(relay.passed)) == (10, 40)
        lost = {stream.trace_id for stream in streams if any(stream.trace_id.encode() in one for one in relay.lost)}
        assert len(lost) == 10
        assert sorted(trace.trace_id for trace in lab.agent.traces) == sorted(stream.trace_id for stream in streams)
        for stream in streams:
            if stream.trace_id not in lost:
                whole(lab.agent, stream)
                continue
            trace = lab.agent.trace(stream.trace_id)
            assert [span.attributes.get("haproxy.incomplete") for span in trace.spans] == [True]
            assert trace.root.end_ns <= stream.ended_ns, "it ends where its last event was, not when it was given up"
        assert lab.agent.totals()["traces_incomplete.expired"] == 10


def test_a_record_may_come_before_the_events_of_its_stream(version: HaproxyVersion, tmp_path: Path) -> None:
    """The NOTIFY is held back: HAProxy stops waiting for its ACK, and the record overtakes it."""
    with LateRelay(0.05) as relay, laboratory(version, "standard", tmp_path, spoe_port=relay.port) as lab:
        relay.target = lab.agent.port
        wait_for_health(lab)
        streams: list[Stream] = []
        late: list[Stream] = []
        while len(late) < 5 and len(streams) < 20:
            streams.append(ask(lab.ports))
            # One at a time: those behind it on the connection would be held back longer than the agent waits.
            if frame_came(lab, len(late) + 1):
                late.append(streams[-1])
        assert len(late) == 5
        for stream in streams:
            assert stream.status == 200
            error = whole(lab.agent, stream).root.attributes["haproxy.spoe.error"]
            assert error == 1 or stream not in late
        assert len(lab.agent.traces) == len(streams)
        totals = lab.agent.totals()
        assert totals["records"] == len(streams)
        assert "frames_dropped.late" not in totals, "it was joined to its record, which had waited"


def test_a_record_without_any_event_is_a_whole_trace(version: HaproxyVersion, tmp_path: Path) -> None:
    """HAProxy cannot reach the agent, while its records do."""
    with laboratory(version, "standard", tmp_path, spoe_port=free_port()) as lab:
        wait_until(lambda: "is DOWN" in lab.haproxy.output, "the agent's absence")
        streams = [ask(lab.ports) for _ in range(5)]
        for stream in streams:
            assert stream.status == 200
            assert whole(lab.agent, stream).root.attributes["haproxy.spoe.error"] in (2, 257)
        assert len(lab.agent.traces) == 5
        assert "frames_answered" not in lab.agent.totals()
