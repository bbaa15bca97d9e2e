"""One connection of a HAProxy: bytes in, bytes out; the answer first, the work after.

Pure: a driver (``server.py``, a test) hands in bytes and the time, writes what it gets back, and only then calls
:meth:`~.agent.Agent.carry_out`.
"""

from __future__ import annotations

from typing import final

from haproxy_telemetry.agent import Agent
from haproxy_telemetry.engines import About, Engine
from haproxy_telemetry.faults import Fault
from haproxy_telemetry.spop import (
    Aborted,
    AgentConnection,
    Connected,
    Disconnected,
    Event,
    Failed,
    HealthChecked,
    Notified,
    NotSpop,
    Skipped,
    StatusCode,
    describe_status,
)
from haproxy_telemetry.spop.errors import quoted


@final
class Session:
    """One connection of a HAProxy: bytes in, bytes out."""

    def __init__(self, agent: Agent, peer: str) -> None:
        self.peer = peer
        self._agent = agent
        self._stats = agent.stats
        self._connection = AgentConnection(agent.limits, shapes=agent.shapes)
        self.greeted = False
        self.answered = 0
        """NOTIFYs of the last read."""
        self._engine: Engine | None = None
        self._engine_id = b""
        self._once = agent.once

    @property
    def closed(self) -> bool:
        """Whether the connection is to be closed once everything is written."""
        return self._connection.closed

    def receive(self, data: bytes, now: int) -> bytes:
        """Take what came; return what is to be written at once, before :meth:`Agent.carry_out`."""
        try:
            events = self._connection.receive_data(data)
        except Exception as error:
            self._agent.bug("receive", error)
            self._connection.disconnect(StatusCode.UNKNOWN, b"internal error of the agent")
            return self._to_send()
        answered = 0
        for event in events:
            if isinstance(event, Notified):
                self._answer(event, now)
                answered += 1
            else:
                self._other(event, now)
        self.answered = answered
        if answered:
            self._agent.answered.add(answered)
            self._agent.seen.frame_ns = now
            if self._engine is not None:
                self._engine.frames += answered
                self._engine.last_ns = now
        return self._to_send()

    def _to_send(self) -> bytes:
        """Return what is to be written, and count the frames that are no usual pair of NOTIFY and ACK."""
        data = self._connection.data_to_send()
        if seldom := self._connection.seldom:
            for frame_type, number in seldom.items():
                self._stats.count("frames", frame_type.label, number)
            seldom.clear()
        return data

    def _answer(self, notified: Notified, now: int) -> None:
        """Acknowledge a NOTIFY in any case: a request waits for it."""
        actions = b""
        try:
            actions = self._agent.prepare(notified, now)
        except Exception as error:
            self._stats.count("frames_dropped", "internal_error")
            self._agent.bug("prepare", error)
        left_out = self._connection.acknowledge_serialized(notified, actions)
        if left_out:
            self._stats.count("variables_dropped", "frame_full", left_out)

    def disconnect(self) -> bytes:
        """Return the AGENT-DISCONNECT that ends the connection in order, or nothing if it has ended."""
        if not self._connection.closed:
            self._connection.disconnect(StatusCode.NORMAL, b"the agent stops")
        return self._to_send()

    def lost(self) -> None:
        """Say that the socket is gone. It tells nothing about the streams: others may carry them on."""
        if self._engine is not None:
            self._engine.connections -= 1
            self._engine = None

    def _note(self, fault: Fault) -> None:
        self._agent.faults.add(fault)
        if self._engine is not None:
            self._engine.failed(fault.status)

    def _other(self, event: Event, now: int) -> None:
        if isinstance(event, Connected):
            self._connected(event, now)
        elif isinstance(event, HealthChecked):
            self._stats.count("health_checks")
            self._agent.seen.connection_ns = now
        elif isinstance(event, Failed):
            self._failed(event, now)
        elif isinstance(event, Disconnected):
            self._disconnected(event, now)
        elif isinstance(event, Aborted):
            self._stats.count("frames_aborted")
        elif isinstance(event, Skipped):
            self._stats.count("frames_skipped", event.reason)

    def _connected(self, event: Connected, now: int) -> None:
        self._stats.count("handshakes")
        self.greeted = True
        hello = event.hello
        self._engine_id = hello.engine_id
        self._agent.seen.connection_ns = now
        about = About(hello.versions, hello.capabilities, hello.max_frame_size)
        self._engine = self._agent.engines.came(hello.engine_id, self.peer, about, now)

    def _failed(self, event: Failed, now: int) -> None:
        error = event.error
        status = "not_spop" if isinstance(error, NotSpop) else error.status.name.lower()
        self._note(Fault(now, self.peer, self._engine_id, status, str(error), error.culprit, len(error.culprit)))
        if isinstance(error, NotSpop):
            self._stats.count("protocol_errors", "not_spop")
            self._once.warn_once("not spop", "a peer does not speak SPOP", peer=self.peer, error=error)
            return
        self._stats.count("protocol_errors", error.status.name.lower())
        self._once.warn_once(
            ("failed", error.status),
            "HAProxy broke the protocol",
            peer=self.peer,
            status=error.status.name,
            error=error,
        )

    def _disconnected(self, event: Disconnected, now: int) -> None:
        """HAProxy says goodbye: normal at a stop and after its idle time, else it has a complaint."""
        status = event.status.name.lower() if isinstance(event.status, StatusCode) else "unknown"
        self._stats.count("disconnects", status)
        if event.status not in (StatusCode.NORMAL, StatusCode.TIMEOUT):
            words = f"HAProxy ended the connection: {describe_status(event.status)}, {quoted(event.message)}"
            self._note(Fault(now, self.peer, self._engine_id, status, words))
            self._once.warn_once(
                ("disconnected", event.status),
                "HAProxy ended the connection",
                peer=self.peer,
                status=f"{event.status} ({describe_status(event.status)})",
                message=event.message,
            )
