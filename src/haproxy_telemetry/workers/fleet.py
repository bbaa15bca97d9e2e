"""The workers' processes: started, watched, started again, asked, ended. What each said last is kept here.

A worker that ends unasked is started again after a pause that grows (``backoff.py``); the first time this is said, from
then on it is counted. What it had counted stays in the sums; its live traces are gone with it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, final

import msgspec

from haproxy_telemetry.logs import OnceLogger
from haproxy_telemetry.metrics.points import Data
from haproxy_telemetry.settings import SamplingSettings, Settings, parse_listen
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.taps import Taps
from haproxy_telemetry.workers.backoff import Backoff
from haproxy_telemetry.workers.channel import Channel
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
)
from haproxy_telemetry.workers.share import bound, sampling_of, settings_of
from haproxy_telemetry.workers.sums import lasting

_LOG: Final = logging.getLogger("haproxy_telemetry.workers")

PATIENCE_S: Final = 1.0
"""What a worker gets beyond ``server.shutdown_timeout`` before it is killed."""

Counts = Mapping[tuple[str, str], int]


class CannotBeginError(Exception):
    """A worker could not begin; ``code`` is the exit code."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@final
class Worker:
    """One worker's process, and what it said last."""

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.settings = settings
        self.began = asyncio.Event()
        """It listens, or never will: ``failed`` says why."""
        self.failed: Failed | None = None
        self.serves = False
        self.addresses: list[str] = []
        self.beat = 0.0
        self.problem = ""
        self.counts: Counts = {}
        self.metrics: Sequence[Data] = []
        self.lost = 0
        self.process: Process | None = None
        self.channel: Channel | None = None

    def send(self, message: Message) -> bool:
        """Send it; ``False`` if nobody is there."""
        return self.channel is not None and self.channel.send(message)

    def kill(self) -> None:
        """End the process at once, if there is one."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)


@final
class Fleet:
    """All workers. ``stats`` is the supervisor's own."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], stats: Stats, secret: bytes, viewer: str
    ) -> None:
        self.workers = [Worker(n, settings_of(settings, n)) for n in range(1, settings.server.workers + 1)]
        self.gone_metrics: list[list[Data]] = []
        self.refused: Callable[[bytes, int], None] | None = None
        """Takes the record of a stream that a worker does not know, and the workers that were asked so far."""
        self.taps = Taps()
        """Who watches traces: from any thread; :meth:`watch` after each change."""
        self._environ = dict(environ)
        self._secret = secret
        self._viewer = viewer
        self._stats = stats
        self._gone_counts: Counter[tuple[str, str]] = Counter()
        self._alive: list[int] = []
        self._once = OnceLogger(_LOG)
        self._keepers: list[asyncio.Task[None]] = []
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._stopping = False

    @property
    def addresses(self) -> list[str]:
        """Where HAProxy is served, worker by worker."""
        return [address for worker in self.workers for address in worker.addresses]

    def alive(self) -> Sequence[int]:
        """Return the numbers of those that serve."""
        return self._alive

    def counts(self) -> Counter[tuple[str, str]]:
        """Return all counters of all workers, those that are gone too, as they were said last."""
        total = self._gone_counts.copy()
        for worker in self.workers:
            total.update(worker.counts)
        return total

    # Life

    async def start(self) -> None:
        """Start all of them; return when all listen. Raise :class:`CannotBeginError` if one cannot."""
        self._keepers = [asyncio.create_task(self._keep(one), name=f"worker {one.number}") for one in self.workers]
        for worker in self.workers:
            await worker.began.wait()
        failed = next((worker.failed for worker in self.workers if worker.failed is not None), None)
        if failed is not None:
            self.kill()
            await asyncio.gather(*self._keepers)
            raise CannotBeginError(failed.code, failed.sentence)

    async def _keep(self, worker: Worker) -> None:
        """Keep a worker running until the end; one that never began is not tried again."""
        backoff = Backoff()
        while True:
            started = monotonic()
            code = await self._run(worker)
            self._retire(worker)
            if self._ending():
                return
            if not worker.began.is_set():
                worker.failed = worker.failed or Failed(1, f"worker {worker.number} {_how(code)} before it listened")
                worker.began.set()
                return
            pause = backoff.next(monotonic() - started)
            self._stats.count("worker_restarts")
            why = worker.failed.sentence if worker.failed is not None else _how(code)
            self._once.warn_once(
                (worker.number, why),
                "a worker ended and is started again",
                worker=worker.number,
                why=why,
                pause_s=pause,
            )
            worker.failed = None
            await asyncio.sleep(pause)

    def _ending(self) -> bool:
        return self._stopping

    async def _run(self, worker: Worker) -> int:
        """Run a process to its end; return its exit code."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", "haproxy_telemetry.workers.worker"]
            worker.process = await asyncio.create_subprocess_exec(
                *command,
                str(os.getpid()),
                str(theirs.fileno()),
                stdin=DEVNULL,
                pass_fds=(theirs.fileno(),),
                process_group=0,  # Ctrl-C is for the supervisor
            )
        worker.channel = Channel(lambda message: self._received(worker, message), lambda: self._lost(worker))
        await worker.channel.open(ours)
        worker.send(Begin(worker.number, worker.settings, self._environ, self._secret, self._viewer))
        if self._ending():
            worker.send(Stop())
        return await worker.process.wait()

    def _lost(self, worker: Worker) -> None:
        worker.serves = False
        self._alive = [one.number for one in self.workers if one.serves]

    def _retire(self, worker: Worker) -> None:
        """Keep what an ended worker counted."""
        self._lost(worker)
        self._gone_counts.update(worker.counts)
        if worker.metrics:
            self.gone_metrics.append(lasting(worker.metrics))
        worker.counts, worker.metrics = {}, []

    async def stop(self, seconds: float) -> None:
        """Let all end in order, for so long and ``PATIENCE_S`` more; kill the rest."""
        self._stopping = True
        for worker in self.workers:
            worker.send(Stop())
        for worker, keeper in zip(self.workers, self._keepers, strict=True):
            if worker.process is None or worker.process.returncode is not None:
                keeper.cancel()  # it waits for its next start
        _, late = await asyncio.wait(self._keepers, timeout=seconds + PATIENCE_S)
        if late:
            _LOG.warning("workers did not end in time and were killed")
            self.kill()
            await asyncio.wait(late)

    def kill(self) -> None:
        """End all of them at once."""
        self._stopping = True
        for worker in self.workers:
            worker.kill()

    # Words

    def send(self, number: int, message: Take | Offer) -> bool:
        """Send what may be dropped; ``False`` if the worker is away or does not keep up."""
        channel = self.workers[number - 1].channel
        return channel is not None and channel.has_room and channel.send(message)

    def sample(self, sampling: SamplingSettings) -> None:
        """Let all sample by this, those too that are started later."""
        own = sampling_of(sampling, len(self.workers))
        for worker in self.workers:
            worker.settings = msgspec.structs.replace(worker.settings, sampling=own)
            worker.send(Sample(own))

    def watch(self) -> None:
        """Let the workers show their traces if anybody watches."""
        for worker in self.workers:
            worker.send(Watch(bool(self.taps.open)))

    async def ask(self, what: str, seconds: float) -> list[Any]:
        """Return the answers of those that serve and answer in time."""
        waiting = [self._ask(worker, what) for worker in self.workers if worker.serves]
        if not waiting:
            return []
        done, late = await asyncio.wait(waiting, timeout=seconds)
        for future in late:
            future.cancel()
        self._questions = {number: one for number, one in self._questions.items() if not one.done()}
        return [future.result() for future in waiting if future in done]

    def _ask(self, worker: Worker, what: str) -> asyncio.Future[Any]:
        self._asked += 1
        future = self._questions[self._asked] = asyncio.get_running_loop().create_future()
        worker.send(Question(self._asked, what))
        return future

    def _received(self, worker: Worker, message: Message) -> None:
        match message:
            case Beat(counts, problem):
                worker.beat, worker.counts, worker.problem = monotonic(), counts, problem
            case Refused(datagram, tried):
                if self.refused is not None:
                    self.refused(datagram, tried)
            case Answer(number, content):
                self._answered(worker, number, content)
            case Listening(addresses):
                self._listens(worker, addresses)
            case Failed():
                worker.failed = message
            case Shown(traces, lost):
                self.taps.offer(traces, lost)
            case Ended(counts, lost):
                worker.counts, worker.lost = counts, lost

    def _answered(self, worker: Worker, number: int, content: Any) -> None:
        if isinstance(content, dict):
            worker.counts = content
        elif isinstance(content, list):
            worker.metrics = content
        future = self._questions.pop(number, None)
        if future is not None and not future.done():
            future.set_result(content)

    def _listens(self, worker: Worker, addresses: list[str]) -> None:
        worker.addresses = addresses
        worker.settings = bound(worker.settings, tuple(map(parse_listen, addresses)))
        worker.serves = True
        if self.taps.open:
            worker.send(Watch(True))
        worker.began.set()
        self._alive = [one.number for one in self.workers if one.serves]


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
