"""Where the agent runs: by itself on a machine, or as one of several workers. What of its life differs then.

:class:`Alone` has the sockets for records and pages, and says in the log what happens; a worker's place is
``workers/worker.py``, whose supervisor does both for all of them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, final

from haproxy_telemetry import __version__
from haproxy_telemetry.admin.listener import bind
from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.exporters import CloseReport, only_viewer
from haproxy_telemetry.logs import fields
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.recordserver import RecordServer
from haproxy_telemetry.server import CannotListenError
from haproxy_telemetry.settings import AdminAddress, RecordsAddress, Settings, TcpAddress
from haproxy_telemetry.settings.opentelemetry import not_obeyed
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.stderr import StderrStream
from haproxy_telemetry.totals import say_stopped
from haproxy_telemetry.viewerchild import ViewerChild, ViewerPlace, viewer_flags

if TYPE_CHECKING:
    from haproxy_telemetry.admin.pages import Sources

_LOG: Final = logging.getLogger("haproxy_telemetry.service")

ADMIN_ADDRESS: Final = TcpAddress("127.0.0.1", 9464)
"""Where the agent tells about itself unless a setting says otherwise; the port is OpenTelemetry's for Prometheus."""

Bug = Callable[[str, BaseException], None]


class RecordsIn(Protocol):
    """Where records come in; :class:`~.recordserver.RecordServer` is one."""

    addresses: list[str]

    def listen(self, address: RecordsAddress) -> None:
        """Take records on one more address; raise :class:`CannotListenError`."""

    def note_drops(self) -> None:
        """Count what was lost on the way here since the last time."""

    def close(self, seconds: float = 0.0) -> None:
        """Take what is still there, for so long; receive no more."""


class PagesOut(Protocol):
    """Who answers for the agent. ``address``: where, ``None`` if that is not known here."""

    address: str | None

    def start(self) -> None:
        """Begin to answer."""

    def close(self) -> None:
        """Stop."""


class Door(Protocol):
    """An address that is taken; ``host`` is the name in it."""

    host: str

    def serve(self, sources: Sources, bug: Bug) -> PagesOut:
        """Return the pages that will be served there."""


class Place(Protocol):
    """What the agent's life needs of where it is.

    ``number`` is a worker's, 0 for none; ``secret`` the key of hashed addresses; ``viewer`` where the built-in viewer
    takes spans, if there is one.
    """

    number: int
    secret: bytes
    viewer: str

    def begin(self) -> None:
        """Take what is needed before anything else; raise :class:`CannotListenError`."""

    def cannot_begin(self, code: int, sentence: str) -> None:
        """Tell why there will be no agent, and with which exit code."""

    async def enter(self, agent: Agent, clock: Clock, stop: asyncio.Event, recorder: Recorder | None) -> RecordsIn:
        """Take the agent in: it is running from now on, until ``stop`` is set. Return where its records come in."""

    def door(self, asked: AdminAddress | None) -> Door | None:
        """Take the address of the pages, ``None`` if there are none; raise :class:`CannotListenError`."""

    async def listening(self, spop: Sequence[str], records: Sequence[str], pages: PagesOut | None) -> None:
        """HAProxy is served."""

    def ticked(self, problem: Callable[[], str]) -> None:
        """The event loop lives; ``problem`` says why the agent is not ready."""

    def stopping(self, timeout: float) -> None:
        """HAProxy is served no more."""

    async def stopped(self, stats: Stats, report: CloseReport) -> None:
        """All is done."""


@final
class OwnDoor:
    """A listening socket (``listener.bind``)."""

    def __init__(self, sock: socket.socket, host: str) -> None:
        self.host = host
        self.sock = sock

    def serve(self, sources: Sources, bug: Bug) -> PagesOut:
        """Return the pages of this process."""
        from haproxy_telemetry.admin.pages import Admin, Pages

        return Admin(self.sock, Pages(sources).respond, bug)


@final
class Alone:
    """The one process that there is."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        stats: Stats,
        stderr: StderrStream,
        said: Sequence[str] = (),
    ) -> None:
        """``said``: warnings about where the settings came from."""
        self.number = 0
        self.secret = b""
        self.viewer = ""
        self._settings = settings
        self._environ = environ
        self._stats = stats
        self._stderr = stderr
        self._said = said
        self._viewer: ViewerChild | None = None

    def begin(self) -> None:
        """Take the viewer's address."""
        self._viewer = make_viewer(self._settings, self._environ, self._stats)
        self.viewer = self._viewer.otlp if self._viewer is not None else ""
        warn_of_variables(self._environ, self._said)

    def cannot_begin(self, code: int, sentence: str) -> None:  # noqa: ARG002 (the code is the process's own)
        """Say it on standard error."""
        self._stderr.write(f"haproxy-telemetry: {sentence}\n")

    async def enter(
        self,
        agent: Agent,
        clock: Clock,
        stop: asyncio.Event,  # noqa: ARG002 (signals set it)
        recorder: Recorder | None,
    ) -> RecordsIn:
        """Return sockets of its own."""
        return RecordServer(agent, clock, recorder)

    def door(self, asked: AdminAddress | None) -> Door | None:
        """Take the address that was asked for, or the default one if it is free."""
        return open_door(asked)

    async def listening(self, spop: Sequence[str], records: Sequence[str], pages: PagesOut | None) -> None:
        """Say so, and let those begin who look at the agent."""
        await say_listening(spop, records, pages, self._settings.export.to, self._viewer)

    def ticked(self, problem: Callable[[], str]) -> None:
        """Nobody asks."""

    def stopping(self, timeout: float) -> None:
        """Say so."""
        _LOG.info("stopping", extra=fields(deadline_s=timeout))

    async def stopped(self, stats: Stats, report: CloseReport) -> None:
        """Say what was done and what was lost."""
        if self._viewer is not None:
            await self._viewer.stop()
        say_stopped(stats.snapshot(), report.exported, sum(report.lost.values()))


def open_door(asked: AdminAddress | None) -> OwnDoor | None:
    """Take the address of the pages, or the default one if it is free; raise :class:`CannotListenError`."""
    if asked == "off":
        return None
    address = asked or ADMIN_ADDRESS
    try:
        return OwnDoor(bind(address.host, address.port), address.host)
    except OSError as error:
        if asked is not None:
            raise CannotListenError(address, error, "name another with --admin HOST:PORT, or off") from error
        refused = CannotListenError(address, error)
        _LOG.info("no pages about the agent: their default address cannot be had", extra=fields(error=refused))
        return None


def make_viewer(settings: Settings, environ: Mapping[str, str], stats: Stats) -> ViewerChild | None:
    """Take the viewer's address, if there is to be one; raise :class:`CannotListenError`."""
    asked = settings.viewer.listen
    if asked == "off":
        return None
    try:
        place = ViewerPlace(bind(asked.host, asked.port))
    except OSError as error:
        raise CannotListenError(asked, error, "name another with --viewer HOST:PORT") from error
    flags = viewer_flags(settings, takes_4318=only_viewer(settings.export.to, environ))
    return ViewerChild(place, flags, environ, stats)


def warn_of_variables(environ: Mapping[str, str], said: Sequence[str]) -> None:
    """Say what of OpenTelemetry's file (``said``) and variables is set in vain."""
    for words in said:
        _LOG.warning("not all of the file of OTEL_CONFIG_FILE decides something here", extra=fields(so=words))
    if strange := not_obeyed(environ):
        _LOG.warning("variables of OpenTelemetry that decide nothing here", extra=fields(names=",".join(strange)))


async def say_listening(
    spop: Sequence[str],
    records: Sequence[str],
    pages: PagesOut | None,
    export: str,
    viewer: ViewerChild | None,
    workers: int | None = None,
) -> None:
    """One line for all that begins; then those begin who look at the agent."""
    _LOG.info(
        "listening",
        extra=fields(
            spop=",".join(spop),
            records=",".join(records) or None,
            admin=pages.address if pages is not None else None,
            export=export,
            viewer=viewer.url if viewer is not None else None,
            workers=workers,
            version=__version__,
        ),
    )
    if pages is not None:
        pages.start()
    if viewer is not None:
        await viewer.start(f"http://{pages.address}" if pages is not None else "")
