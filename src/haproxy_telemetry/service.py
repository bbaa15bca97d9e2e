"""The life of the process: build the parts, serve until a signal, end in order, say what was lost."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from haproxy_telemetry import __version__
from haproxy_telemetry.admin.vitals import Heartbeat, why_not_ready
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.conventions import make_conventions
from haproxy_telemetry.exporters import (
    ExportConfigError,
    Exporter,
    Outlets,
    WatchedExporter,
    json_encoder,
    make_exporter,
    open_outlets,
    read_outlets,
)
from haproxy_telemetry.logs import configure_logging, fields
from haproxy_telemetry.own.collect import Own, Sources
from haproxy_telemetry.place import Alone, PagesOut, Place, RecordsIn
from haproxy_telemetry.propagation import read_propagators
from haproxy_telemetry.recorder.files import NoRecordingError, Ring
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.recorder.redact import Redactor
from haproxy_telemetry.reload import Reload, make_sampling
from haproxy_telemetry.sampling import SamplerError
from haproxy_telemetry.server import LINGER, AgentServer, CannotListenError
from haproxy_telemetry.settings import Settings, SettingsError
from haproxy_telemetry.settings.propagators import PropagatorsError
from haproxy_telemetry.spop import Limits, Scope
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.stderr import StderrStream, hold_standard_descriptors
from haproxy_telemetry.totals import say_totals, totals
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.conventions import DEFAULT, Conventions
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.propagators import W3C, Propagators
from haproxy_telemetry.trace.spans import FinishedTrace
from haproxy_telemetry.turnloop import TurnLoop

_LOG: Final = logging.getLogger("haproxy_telemetry.service")

RECORDS_DRAIN: Final = 0.5
"""Seconds for the records that have come by the end and wait in the socket."""

SYNCHRONISE_EVERY: Final = 10.0
"""Seconds after which the agent's clock follows the system's again."""


COLLECT_AFTER: Final = 10_000
"""New objects after which Python looks for circles among them: a third of a millisecond, seldom."""

LAST_WORDS_MS: Final = 200
"""How long a log line may wait for room on standard error once HAProxy is no longer served."""

OTHER_FILES: Final = 64
"""File descriptors beside the connections': listening sockets, the exporter's, the interpreter's."""


class _WaysOut(NamedTuple):
    """Traces, metrics and logs; ``prometheus``: the traffic's metrics are to be had on ``/metrics``.

    ``encode`` gives a trace as a line of OTLP JSON, for those who watch.
    """

    exporter: WatchedExporter
    outlets: Outlets
    prometheus: bool
    encode: Callable[[FinishedTrace], bytes]


def run(
    settings: Settings,
    environ: Mapping[str, str],
    load_again: Callable[[], Settings] | None = None,
    said: Sequence[str] = (),
    place: Place | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code: 0, 1 if it could not begin, 2 for a wrong setting.

    ``load_again`` reads the settings from where they came from, for SIGHUP; without it they stay. ``said``: warnings
    for the log, about where the settings came from. ``place`` is a worker's; without one the agent is alone.
    """
    hold_standard_descriptors()
    stats = Stats()
    stderr = StderrStream(stats)
    place = place or Alone(settings, environ, stats, stderr, said)
    always = {"worker": place.number} if place.number else {}
    configure_logging(settings.log.format, settings.log.level, stderr, always)
    try:
        place.begin()
    except CannotListenError as error:
        place.cannot_begin(1, str(error))
        return 1
    try:
        sampling = make_sampling(settings.sampling, environ)
        propagators = read_propagators(environ)
        conventions = make_conventions(settings, environ, place.secret)
        outlet_settings = read_outlets(environ, instance_id := str(uuid.uuid4()))
        exporter = make_exporter(
            settings.export.to,
            environ,
            stats,
            file=settings.export.file,
            instance_id=instance_id,
            viewer=place.viewer,
        )
    except (ExportConfigError, SamplerError, PropagatorsError, SettingsError) as error:
        place.cannot_begin(2, str(error))
        return 2
    outlets = open_outlets(outlet_settings, stats, settings.metrics.max_series, conventions.known_methods)
    agent = make_agent(settings, exporter, stats, propagators, outlets, conventions, place.number)
    agent.use_sampling(sampling)
    reload = Reload(agent, settings, load_again or (lambda: settings), environ)
    encode = json_encoder(environ, instance_id)
    ways_out = _WaysOut(exporter, outlets, outlet_settings.prometheus, encode)
    try:
        with asyncio.Runner(loop_factory=TurnLoop) as runner:
            return runner.run(_serve(settings, agent, ways_out, stderr, reload, place))
    except (CannotListenError, NoRecordingError) as error:
        exporter.close(0.0)
        outlets.close(0.0)
        place.cannot_begin(1, str(error))
        return 1


def make_agent(
    settings: Settings,
    exporter: Exporter,
    stats: Stats,
    propagators: Propagators = W3C,
    outlets: Outlets | None = None,
    conventions: Conventions = DEFAULT,
    worker: int = 0,
) -> Agent:
    """Build the agent that the settings describe; without ``outlets`` it neither measures nor logs streams."""
    assembler = Assembler(
        ids=IdSource(),
        stats=stats,
        limits=trace_limits(settings),
        upstream_span=settings.trace.upstream_span.encode(),
        strict=settings.dsl.strict,
        propagators=propagators,
        conventions=conventions,
    )
    return Agent(
        assembler=assembler,
        exporter=exporter,
        stats=stats,
        scopes=[Scope[name.upper()] for name in settings.variables.scopes],
        strict=settings.dsl.strict,
        limits=Limits(
            frame_size=settings.wire.max_frame_size,
            fragmented_bytes=settings.wire.max_fragments_bytes,
            frames_in_flight=settings.wire.max_in_flight,
        ),
        traffic=outlets.traffic if outlets is not None else None,
        log_exporter=outlets.logs if outlets is not None else None,
        worker=worker,
    )


def trace_limits(settings: Settings) -> TraceLimits:
    """Return the assembler's bounds, in its units."""
    trace = settings.trace
    return TraceLimits(
        ttl_ns=int(trace.ttl * 1e9),
        max_traces=trace.max_traces,
        max_trace_bytes=trace.max_trace_bytes,
        max_bytes=trace.max_bytes,
        max_spans=trace.max_spans,
        max_attributes=trace.max_attributes,
        max_events=trace.max_events,
        max_links=trace.max_links,
        grace_ns=int(settings.records.grace * 1e9) if settings.records.listen else 0,
        phases=settings.records.phases,
    )


def spare_the_collector() -> None:
    """Let Python look for circles of objects seldom: on the way of a request there are none.

    What the start has made stays, so it is never looked at again, and frames come in bursts of some thousand objects
    that are gone a moment later: with Python's own 700 each burst was searched several times, and kept for longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


async def _serve(
    settings: Settings,
    agent: Agent,
    ways_out: _WaysOut,
    stderr: StderrStream,
    reload: Callable[[], None],
    place: Place,
) -> int:
    loop = asyncio.get_running_loop()
    spare_the_collector()
    clock = Clock()
    recorder = _open_recorder(settings, agent, clock.now())
    server = AgentServer(agent, clock, settings.server.max_connections, recorder)
    loop.set_exception_handler(_exception_handler(agent, server))
    stop = _on_signals(agent.stats, reload)
    _allow_connections(settings.server.max_connections)
    records = await place.enter(agent, clock, stop, recorder)
    heart = Heartbeat(time.monotonic())
    own = _own(agent, server, ways_out)
    ways_out.outlets.also(own)
    admin = _open_admin(place, settings, agent, server, records, ways_out, heart, own)
    try:
        await _listen(server, records, settings)
    except CannotListenError:
        _close_admin(admin)
        if recorder is not None:
            recorder.close(1.0)
        raise
    await place.listening(server.addresses, records.addresses, admin)

    def tick_here() -> None:
        records.note_drops()
        place.ticked(lambda: why_not_ready(server.listening, ways_out.exporter.state(), time.monotonic()))

    ticking = asyncio.create_task(_tick(agent, clock, tick_here, _tick_period(settings), heart), name="tick")
    await stop.wait()
    timeout = settings.server.shutdown_timeout
    deadline = loop.time() + timeout
    place.stopping(timeout)
    await server.close(min(LINGER, timeout / 2))
    records.close(min(RECORDS_DRAIN, timeout / 4))
    stderr.patience = LAST_WORDS_MS
    ticking.cancel()
    agent.close(clock.now())
    if recorder is not None:
        await asyncio.to_thread(recorder.close, max(0.0, (deadline - loop.time()) / 2))
    left = max(0.0, deadline - loop.time())
    report, _ = await asyncio.gather(
        asyncio.to_thread(ways_out.exporter.close, left),
        asyncio.to_thread(ways_out.outlets.close, left),
    )
    _close_admin(admin)
    await place.stopped(agent.stats, report)
    return 0


def _open_admin(
    place: Place,
    settings: Settings,
    agent: Agent,
    server: AgentServer,
    records: RecordsIn,
    ways_out: _WaysOut,
    heart: Heartbeat,
    own: Own,
) -> PagesOut | None:
    """Return the pages about the agent, if they are wanted; raise :class:`CannotListenError`."""
    door = place.door(settings.admin.listen)
    if door is None:
        return None
    # 90 ms, for those who have these pages.
    from haproxy_telemetry.admin import pages

    inside = pages.Inside(
        version=__version__,
        started=own.start_ns / 1e9,
        stats=agent.stats,
        engines=agent.engines,
        faults=agent.faults,
        seen=agent.seen,
        began=agent.traces_began,
        live=lambda: agent.live_traces,
        connections=lambda: server.connections,
        now=server.clock.now,
        spop=lambda: server.addresses,
        records=lambda: records.addresses,
        target=ways_out.exporter.target,
    )
    sources = pages.Sources(
        own=own,
        inside=inside,
        host=door.host,
        taps=agent.taps,
        encode=ways_out.encode,
        traffic=agent.traffic if ways_out.prometheus else None,
        heart=heart,
        listening=lambda: server.listening,
        export=ways_out.exporter.state,
    )
    return door.serve(sources, agent.bug)


def _open_recorder(settings: Settings, agent: Agent, now: int) -> Recorder | None:
    """Begin to record, if that is asked for; raises :class:`NoRecordingError`."""
    wanted = settings.recorder
    if wanted.file is None:
        return None
    try:
        ring = Ring(wanted.file, wanted.size)
    except OSError as error:
        raise NoRecordingError(wanted.file, error.strerror or str(error)) from error
    _LOG.info("recording", extra=fields(file=wanted.file, bytes=wanted.size, redacted=wanted.redact))
    return Recorder(
        ring,
        agent.stats,
        version=__version__,
        epoch_ns=now,
        run=os.urandom(2).hex(),
        largest_frame=settings.wire.max_frame_size,
        redactor=Redactor(os.urandom(16)) if wanted.redact else None,
        bug=agent.bug,
    )


def _own(agent: Agent, server: AgentServer, ways_out: _WaysOut) -> Own:
    """Return the metrics of the agent about itself."""
    sources = Sources(
        stats=agent.stats,
        ack_times=server.desk.ack_times,
        export=ways_out.exporter.state,
        gauges={
            "live_traces": lambda: agent.live_traces,
            "open_connections": lambda: server.connections,
            "engines": lambda: len(agent.engines.known),
            "workers": lambda: 1,
        },
    )
    return Own(sources, __version__, time.time_ns())


def _close_admin(admin: PagesOut | None) -> None:
    if admin is not None:
        admin.close()


async def _listen(server: AgentServer, records: RecordsIn, settings: Settings) -> None:
    """Listen on all addresses, or on none."""
    try:
        for records_address in settings.records.listen:
            records.listen(records_address)
        for address in settings.listen:
            await server.listen(address)
    except CannotListenError:
        server.stop_listening()
        records.close()
        raise


def _tick_period(settings: Settings) -> float:
    """Return the seconds between two looks at what waits: a quarter of the shortest wait, and a second at most."""
    waits = [settings.trace.ttl] + ([settings.records.grace] if settings.records.listen else [])
    return max(0.01, min(1.0, min(waits) / 4))


def _on_signals(stats: Stats, reload: Callable[[], None]) -> asyncio.Event:
    """Return what SIGTERM and SIGINT set; a second one ends the process at once. SIGHUP reads the settings again."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_stop(number: signal.Signals) -> None:
        if stop.is_set():
            said = fields(signal=number.name, **totals(stats.snapshot()))
            _LOG.warning("ended at once by a second signal", extra=said)
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop, number)
    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(signal.SIGUSR1, lambda: say_totals(stats.snapshot()))
    return stop


def _exception_handler(
    agent: Agent, server: AgentServer
) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return what the loop calls for an exception that nobody caught: it costs one connection at most."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG001 (asyncio's signature)
        error = context.get("exception")
        if isinstance(error, OSError) and "socket" in context:
            # asyncio tries again after a second. Until then HAProxy's connections wait in the backlog.
            if agent.stats.count("accept_failures") == 1:
                _LOG.error("cannot accept connections", extra=fields(error=error, said="once, counted from now on"))
        elif isinstance(error, OSError):
            _LOG.debug("connection reset", extra=fields(error=error))
        elif isinstance(error, ValueError) and not server.listening:
            _LOG.debug("accept after the end", extra=fields(error=error))  # asyncio's second try, see above
        else:
            agent.bug("loop", error)

    return handle


def _allow_connections(number: int) -> None:
    """Ask the system for as many file descriptors; 1024 is a usual soft limit, and below our default."""
    wanted = number + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _LOG.warning(
            "fewer file descriptors than connections: raise the limit (LimitNOFILE) or lower server.max_connections",
            extra=fields(descriptors=allowed, connections=number),
        )


async def _tick(agent: Agent, clock: Clock, also: Callable[[], None], period: float, heart: Heartbeat) -> None:
    """Let time pass for what waits on it."""
    since_synchronised = 0.0
    while True:
        await asyncio.sleep(period)
        heart.last = time.monotonic()
        since_synchronised += period
        if since_synchronised >= SYNCHRONISE_EVERY:
            clock.synchronise()
            since_synchronised = 0.0
        agent.tick(clock.now())
        also()
