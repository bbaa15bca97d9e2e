"""What all connections and record sockets share: the live traces, the way out, the counters.

Pure: no socket, no clock, no loop. This is the way of one NOTIFY, of which :class:`~.session.Session` has the
first step and the ACK (:class:`~.conversation.Conversation` writes it before any of the rest is done):

    bytes  -> spop.AgentConnection   -> Notified        (the wire)
           -> dialect.Script         -> Spoken          (the seam, where the payload is known but for its values)
           -> Assembler.propagate_spoken -> Propagation -> ACK, and the request goes on
           -> Assembler.apply_spoken -> FinishedTrace   (the meaning)
           -> Exporter.export                           (the way out)

of what is not known ``dialect.translate`` makes ``Told``, for ``Assembler.propagate`` and ``apply``;

and of one record:

    bytes  -> records.parse_datagram -> EndOfStream     -> Assembler.end -> FinishedTrace -> Exporter.export
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, final

from haproxy_telemetry.dialect import Script, VariableWriter, translate, write_script
from haproxy_telemetry.engines import Engines
from haproxy_telemetry.exporters import Exporter, LogExporter
from haproxy_telemetry.faults import Faults
from haproxy_telemetry.logs import OnceLogger, fields
from haproxy_telemetry.metrics.traffic import Traffic
from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.records.errors import RecordError
from haproxy_telemetry.records.parse import parse_datagram
from haproxy_telemetry.sampling import Sampling
from haproxy_telemetry.seen import Seen
from haproxy_telemetry.spop import Limits, Notified, Scope, SetVar, ShapeTable, serialize_action
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.taps import Taps
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.instructions import Spoken, Told

_LOG: Final = logging.getLogger("haproxy_telemetry.agent")

_NOTHING: Final[list[Told]] = []

AT_ONCE: Final = 16
"""Traces that leave and are handed on before the next ones do, so that they are still in the processor's cache."""

_ONCE: Final = "once, counted from now on"


@mypyc_attr(acyclic=True)
@final
class _Work:
    """One answered frame, yet to be carried out; ``size`` in bytes of payload, ``now`` when it came."""

    __slots__ = ("now", "size", "spoken", "told")

    def __init__(self, spoken: Spoken | None, told: list[Told], size: int, now: int) -> None:
        self.spoken = spoken
        self.told = told
        self.size = size
        self.now = now


@final
class Agent:
    """The live traces, the way out, the counters; ``once`` says each kind of warning one time.

    ``worker`` is its number where it is one of several, 0 where it is alone.
    """

    def __init__(
        self,
        *,
        assembler: Assembler,
        exporter: Exporter,
        stats: Stats,
        scopes: Sequence[Scope],
        strict: bool = False,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
        traffic: Traffic | None = None,
        log_exporter: LogExporter | None = None,
        worker: int = 0,
    ) -> None:
        self.limits = limits
        self.traffic = traffic
        self._log_exporter = log_exporter
        self.stats = stats
        self.answered = stats.tally("frames_answered")
        self._spans = stats.tally("spans")
        self._records = stats.tally("records")
        self.engines = Engines(stats)
        self.faults = Faults()
        self.seen = Seen()
        self.taps = Taps()
        self.once = OnceLogger(_LOG)
        self._assembler = assembler
        self._exporter = exporter
        self.shapes = ShapeTable()
        """What payloads are known by, on all connections."""
        self._variables = VariableWriter(scopes)
        # HAProxy's record tells it again, and so finds its way to the worker that has the stream. It is in every
        # answer: one that has nothing to say needs an action all the same.
        self._mark = serialize_action(SetVar(Scope.TXN, b"worker", b"%d" % worker)) if worker else b""
        self._strict = strict
        self._work: list[_Work] = []
        self.before_work: Callable[[], None] | None = None
        """Called before work of any kind, for who holds answers back: a request waits for them."""
        self._bugs: set[tuple[str, type[BaseException | None]]] = set()

    @property
    def waiting(self) -> int:
        """How many answered frames wait for :meth:`carry_out`."""
        return len(self._work)

    @property
    def live_traces(self) -> int:
        """How many traces are alive."""
        return self._assembler.live

    def traces_began(self, most: int) -> list[int]:
        """Return when the live traces began, in nanoseconds, of so many at most; from any thread."""
        return self._assembler.began(most)

    def use_sampling(self, sampling: Sampling) -> None:
        """Decide by this from now on; what is alive keeps the flag that it has."""
        self._assembler.sampling = sampling

    def prepare(self, notified: Notified, now: int) -> bytes:
        """Return what the ACK of this NOTIFY says; what else follows from it waits for :meth:`carry_out`."""
        spoken = self._recognise(notified)
        if spoken is not None:
            propagation = self._assembler.propagate_spoken(spoken, now)
            self._work.append(_Work(spoken, _NOTHING, notified.size, now))
        else:
            told = self._understand(notified)
            if not told:
                return b""
            propagation = self._assembler.propagate(told, now)
            self._work.append(_Work(None, told, notified.size, now))
        return self._mark + self._variables.write(propagation) if propagation is not None else self._mark

    def _recognise(self, notified: Notified) -> Spoken | None:
        """Return what a known payload says of one stream, if that is all that it says."""
        match = notified.match
        if match is None:
            return None
        script = match.shape.meaning
        assert isinstance(script, Script)
        return script.speak(match)

    def _understand(self, notified: Notified) -> list[Told]:
        """Return what the messages tell: by the script of their shape, or by reading them."""
        match = notified.match
        if match is not None:
            script = match.shape.meaning
            assert isinstance(script, Script)
            told = script.say(match)
            if told is not None:
                return told
        translation = translate(notified.messages, self._strict)
        if translation.skipped_messages:
            self.stats.count("messages_skipped", "", translation.skipped_messages)
        for problem in translation.problems:
            self._report(problem.reason, problem.subject, problem.hint)
        if match is None and self.shapes.missed(notified.data, notified.payload_at):
            self._learn(notified)
        return translation.told

    def _learn(self, notified: Notified) -> None:
        """Know payloads like this one from now on, if what they say can be told in advance."""
        written = write_script(notified.messages, self._strict)
        if written is None or not self.shapes.learn(notified.data, notified.payload_at, *written):
            self.shapes.put_off(notified.data, notified.payload_at)

    def carry_out(self) -> None:
        """Do what the answered frames asked for, once their answers have been written (:attr:`before_work`)."""
        if self.before_work is not None:
            self.before_work()
        work = self._work
        if not work:
            return
        self._work = []
        for one in work:
            try:
                if one.spoken is not None:
                    self._assembler.apply_spoken(one.spoken, one.size, one.now)
                else:
                    self._assembler.apply(one.told, one.size, one.now)
            except Exception as error:
                self.stats.count("frames_dropped", "internal_error")
                self.bug("apply", error)
        self.seen.messages += len(work)
        self.seen.messages_ns = now = work[-1].now
        self._hand_on(now)

    def take_records(self, datagram: bytes, now: int, *, truncated: bool = False) -> None:
        """Take one datagram of HAProxy's log; :meth:`tick` after a burst of them, so that traces leave evenly."""
        if truncated:
            self.stats.count("records_dropped", "too_long")
            return
        self.carry_out()  # what was told before it
        records = parse_datagram(datagram)
        size = len(datagram) // len(records)  # a relay may have joined lines
        for record in records:
            if isinstance(record, RecordError):
                self._record_problem(record)
                continue
            self._records.add(1)
            self.seen.record_ns = now
            try:
                self._assembler.end(record, size, now)
            except Exception as error:
                self.stats.count("records_dropped", "internal_error")
                self.bug("end", error)

    def take_offer(self, datagram: bytes, now: int) -> bool:
        """Take a line of which nobody knows whether its stream is another worker's; ``False`` if it may well be.

        A stream that no worker was told of ended as streams do: where a worker's answer was lost, something went wrong.
        """
        self.carry_out()
        for record in parse_datagram(datagram):
            if isinstance(record, RecordError) or self._assembler.knows(record.key):
                continue
            if record.spoe_error or record.termination[:2] != b"--":
                self._assembler.pass_by(record.key, now)
                return False
        self.take_records(datagram, now)
        return True

    def _record_problem(self, error: RecordError) -> None:
        self.stats.count("records_dropped", error.reason)
        self.once.warn_once(("record", error.reason), "a log line is no record", reason=error.reason, error=error)

    def tick(self, now: int) -> None:
        """Let time pass for what waits on it; to be called about once a second, and more often if it likes."""
        self.carry_out()
        more = True
        while more:
            try:
                more = self._assembler.expire(now, AT_ONCE)
            except Exception as error:
                more = False
                self.bug("expire", error)
            self._hand_on(now)
        self.engines.let_go(now)

    def close(self, now: int) -> None:
        """End every live trace as incomplete and hand it on."""
        self.carry_out()
        try:
            self._assembler.close(now)
        except Exception as error:
            self.bug("close", error)
        self._hand_on(now)

    def bug(self, where: str, error: BaseException | None) -> None:
        """Count a mistake of ours, and say it with its traceback the first time. Nobody else shall pay for it."""
        self.stats.count("internal_errors", where)
        key = (where, type(error))
        if key not in self._bugs:
            self._bugs.add(key)
            _LOG.error("internal error, please report it", exc_info=error, extra=fields(where=where, said=_ONCE))

    def _hand_on(self, now: int) -> None:
        """Export what has finished, count and log what has ended, report what could not be done."""
        self._hand_on_ends()
        finished = self._assembler.take_finished()
        if finished:
            self._spans.add(sum([len(trace.spans) for trace in finished]))
            self.seen.traces += len(finished)
            self.seen.trace_ns = now
            if self.taps.open:
                self.taps.offer(finished)
        for trace in finished:
            try:
                self._exporter.export(trace)
            except Exception as error:
                self.stats.count("spans_dropped", "internal_error", len(trace.spans))
                self.bug("export", error)
        for problem in self._assembler.take_problems():
            self._report(problem.reason, problem.subject, problem.hint)

    def _hand_on_ends(self) -> None:
        """Measure and log streams; nobody may want to know, but they are taken all the same."""
        active, ended = self._assembler.take_active(), self._assembler.take_ended()
        try:
            if self.traffic is not None and (active or ended):
                self.traffic.measure(active, ended)
        except Exception as error:
            self.bug("metrics", error)
        if self._log_exporter is not None:
            for stream in ended:
                self._log_exporter.export(stream)

    def _report(self, reason: str, subject: bytes, hint: str) -> None:
        self.stats.count("dsl_problems", reason)
        self.once.warn_once((reason, subject), "a message says what cannot be done", reason=reason, at=subject, so=hint)
