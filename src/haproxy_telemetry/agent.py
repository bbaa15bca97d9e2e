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
from haproxy_telemetry.records.errors import RecordError
from haproxy_telemetry.records.parse import parse_datagram
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

MAX_ENGINES: Final = 1024
"""Engines listed at once. A HAProxy has one a filter, up to 3.0 one a thread and filter; the names are the peer's."""

ENGINE_GRACE_NS: Final = 60_000_000_000
"""An engine has left when it had no connection for so long: HAProxy closes and opens them as load changes."""


_ONCE: Final = "once, counted from now on"


class _Work(NamedTuple):
    """One answered frame, yet to be carried out; ``size`` in bytes of payload, ``now`` when it came."""

    told: list[Told]
    size: int
    now: int


@final
class Engine:
    """A HAProxy's filter: how many connections it has, and since when it has none (0: not noticed yet)."""

    __slots__ = ("connections", "gone_since", "peer")

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.connections = 0
        self.gone_since = 0


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
        self.engines: dict[bytes, Engine] = {}
        self._assembler = assembler
        self._exporter = exporter
        self._scopes = tuple(scopes)
        self._strict = strict
        self._work: list[_Work] = []
        self._once = OnceLogger(_LOG)
        self._bugs: set[tuple[str, type[BaseException | None]]] = set()

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
            try:
                self._assembler.apply(told, size, now)
            except Exception as error:
                self.stats.count("frames_dropped", "internal_error")
                self.bug("apply", error)
        self.hand_on()

    def take_records(self, datagram: bytes, now: int, *, truncated: bool = False) -> None:
        """Take one datagram of HAProxy's log; :meth:`hand_on` after a burst of them."""
        if truncated:
            self.stats.count("records_dropped", "too_long")
            return
        for record in parse_datagram(datagram):
            if isinstance(record, RecordError):
                self._record_problem(record)
                continue
            self.stats.count("records")
            try:
                self._assembler.end(record, len(datagram), now)
            except Exception as error:
                self.stats.count("records_dropped", "internal_error")
                self.bug("end", error)

    def _record_problem(self, error: RecordError) -> None:
        self.stats.count("records_dropped", error.reason)
        self._once.warn_once(("record", error.reason), "a log line is no record", reason=error.reason, error=error)

    def tick(self, now: int) -> None:
        """Let time pass for what waits on it; to be called about once a second."""
        self.carry_out()
        try:
            self._assembler.expire(now)
        except Exception as error:
            self.bug("expire", error)
        self.hand_on()
        self._let_engines_go(now)

    def close(self, now: int) -> None:
        """End every live trace as incomplete and hand it on."""
        self.carry_out()
        try:
            self._assembler.close(now)
        except Exception as error:
            self.bug("close", error)
        self.hand_on()

    def bug(self, where: str, error: BaseException | None) -> None:
        """Count a mistake of ours, and say it with its traceback the first time. Nobody else shall pay for it."""
        self.stats.count("internal_errors", where)
        key = (where, type(error))
        if key not in self._bugs:
            self._bugs.add(key)
            _LOG.error("internal error, please report it", exc_info=error, extra=fields(where=where, said=_ONCE))

    def came(self, name: bytes, peer: str, **about: object) -> Engine | None:
        """Count a connection of an engine in; ``None`` past the number that are listed."""
        engine = self.engines.get(name)
        if engine is None:
            if len(self.engines) >= MAX_ENGINES:
                self.stats.count("engines_unlisted")
                return None
            engine = self.engines[name] = Engine(peer)
            _LOG.info("HAProxy came", extra=fields(engine=name, peer=peer, **about))
        engine.connections += 1
        engine.gone_since = 0
        return engine

    def _let_engines_go(self, now: int) -> None:
        for name, engine in list(self.engines.items()):
            if engine.connections:
                continue
            engine.gone_since = engine.gone_since or now
            if now - engine.gone_since >= ENGINE_GRACE_NS:
                self._left(name)

    def _left(self, name: bytes) -> None:
        _LOG.info("HAProxy left", extra=fields(engine=name, peer=self.engines.pop(name).peer))

    def hand_on(self) -> None:
        """Export what has finished, report what could not be done."""
        for trace in self._assembler.take_finished():
            try:
                self._exporter.export(trace)
            except Exception as error:
                self.stats.count("spans_dropped", "internal_error", len(trace.spans))
                self.bug("export", error)
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
        self.greeted = False
        self._engine: Engine | None = None
        self._once = agent._once

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
            return self._connection.data_to_send()
        answered = 0
        for event in events:
            if isinstance(event, Notified):
                self._answer(event, now)
                answered += 1
            else:
                self._other(event)
        if answered:
            self._stats.count("frames_answered", "", answered)
        return self._connection.data_to_send()

    def _answer(self, notified: Notified, now: int) -> None:
        """Acknowledge a NOTIFY in any case: a request waits for it."""
        actions: list[Action] = []
        try:
            actions = self._agent.prepare(notified, now)
        except Exception as error:
            self._stats.count("frames_dropped", "internal_error")
            self._agent.bug("prepare", error)
        left_out = self._connection.acknowledge(notified, actions)
        if left_out:
            self._stats.count("variables_dropped", "frame_full", left_out)

    def disconnect(self) -> bytes:
        """Return the AGENT-DISCONNECT that ends the connection in order, or nothing if it has ended."""
        if not self._connection.closed:
            self._connection.disconnect(StatusCode.NORMAL, b"the agent stops")
        return self._connection.data_to_send()

    def lost(self) -> None:
        """Say that the socket is gone. It tells nothing about the streams: others may carry them on."""
        if self._engine is not None:
            self._engine.connections -= 1
            self._engine = None

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
        self.greeted = True
        hello = event.hello
        self._engine = self._agent.came(
            hello.engine_id or b"",
            self.peer,
            max_frame_size=hello.max_frame_size,
            capabilities=b",".join(hello.capabilities),
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
