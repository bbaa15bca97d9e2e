"""Messages in, finished traces out: the dialect and the assembler, without a wire, a clock or chance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from haproxy_telemetry.dialect import Script, translate, write_script
from haproxy_telemetry.sampling import Sampling
from haproxy_telemetry.spop import Message, Shape, Value
from haproxy_telemetry.spop.messages import serialize_messages
from haproxy_telemetry.spop.shapes import shape_of
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.conventions import DEFAULT, Conventions
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.instructions import Problem, Propagation, Spoken
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.propagators import W3C, Propagators
from haproxy_telemetry.trace.spans import FinishedSpan, FinishedTrace
from haproxy_telemetry.trace.stream import EndOfStream

Argument = tuple[bytes, Value]


def message(name: str, *arguments: Argument) -> Message:
    return Message(b"opentracing:" + name.encode(), arguments)


def say(*arguments: Argument, id: Value = b"stream-1", name: str = "anything") -> Message:  # noqa: A002
    """A message about one stream: ``id`` first, then the arguments."""
    return message(name, (b"id", id), *arguments)


class Phrasebook:
    """The layouts that came before, each with what it means."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[bytes, ...], Shape] = {}

    def spoken(self, messages: Sequence[Message]) -> Spoken | None:
        """What a known frame says of one stream, if that is all that it says."""
        written = write_script(messages, False)
        if written is None:
            return None
        varying, script = written
        payload = serialize_messages(messages)
        shape = shape_of(payload, 0, varying, script)
        match = self._shapes.setdefault((*shape.runs, shape.last), shape).match(payload, 0)
        assert match is not None, "a payload is of the shape that was made of it"
        known = match.shape.meaning
        assert isinstance(known, Script)
        return known.speak(match)


@dataclass
class Laboratory:
    """``known``: frames are recognised as of a layout that came before, where that can be."""

    known_unless_said: ClassVar[bool] = False

    strict: bool = False
    limits: TraceLimits = field(default_factory=TraceLimits)
    now: int = 1_000_000
    sampling: Sampling | None = None
    propagators: Propagators = W3C
    conventions: Conventions = DEFAULT

    known: bool | None = None

    def __post_init__(self) -> None:
        self.phrases = Phrasebook()
        if self.known is None:
            self.known = self.known_unless_said and not self.strict
        self.stats = Stats()
        self.problems: list[Problem] = []
        self.finished: list[FinishedTrace] = []
        self.assembler = Assembler(
            ids=IdSource(random.Random(1)),
            stats=self.stats,
            limits=self.limits,
            strict=self.strict,
            sampling=self.sampling,
            propagators=self.propagators,
            conventions=self.conventions,
        )

    def notify(self, *messages: Message, size: int = 100) -> Propagation | None:
        """One frame, a microsecond after the last one; returns what its ACK would carry."""
        self.now += 1000
        translation = translate(messages, self.strict)
        self.problems += translation.problems
        spoken = self.phrases.spoken(messages) if self.known and translation.told else None
        if spoken is not None:
            propagation = self.assembler.propagate_spoken(spoken, self.now)
            self.assembler.apply_spoken(spoken, size, self.now)
        else:
            propagation = self.assembler.propagate(translation.told, self.now)
            self.assembler.apply(translation.told, size, self.now)
        self._collect()
        return propagation

    def record(self, end: EndOfStream) -> None:
        """The log line of a stream."""
        self.now += 1000
        self.assembler.end(end, 1000, self.now)
        self._collect()

    def expire(self, after_ns: int) -> None:
        self.now += after_ns
        self.assembler.expire(self.now)
        self._collect()

    def close(self) -> None:
        self.assembler.close(self.now)
        self._collect()

    def _collect(self) -> None:
        self.finished += self.assembler.take_finished()
        self.problems += self.assembler.take_problems()

    @property
    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.problems]

    @property
    def trace(self) -> FinishedTrace:
        """The one trace that finished."""
        assert len(self.finished) == 1, self.finished
        return self.finished[0]

    def spans(self) -> dict[str, FinishedSpan]:
        """The spans of the one trace that finished, by name."""
        return {span.name.decode(): span for span in self.trace.spans}

    def tree(self) -> dict[str, str | None]:
        """The name of each span's parent, ``None`` for a root, ``"?"`` for a span of somebody else."""
        names = {span.span_id: span.name.decode() for span in self.trace.spans}
        return {
            span.name.decode(): names.get(span.parent_span_id, "?") if span.parent_span_id else None
            for span in self.trace.spans
        }
