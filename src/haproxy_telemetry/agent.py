"""What the agent does with one connection's bytes: answer at once, then do the work.

Pure: no socket, no clock, no loop. A driver (``server.py``, a test) hands in bytes and the time, writes what it
gets back, and only then calls :meth:`Agent.carry_out`. This is the way of one NOTIFY:

    bytes  -> spop.AgentConnection   -> Notified        (the wire)
           -> dialect.translate      -> Told            (the seam)
           -> Assembler.propagate    -> Propagation     -> ACK, and the request goes on
           -> Assembler.apply        -> FinishedTrace   (the meaning)
           -> Exporter.export                           (the way out)
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, NamedTuple, final

from haproxy_telemetry.dialect import actions_for, translate
from haproxy_telemetry.exporters import Exporter
from haproxy_telemetry.logs import OnceLogger, fields
from haproxy_telemetry.spop import (
    Aborted,
    Action,
    AgentConnection,
    Connected,
    Disconnected,
    Event,
    Failed,
    HealthChecked,
    Limits,
    Notified,
    Scope,
    Skipped,
    StatusCode,
    describe_status,
)
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.instructions import Told

_LOG: Final = logging.getLogger("haproxy_telemetry.agent")


class _Work(NamedTuple):
    """One answered frame, yet to be carried out; ``size`` in bytes of payload, ``now`` when it came."""

    told: list[Told]
    size: int
    now: int


@final
class Agent:
    """What all connections share: the live traces, the way out, the counters."""

    def __init__(
        self,
        *,
        assembler: Assembler,
        exporter: Exporter,
        stats: Stats,
        scopes: Sequence[Scope],
        strict: bool = False,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
    ) -> None:
        self.limits = limits
        self.stats = stats
        self.engines: dict[bytes, int] = {}
        self._assembler = assembler
        self._exporter = exporter
        self._scopes = tuple(scopes)
        self._strict = strict
        self._work: list[_Work] = []
        self._once = OnceLogger(_LOG)

    def prepare(self, notified: Notified, now: int) -> list[Action]:
        """Return what the ACK of this NOTIFY says; what else follows from it waits for :meth:`carry_out`."""
        translation = translate(notified.messages, self._strict)
        if translation.skipped_messages:
            self.stats.count("messages_skipped", "", translation.skipped_messages)
        for problem in translation.problems:
            self._report(problem.reason, problem.subject, problem.hint)
        if not translation.told:
            return []
        propagation = self._assembler.propagate(translation.told, now)
        self._work.append(_Work(translation.told, notified.size, now))
        return actions_for(propagation, self._scopes) if propagation is not None else []

    def carry_out(self) -> None:
        """Do what the answered frames asked for; call it once the answers have been written."""
        if not self._work:
            return
        work, self._work = self._work, []
        for told, size, now in work:
            self._assembler.apply(told, size, now)
        self._hand_on()

    def tick(self, now: int) -> None:
        """Let traces expire whose time has come; to be called about once a second."""
        self._assembler.expire(now)
        self._hand_on()

    def close(self) -> None:
        """End every live trace as incomplete and hand it on."""
        self._assembler.close()
        self._hand_on()

    def _hand_on(self) -> None:
        for trace in self._assembler.take_finished():
            self._exporter.export(trace)
        for problem in self._assembler.take_problems():
            self._report(problem.reason, problem.subject, problem.hint)

    def _report(self, reason: str, subject: bytes, hint: str) -> None:
        self.stats.count("dsl_problems", reason)
        self._once.warn_once(
            (reason, subject), "a message says what cannot be done", reason=reason, at=subject, so=hint
        )


@final
class Session:
    """One connection of a HAProxy: bytes in, bytes out."""

    def __init__(self, agent: Agent, peer: str) -> None:
        self.peer = peer
        self._agent = agent
        self._stats = agent.stats
        self._connection = AgentConnection(agent.limits)
        self._engine: bytes | None = None
        self._once = agent._once

    @property
    def closed(self) -> bool:
        """Whether the connection is to be closed once everything is written."""
        return self._connection.closed

    def receive(self, data: bytes, now: int) -> bytes:
        """Take what came; return what is to be written at once, before :meth:`Agent.carry_out`."""
        for event in self._connection.receive_data(data):
            if isinstance(event, Notified):
                actions = self._agent.prepare(event, now)
                left_out = self._connection.acknowledge(event, actions)
                if left_out:
                    self._stats.count("variables_dropped", "frame_full", left_out)
            else:
                self._other(event)
        return self._connection.data_to_send()

    def disconnect(self) -> bytes:
        """Return the AGENT-DISCONNECT that ends the connection in order, or nothing if it has ended."""
        if not self._connection.closed:
            self._connection.disconnect(StatusCode.NORMAL, b"the agent stops")
        return self._connection.data_to_send()

    def lost(self) -> None:
        """Say that the socket is gone. It tells nothing about the streams: others may carry them on."""
        if self._engine is None:
            return
        left = self._agent.engines.get(self._engine, 1) - 1
        if left > 0:
            self._agent.engines[self._engine] = left
            return
        self._agent.engines.pop(self._engine, None)
        _LOG.info("HAProxy left", extra=fields(engine=self._engine, peer=self.peer))

    def _other(self, event: Event) -> None:
        if isinstance(event, Connected):
            self._connected(event)
        elif isinstance(event, HealthChecked):
            self._stats.count("health_checks")
        elif isinstance(event, Failed):
            self._failed(event)
        elif isinstance(event, Disconnected):
            self._disconnected(event)
        elif isinstance(event, Aborted):
            self._stats.count("frames_aborted")
        elif isinstance(event, Skipped):
            self._stats.count("frames_skipped", event.reason)

    def _connected(self, event: Connected) -> None:
        self._stats.count("handshakes")
        self._engine = event.hello.engine_id or b""
        connections = self._agent.engines.get(self._engine, 0) + 1
        self._agent.engines[self._engine] = connections
        if connections == 1:
            _LOG.info(
                "HAProxy came",
                extra=fields(
                    engine=self._engine,
                    peer=self.peer,
                    max_frame_size=event.hello.max_frame_size,
                    capabilities=b",".join(event.hello.capabilities),
                ),
            )

    def _failed(self, event: Failed) -> None:
        error = event.error
        self._stats.count("protocol_errors", error.status.name.lower())
        self._once.warn_once(
            ("failed", error.status),
            "HAProxy broke the protocol",
            peer=self.peer,
            status=error.status.name,
            error=error,
        )

    def _disconnected(self, event: Disconnected) -> None:
        """HAProxy says goodbye: normal at a stop and after its idle time, else it has a complaint."""
        self._stats.count(
            "disconnects", event.status.name.lower() if isinstance(event.status, StatusCode) else "unknown"
        )
        if event.status not in (StatusCode.NORMAL, StatusCode.TIMEOUT):
            self._once.warn_once(
                ("disconnected", event.status),
                "HAProxy ended the connection",
                peer=self.peer,
                status=f"{event.status} ({describe_status(event.status)})",
                message=event.message,
            )
