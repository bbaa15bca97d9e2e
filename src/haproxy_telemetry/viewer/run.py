"""The process: take the addresses, serve until a signal, write what waits."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvicorn

from haproxy_telemetry import __version__
from haproxy_telemetry.logs import fields
from haproxy_telemetry.viewer.app import Viewer
from haproxy_telemetry.viewer.database import Database, StoreError
from haproxy_telemetry.viewer.guard import MAX_HEAD
from haproxy_telemetry.viewer.spans import Summary
from haproxy_telemetry.viewer.store import Limits, Store

_LOG: Final = logging.getLogger("haproxy_telemetry.viewer")

MAX_CONNECTIONS: Final = 256
KEEP_ALIVE_S: Final = 30
GRACE_S: Final = 3
BACKLOG: Final = 256


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; 0 lets the system choose."""

    host: str
    port: int

    @property
    def name(self) -> str:
        """The host as a URL has it."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Options:
    """What the viewer is started with.

    ``otlp_asked``: the address of ``otlp`` must be had. ``socket``: the number of a listening socket that whoever
    started the viewer has made, in place of ``listen``.
    """

    listen: Address
    otlp: Address | None
    otlp_asked: bool = False
    store: Path | None = None
    limits: Limits = field(default_factory=Limits)
    hosts: tuple[str, ...] = ()
    agent: str = ""
    socket: int | None = None


class CannotStartError(Exception):
    """The viewer cannot begin; says why, and what to do."""


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; raises :class:`CannotStartError`."""
    sockets: list[socket.socket] = []
    try:
        if options.socket is None:
            sockets.append(bind(options.listen, "--listen"))
        else:
            sockets.append(socket.socket(fileno=options.socket))
        otlp = _bind_otlp(options)
        sockets += [otlp] if otlp is not None else []
        store = Store(Database(options.store), options.limits)
    except StoreError as error:
        _close(sockets)
        raise CannotStartError(str(error)) from error
    except CannotStartError:
        _close(sockets)
        raise
    asyncio.run(serve(options, store, sockets))


async def serve(
    options: Options,
    store: Store,
    sockets: Sequence[socket.socket],
    *,
    started: Callable[[ViewerServer], None] | None = None,
    told: Callable[[Sequence[Summary]], None] | None = None,
    signals: bool = True,
) -> None:
    """Serve on listening sockets, the first for everything, the others for OTLP alone, until the server is stopped.

    ``started`` gets the server, ``told`` hears on the loop of traces that are new or grew. With ``signals`` SIGTERM and
    SIGINT stop it.
    """
    page, *otlp = (sock.getsockname() for sock in sockets)
    viewer = Viewer(
        store,
        agent=options.agent,
        hosts=(Address(*page[:2]).name, options.listen.name, *options.hosts),
        otlp_ports=[name[1] for name in otlp],
        told=told,
    )
    server = ViewerServer(_config(viewer), viewer, signals)
    _warn_if_open(page)
    _LOG.info(
        "viewer",
        extra=fields(
            url=f"http://{Address(*page[:2])}/",
            otlp=",".join(str(Address(*name[:2])) for name in (page, *otlp)),
            store=options.store or "memory",
            version=__version__,
        ),
    )
    if started is not None:
        started(server)
    try:
        await server.serve(list(sockets))
    finally:
        await asyncio.to_thread(viewer.close)
        _LOG.info("viewer stopped", extra=fields(traces=store.totals.traces, spans=store.totals.spans))


def _config(viewer: Viewer) -> uvicorn.Config:
    return uvicorn.Config(
        viewer.app,
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MAX_HEAD,
    )


class ViewerServer(uvicorn.Server):
    """Uvicorn's server, which lets the live streams end first, and leaves a signal that ended it at that."""

    def __init__(self, config: uvicorn.Config, viewer: Viewer, signals: bool) -> None:
        super().__init__(config)
        self._signals = signals
        self.viewer = viewer

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGTERM and SIGINT; a second one hurries."""
        if self._signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        yield

    def stop(self) -> None:
        """Begin to end; called a second time, end without waiting for answers that are under way."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, end the streams, wait for the answers that are under way."""
        self.viewer.hub.close()
        await super().shutdown(sockets)


def bind(address: Address, what: str) -> socket.socket:
    """Return a listening socket; ``what`` is the flag that named the address."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, name = found[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotStartError(
            f"{what} {address}: {error.strerror or error}; name an address of this machine"
        ) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(name)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        busy = error.errno == errno.EADDRINUSE
        reason = "another process listens there" if busy else (error.strerror or str(error)).lower()
        raise CannotStartError(f"{what} {address}: {reason}; stop it, or name another address") from error
    sock.setblocking(False)
    return sock


def _bind_otlp(options: Options) -> socket.socket | None:
    """Take the second address for OTLP; one that nobody asked for may be somebody else's."""
    if options.otlp is None:
        return None
    try:
        return bind(options.otlp, "--otlp")
    except CannotStartError as error:
        if options.otlp_asked:
            raise
        _LOG.info("OTLP is taken on the viewer's own address alone", extra=fields(because=error))
        return None


def _warn_if_open(bound: tuple[str, int]) -> None:
    address = Address(*bound[:2])
    if not ipaddress.ip_address(address.host.partition("%")[0]).is_loopback:
        _LOG.warning(
            "the viewer listens on more than loopback: whoever reaches it reads all traces, and may send some",
            extra=fields(listen=address),
        )


def _close(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
