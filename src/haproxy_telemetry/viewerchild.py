"""The viewer of ``serve --viewer``: a process of its own, so that what it does costs no request the interpreter.

The agent takes the address and hands the listening socket over: a busy one is found at the start, and spans that are
sent while the viewer still starts wait in the backlog. It ends with the agent, however that ends (``launch``); if it
ends by itself, that is said and counted, and the agent goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from typing import Final, final

from haproxy_telemetry.logs import fields
from haproxy_telemetry.settings import Settings
from haproxy_telemetry.stats import Stats

_LOG: Final = logging.getLogger("haproxy_telemetry.viewer")

STOP_S: Final = 5.0
"""Seconds from SIGTERM to SIGKILL; the viewer writes what waits."""

_OURS: Final = "HAPROXY_TELEMETRY_"


@final
class ViewerPlace:
    """A listening socket for the viewer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        host, port = sock.getsockname()[:2]
        # What is bound to all addresses is reached on loopback.
        if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
            host = "::1" if ":" in host else "127.0.0.1"
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self.otlp = f"{self.url}/v1/traces"


def viewer_flags(settings: Settings, *, takes_4318: bool) -> list[str]:
    """Return what the viewer is started with. It takes 4318 only where no other receiver is meant to be there."""
    viewer = settings.viewer
    flags = ["--otlp", "off"] if viewer.otlp is None and not takes_4318 else []
    flags += ["--otlp", str(viewer.otlp)] if viewer.otlp is not None else []
    flags += ["--store", str(viewer.store)] if viewer.store is not None else []
    flags += ["--max-age", repr(viewer.max_age), "--max-traces", str(viewer.max_traces)]
    flags += ["--max-bytes", str(viewer.max_bytes), "--max-trace-spans", str(viewer.max_trace_spans)]
    for host in viewer.allow_hosts:
        flags += ["--allow-host", host]
    return [*flags, "--log-format", settings.log.format, "--log-level", settings.log.level]


@final
class ViewerChild:
    """The process. ``start`` and ``stop`` are for the loop, each once."""

    def __init__(self, place: ViewerPlace, flags: list[str], environ: Mapping[str, str], stats: Stats) -> None:
        self.url = f"{place.url}/"
        self.otlp = place.otlp
        self._place = place
        self._flags = flags
        # Everything is said by flags, so what the agent's environment says is not read a second time.
        self._environ = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
        self._stats = stats
        self._process: Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self, agent: str) -> None:
        """Start it; ``agent`` is the URL of the agent's pages, ``""`` if it has none."""
        number = self._place.sock.fileno()
        python = [sys.executable, "-P", "-m"]
        flags = ["--socket", str(number), *(["--agent", agent] if agent else []), *self._flags]
        self._process = await asyncio.create_subprocess_exec(
            *python,
            "haproxy_telemetry.launch",
            str(os.getpid()),
            *python,
            "haproxy_telemetry",
            "viewer",
            *flags,
            stdin=DEVNULL,
            stdout=DEVNULL,
            env=self._environ,
            pass_fds=[number],
            process_group=0,  # Ctrl-C in a terminal is for the agent, which ends it in its turn
        )
        self._place.sock.close()  # so that nobody is kept waiting if it ends
        self._watching = asyncio.create_task(self._watch(self._process), name="viewer")

    async def stop(self) -> None:
        """End it, and wait for that."""
        self._stopping = True
        self._place.sock.close()
        if self._process is None or self._watching is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._watching), STOP_S)
        self._signal(signal.SIGKILL)
        await self._watching

    async def _watch(self, process: Process) -> None:
        code = await process.wait()
        if not self._stopping:
            self._stats.count("viewer_ends")
            _LOG.error("the viewer ended; the agent goes on without it", extra=fields(code=code))

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
