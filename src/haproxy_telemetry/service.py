"""The life of the process: build the parts, serve until a signal, end in order, say what was lost."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from typing import Final

from haproxy_telemetry import __version__
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.exporters import CloseReport, ExportConfigError, Exporter, make_exporter
from haproxy_telemetry.logs import configure_logging, fields
from haproxy_telemetry.server import AgentServer, CannotListenError
from haproxy_telemetry.settings import Settings
from haproxy_telemetry.spop import Limits, Scope
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.assembler import Assembler
from haproxy_telemetry.trace.ids import IdSource
from haproxy_telemetry.trace.live import TraceLimits

_LOG: Final = logging.getLogger("haproxy_telemetry.service")

SYNCHRONISE_EVERY: Final = 10.0
"""Seconds after which the agent's clock follows the system's again."""


def run(settings: Settings, environ: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code: 0, or 1 if it could not begin."""
    configure_logging(settings.log.format, settings.log.level)
    stats = Stats()
    try:
        exporter = make_exporter(settings.export.to, environ, stats, file=settings.export.file)
    except ExportConfigError as error:
        sys.stderr.write(f"haproxy-telemetry: {error}\n")
        return 2
    agent = make_agent(settings, exporter, stats)
    try:
        return asyncio.run(_serve(settings, agent, exporter))
    except CannotListenError as error:
        exporter.close(0.0)
        sys.stderr.write(f"haproxy-telemetry: {error}\n")
        return 1


def make_agent(settings: Settings, exporter: Exporter, stats: Stats) -> Agent:
    """Build the agent that the settings describe."""
    assembler = Assembler(
        ids=IdSource(),
        stats=stats,
        limits=trace_limits(settings),
        upstream_span=settings.trace.upstream_span.encode(),
        strict=settings.dsl.strict,
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
    )


async def _serve(settings: Settings, agent: Agent, exporter: Exporter) -> int:
    clock = Clock()
    server = AgentServer(agent, clock, settings.server.max_connections)
    stop = _stop_signals()
    for address in settings.listen:
        await server.listen(address)
    _LOG.info(
        "listening", extra=fields(spop=",".join(server.addresses), export=settings.export.to, version=__version__)
    )
    ticking = asyncio.create_task(_tick(agent, clock, min(1.0, settings.trace.ttl / 4)), name="tick")
    await stop.wait()
    _LOG.info("stopping", extra=fields(deadline_s=settings.server.shutdown_timeout))
    await server.close()
    ticking.cancel()
    agent.close()
    report = await asyncio.to_thread(exporter.close, settings.server.shutdown_timeout)
    _say_totals(agent.stats, report)
    return 0


def _stop_signals() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


async def _tick(agent: Agent, clock: Clock, period: float) -> None:
    """Let time pass for what waits on it."""
    since_synchronised = 0.0
    while True:
        await asyncio.sleep(period)
        since_synchronised += period
        if since_synchronised >= SYNCHRONISE_EVERY:
            clock.synchronise()
            since_synchronised = 0.0
        agent.tick(clock.now())


def _say_totals(stats: Stats, report: CloseReport) -> None:
    """One line at the end: what was done, what was lost, why."""
    lost = {f"lost_{reason}": count for reason, count in sorted(report.lost.items())}
    incomplete = sum(n for (what, _), n in stats.snapshot().items() if what == "traces_incomplete")
    level = logging.WARNING if report.lost else logging.INFO
    _LOG.log(
        level,
        "stopped",
        extra=fields(
            connections=stats.get("connections"), incomplete=incomplete, exported=stats.get("spans_exported"), **lost
        ),
    )
