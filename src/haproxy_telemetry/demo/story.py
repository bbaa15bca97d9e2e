"""The demo from its first line to its last: choose, start, prove, show, stay.

The only module of the demo that owns a loop and a clock. Every wait in it has an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from haproxy_telemetry.demo import report
from haproxy_telemetry.demo.arrivals import Arrivals
from haproxy_telemetry.demo.binary import (
    Haproxy,
    HaproxyUnusableError,
    check_configuration,
    find_haproxy,
)
from haproxy_telemetry.demo.checker import Problem
from haproxy_telemetry.demo.children import Child, ChildDiedError, Echo, StartTimeoutError, supervised
from haproxy_telemetry.demo.client import USER_AGENT, Answer, Request, RequestFailedError, demo_requests, send
from haproxy_telemetry.demo.counters import RecordCounters, read_totals
from haproxy_telemetry.demo.files import demo_files, options_of
from haproxy_telemetry.demo.ports import NoFreePortError, PortTakenError, free_ports, own_turn
from haproxy_telemetry.demo.proof import Verdict, is_whole, judge, problems_of, trace_id_of, with_strays
from haproxy_telemetry.demo.shapes import Shape, shape_of
from haproxy_telemetry.demo.topology import HAPROXIES, haproxy_environment, start_all
from haproxy_telemetry.demo.viewing import viewing
from haproxy_telemetry.haproxyconfig import PROXY
from haproxy_telemetry.terminal.page import Page
from haproxy_telemetry.terminal.records import SpanRecord

QUIET_SECONDS = 1.0  # a trace that did not grow for so long is shown as it is
TICK_SECONDS = 0.2
MAX_DRAWN = 3  # traces in a tick; under a load test the others are counted
START_TRIES = 3
TOTALS_SECONDS = 2.0  # for the agent to say what it counted
TURN_SECONDS = 120.0  # to wait for others that are starting; going on without a turn, both would choose the same ports

EXIT_OK, EXIT_BROKEN, EXIT_INTERRUPTED = 0, 1, 130

FAILURES = (
    HaproxyUnusableError,
    NoFreePortError,
    PortTakenError,
    ChildDiedError,
    StartTimeoutError,
    RequestFailedError,
)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says, and where the words go. ``say`` is for people, ``put`` for the JSON."""

    profile: str
    haproxy: str | None
    once: bool
    json: bool
    page: Callable[[], Page]
    say: Callable[[str], None]
    put: Callable[[str], None]
    echo: Echo | None
    patience: float  # seconds for the last span to come, after the last answer


def run(options: Options, environ: Mapping[str, str]) -> int:
    """Run the demo; return the exit code: 0 proven, 1 broken or failed, 130 interrupted before the proof."""
    try:
        return asyncio.run(_until_signal(options, environ))
    except FAILURES as error:
        options.say(f"  {options.page().mark(False)} {error}")
        if options.json:
            options.put(json.dumps(report.failure_as_json(str(error)), indent=2))
        return EXIT_BROKEN


async def _until_signal(options: Options, environ: Mapping[str, str]) -> int:
    """Let a signal cancel the story, wherever it is; what it started is stopped on the way out."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    story = Story(options, environ)
    try:
        return await story.tell()
    except asyncio.CancelledError:
        return story.exit_code


class Story:
    """One run of the demo."""

    _shape: Shape  # of what the chosen HAProxy gives

    def __init__(self, options: Options, environ: Mapping[str, str]) -> None:
        self._options = options
        self._page = options.page()
        self._environ = environ
        self.exit_code = EXIT_INTERRUPTED
        self._started = False

    async def tell(self) -> int:
        """Find a HAProxy and write its files, for as long as the demo lasts."""
        self._say(report.title())
        haproxy = await asyncio.to_thread(find_haproxy, self._options.haproxy, self._environ)
        self._say(*report.haproxy_lines(haproxy, self._options.profile, self._page))
        options = options_of(self._options.profile, haproxy.version)
        self._shape = shape_of(options)
        with tempfile.TemporaryDirectory(prefix="haproxy-telemetry-demo-") as folder:
            for name, text in demo_files(options).items():
                Path(folder, name).write_text(text)
            return await self._try(haproxy, Path(folder, PROXY))

    async def _try(self, haproxy: Haproxy, config: Path) -> int:
        """Begin, and begin again where somebody else took a port between its choice and its use."""
        for left in reversed(range(START_TRIES)):
            try:
                await self._begin(haproxy, config)
                break
            except (ChildDiedError, PortTakenError) as error:
                taken = isinstance(error, PortTakenError) or error.port_taken
                if self._started or not left or not taken:
                    raise
        return self.exit_code

    async def _begin(self, haproxy: Haproxy, config: Path) -> None:
        """Choose ports and start everything, then play."""
        async with contextlib.AsyncExitStack() as stack:
            async with own_turn(TURN_SECONDS):
                ports = free_ports()
                await self._check_files(haproxy, config, ports)
                arrivals = await stack.enter_async_context(viewing(ports))
                children = await stack.enter_async_context(supervised(self._options.echo))
                agent = await start_all(children, haproxy, config, ports, self._environ)
            self._started = True
            await self._play(haproxy, ports, agent, arrivals)

    async def _check_files(self, haproxy: Haproxy, config: Path, ports: Mapping[str, int]) -> None:
        for name in HAPROXIES:
            environment = haproxy_environment(self._environ, ports, name)
            await asyncio.to_thread(check_configuration, haproxy, config, environment)

    async def _play(self, haproxy: Haproxy, ports: Mapping[str, int], agent: Child, arrivals: Arrivals) -> None:
        self._say(*report.moved_lines(ports), *report.running_lines(ports, self._page))
        verdicts = await self._prove(ports, arrivals)
        records = await _counters(agent)
        self._show(verdicts, records)
        if self._options.json:
            told = report.as_json(haproxy, self._options.profile, ports, records, verdicts)
            self._options.put(json.dumps(told, indent=2))
        if not self._options.once:
            self._say("", *report.farewell_lines(ports, self._page), "")
            await self._stay(arrivals)

    # The proof

    async def _prove(self, ports: Mapping[str, int], arrivals: Arrivals) -> list[Verdict]:
        """Send the requests, and wait until all their traces are right or time is up."""
        sent = [await self._send(request, ports[request.entry]) for request in demo_requests()]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.patience
        while True:
            verdicts = [judge(*one, arrivals.spans(trace_id_of(*one)), self._shape) for one in sent]
            if all(verdict.ok for verdict in verdicts) or loop.time() >= deadline:
                return with_strays(verdicts, arrivals.spans_with("user_agent.original", USER_AGENT))
            await arrivals.more(deadline - loop.time())

    async def _send(self, request: Request, port: int) -> tuple[Request, Answer]:
        return request, await asyncio.to_thread(send, request, port)

    def _show(self, verdicts: list[Verdict], records: RecordCounters | None) -> None:
        ok = all(verdict.ok for verdict in verdicts)
        self.exit_code = EXIT_OK if ok else EXIT_BROKEN
        self._say(*report.verdict_lines(verdicts, self._page), *report.record_lines(records, self._page))
        examples = [*verdicts[:1], *[verdict for verdict in verdicts if verdict.request.refused]]
        for verdict in examples if ok else verdicts:  # or all that are broken
            if verdict.spans and verdict.ok == ok:
                self._say("", *self._trace(verdict.spans, []))

    # The rest of the day

    async def _stay(self, arrivals: Arrivals) -> None:
        """Show what other requests leave behind, until somebody cancels."""
        arrivals.grown.clear()
        while True:
            await arrivals.more(TICK_SECONDS if arrivals.grown else 3600.0)
            ready = self._ready(arrivals)
            for trace_id in ready[:MAX_DRAWN]:
                spans = arrivals.spans(trace_id)
                self._say(*self._trace(spans, problems_of(spans)), "")
            if len(ready) > MAX_DRAWN:
                self._say(f"  and {len(ready) - MAX_DRAWN} more traces, not drawn", "")
                await asyncio.sleep(TICK_SECONDS)

    def _ready(self, arrivals: Arrivals) -> list[str]:
        """Take the traces that are whole, and those that nothing more comes of."""
        now = asyncio.get_running_loop().time()
        ready = [
            trace_id
            for trace_id, since in arrivals.grown.items()
            if now - since >= QUIET_SECONDS or is_whole(arrivals.spans(trace_id), self._shape)
        ]
        for trace_id in ready:
            del arrivals.grown[trace_id]
        return [trace_id for trace_id in ready if arrivals.spans(trace_id)]

    def _trace(self, spans: list[SpanRecord], problems: list[Problem]) -> list[str]:
        when = datetime.fromtimestamp(min(span.start_ns for span in spans) / 1e9).astimezone()
        return report.trace_lines(spans, problems, when, self._options.page())

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._options.say(line)


async def _counters(agent: Child) -> RecordCounters | None:
    """Ask the agent what it counted; ``None`` if it does not answer."""
    agent.signal(signal.SIGUSR1)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TOTALS_SECONDS):
            while (found := read_totals(agent.tail)) is None:
                await asyncio.sleep(0.01)
            return found
    return None
