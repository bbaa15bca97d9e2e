"""``python -m haproxy_telemetry.workers.worker PARENT DESCRIPTOR``: the agent as one of several.

It is the agent as it runs alone, but for where it is: records come over the channel, what the pages show goes over it,
and what happens is told to the supervisor, who says it once for all. It ends when the channel does.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final, final

from haproxy_telemetry import service
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.exporters import CloseReport
from haproxy_telemetry.launch import die_with
from haproxy_telemetry.otlp.variables import ExportConfigError, parse_pairs
from haproxy_telemetry.place import Bug, Door, PagesOut, RecordsIn
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.reload import make_sampling
from haproxy_telemetry.settings import AdminAddress, RecordsAddress
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.taps import Tap
from haproxy_telemetry.workers.channel import Channel, read_one
from haproxy_telemetry.workers.messages import (
    Answer,
    Beat,
    Begin,
    Ended,
    Failed,
    Listening,
    Message,
    Offer,
    Question,
    Refused,
    Sample,
    Shown,
    Stop,
    Take,
    Watch,
    encode,
)
from haproxy_telemetry.workers.picture import picture_of
from haproxy_telemetry.workers.share import attributes_of

if TYPE_CHECKING:
    from haproxy_telemetry.admin.pages import Sources

BEAT_S: Final = 1.0
SHOW_S: Final = 0.1
"""Seconds for which traces are gathered for who watches: some messages of many, not many of one."""

LAST_WORDS_S: Final = 1.0


@final
class _Asked:
    """The pages of a worker: the supervisor serves them."""

    host = ""
    address: str | None = None

    def __init__(self) -> None:
        self.sources: Sources | None = None

    def serve(self, sources: Sources, bug: Bug) -> PagesOut:  # noqa: ARG002 (Door's signature)
        self.sources = sources
        return self

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass


@final
class WorkerPlace:
    """A place among others; also where its records come in."""

    def __init__(self, begin: Begin, sock: socket.socket, environ: Mapping[str, str]) -> None:
        self.number = begin.number
        self.secret = begin.secret
        self.viewer = begin.viewer
        self.addresses: list[str] = []
        self._environ = environ
        self._sock = sock
        self._last_words = sock.dup()
        self._channel = Channel(self._received, self._alone)
        self._pages = _Asked()
        self._asked: set[asyncio.Task[None]] = set()
        self._tap: Tap | None = None
        self._showing = False
        self._next_beat = 0.0
        self._closed = False

    # The place

    def begin(self) -> None:
        """All addresses but HAProxy's are the supervisor's."""

    def cannot_begin(self, code: int, sentence: str) -> None:
        """Tell the supervisor; there is no event loop, or none any more."""
        self._last_words.setblocking(True)
        with contextlib.suppress(OSError):
            self._last_words.sendall(encode(Failed(code, sentence)))

    async def enter(
        self,
        agent: Agent,
        clock: Clock,
        stop: asyncio.Event,
        recorder: Recorder | None,  # noqa: ARG002 (there is none: settings/load.py)
    ) -> RecordsIn:
        """Open the channel."""
        self._agent, self._clock, self._stop = agent, clock, stop
        await self._channel.open(self._sock)
        return self

    def door(self, asked: AdminAddress | None) -> Door | None:
        """The address is the supervisor's."""
        return None if asked == "off" else self._pages

    async def listening(self, spop: Sequence[str], records: Sequence[str], pages: PagesOut | None) -> None:  # noqa: ARG002
        """Tell it."""
        self._beat("")
        self._channel.send(Listening(list(spop)))

    def ticked(self, problem: Callable[[], str]) -> None:
        """Tell once a second that this one lives."""
        if monotonic() >= self._next_beat:
            self._beat(problem())

    def _beat(self, problem: str) -> None:
        self._next_beat = monotonic() + BEAT_S
        self._channel.send(Beat(self._agent.stats.snapshot(), problem))

    def stopping(self, timeout: float) -> None:
        """The supervisor has said it."""

    async def stopped(self, stats: Stats, report: CloseReport) -> None:
        """Tell what was done and what was lost."""
        self._channel.send(Ended(stats.snapshot(), sum(report.lost.values())))
        await self._channel.finish(LAST_WORDS_S)

    # Where records come in

    def listen(self, address: RecordsAddress) -> None:
        """The supervisor does."""

    def note_drops(self) -> None:
        """The supervisor does."""

    def close(self, seconds: float = 0.0) -> None:  # noqa: ARG002 (what has come is taken already)
        """Take no more."""
        self._closed = True

    # The channel

    def _alone(self) -> None:
        """The supervisor has gone; where the system did not end this process with it, it ends by itself."""
        self._stop.set()

    def _received(self, message: Message) -> None:
        try:
            self._do(message)
        except Exception as error:
            self._agent.bug("channel", error)

    def _do(self, message: Message) -> None:
        match message:
            case Take(datagrams):
                self._take(datagrams)
            case Offer(datagram, tried):
                self._look_at(datagram, tried)
            case Question():
                self._ask(message)
            case Sample(sampling):
                self._agent.use_sampling(make_sampling(sampling, self._environ))
            case Watch(on):
                self._watch(on)
            case Stop():
                self._stop.set()

    def _take(self, datagrams: list[bytes]) -> None:
        if self._closed:
            self._agent.stats.count("records_dropped", "shutdown", len(datagrams))
            return
        now = self._clock.now()
        for datagram in datagrams:
            self._agent.take_records(datagram, now)
        self._agent.tick(now)

    def _look_at(self, datagram: bytes, tried: int) -> None:
        if self._closed or not self._agent.take_offer(datagram, self._clock.now()):
            self._channel.send(Refused(datagram, tried | 1 << self.number))

    def _watch(self, on: bool) -> None:
        taps = self._agent.taps
        if on and self._tap is None:
            self._tap = taps.add(self._show_soon)
        elif not on and self._tap is not None:
            taps.remove(self._tap)
            self._tap = None

    def _show_soon(self) -> None:
        if not self._showing:
            self._showing = True
            asyncio.get_running_loop().call_later(SHOW_S, self._show)

    def _show(self) -> None:
        """Send what waits; where the supervisor does not keep up, it waits on, and the oldest go."""
        self._showing = False
        if self._tap is None:
            return
        if not self._channel.has_room:
            self._show_soon()
            return
        traces, lost = [], 0
        while (taken := self._tap.take()).trace is not None:
            traces.append(taken.trace)
            lost += taken.lost
        self._channel.send(Shown(traces, lost))

    def _ask(self, question: Question) -> None:
        if question.what == "counts":
            self._channel.send(Answer(question.number, self._agent.stats.snapshot()))
            return
        task = asyncio.create_task(self._answer(question), name=f"answer {question.what}")
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _answer(self, question: Question) -> None:
        """Ask in a thread, as where the pages are served here: HAProxy is not kept waiting."""
        sources = self._pages.sources
        if sources is None:
            return
        try:
            ask = picture_of if question.what == "status" else _metrics
            content = await asyncio.to_thread(ask, sources)
        except Exception as error:
            self._agent.bug("channel", error)
            return
        self._channel.send(Answer(question.number, content))


def _metrics(sources: Sources) -> object:
    traffic = sources.traffic.collect() if sources.traffic is not None else []
    return [*sources.own.collect(), *traffic]


def environ_of(environ: Mapping[str, str], number: int) -> dict[str, str]:
    """Return the environment of a worker."""
    name = "OTEL_RESOURCE_ATTRIBUTES"
    own, text = dict(environ), environ.get(name, "")
    with contextlib.suppress(ExportConfigError):  # said by who reads it next
        if instance := dict(parse_pairs(name, text)).get("service.instance.id"):
            own[name] = attributes_of(text, instance, number)
    return own


def main(arguments: Sequence[str]) -> int:
    """Live; return the exit code."""
    parent, descriptor = int(arguments[0]), int(arguments[1])
    die_with(parent)
    sock = socket.socket(fileno=descriptor)
    begin = read_one(sock)
    assert isinstance(begin, Begin)
    environ = environ_of(begin.environ, begin.number)
    return service.run(begin.settings, environ, place=WorkerPlace(begin, sock, environ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
