"""The life of an agent of several processes: start the workers, hand them their records, answer for them, end them.

Nothing of a request goes through here, so nothing here can delay one. If this process dies, its workers die too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, final

from haproxy_telemetry.clock import Clock
from haproxy_telemetry.conventions import hash_key
from haproxy_telemetry.exporters import json_encoder
from haproxy_telemetry.logs import configure_logging, fields
from haproxy_telemetry.place import OwnDoor, PagesOut, make_viewer, open_door, say_listening, warn_of_variables
from haproxy_telemetry.recordserver import RecordServer
from haproxy_telemetry.reload import Reload
from haproxy_telemetry.sampling import Sampling
from haproxy_telemetry.server import CannotListenError
from haproxy_telemetry.settings import Settings, SettingsError
from haproxy_telemetry.stats import Stats
from haproxy_telemetry.stderr import StderrStream, hold_standard_descriptors
from haproxy_telemetry.totals import say_stopped, say_totals, totals
from haproxy_telemetry.viewerchild import ViewerChild
from haproxy_telemetry.workers.dispatch import Dispatcher
from haproxy_telemetry.workers.fleet import CannotBeginError, Fleet

_LOG: Final = logging.getLogger("haproxy_telemetry.service")

LOOK_S: Final = 1.0
"""Seconds between two looks at what the kernel dropped."""

ASK_S: Final = 1.0
LAST_WORDS_MS: Final = 200


def run(settings: Settings, environ: Mapping[str, str], load_again: Callable[[], Settings], said: Sequence[str]) -> int:
    """Serve by ``server.workers`` processes until SIGTERM or SIGINT; return the exit code, as ``service.run``."""
    hold_standard_descriptors()
    stats = Stats()
    stderr = StderrStream(stats)
    configure_logging(settings.log.format, settings.log.level, stderr)
    try:
        viewer = make_viewer(settings, environ, stats)
        warn_of_variables(environ, said)
        supervisor = Supervisor(settings, environ, load_again, stats, viewer)
        asyncio.run(supervisor.live(stderr, hash_key(settings)))
    except (CannotBeginError, CannotListenError, SettingsError) as error:
        stderr.write(f"haproxy-telemetry: {error}\n")
        return error.code if isinstance(error, CannotBeginError) else 2 if isinstance(error, SettingsError) else 1
    return 0


@final
class Supervisor:
    """What there is once for all workers; for :class:`~.reload.Reload` it stands for the agent."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        load_again: Callable[[], Settings],
        stats: Stats,
        viewer: ViewerChild | None,
    ) -> None:
        self.stats = stats
        self._settings = settings
        self._loaded = settings
        self._load_again = load_again
        self._reload = Reload(self, settings, self._load, environ)
        self._environ = environ
        self._viewer = viewer
        self._asked: set[asyncio.Task[None]] = set()

    # Settings, read again

    def _load(self) -> Settings:
        self._loaded = self._load_again()
        return self._loaded

    def use_sampling(self, sampling: Sampling) -> None:  # noqa: ARG002 (each worker makes its own of the settings)
        """Let the workers sample by what was loaded last."""
        self._fleet.sample(self._loaded.sampling)

    # Life

    async def live(self, stderr: StderrStream, secret: bytes) -> None:
        """Begin, serve, end. Raise :class:`CannotBeginError` or :class:`CannotListenError`; then nothing is left."""
        settings = self._settings
        fleet = self._fleet = Fleet(
            settings, self._environ, self.stats, secret, self._viewer.otlp if self._viewer is not None else ""
        )
        dispatcher = Dispatcher(self.stats, fleet.alive, fleet.send)
        fleet.refused = dispatcher.refused
        records = RecordServer(dispatcher, Clock())
        door: OwnDoor | None = None
        stop = self._on_signals()
        try:
            for address in settings.records.listen:
                records.listen(address)
            door = open_door(settings.admin.listen)
            await self._fleet.start()
        except (CannotBeginError, CannotListenError):
            records.close()
            if door is not None:
                door.sock.close()
            raise
        pages = self._open_pages(door, records.addresses)
        workers = settings.server.workers
        await say_listening(fleet.addresses, records.addresses, pages, settings.export.to, self._viewer, workers)
        looking = asyncio.create_task(_look(records), name="look")
        await stop.wait()
        _LOG.info("stopping", extra=fields(deadline_s=settings.server.shutdown_timeout))
        await self._fleet.stop(settings.server.shutdown_timeout)
        looking.cancel()
        records.close()
        stderr.patience = LAST_WORDS_MS
        if pages is not None:
            pages.close()
        if self._viewer is not None:
            await self._viewer.stop()
        counts = self._counts()
        say_stopped(counts, counts["spans_exported", ""], sum(worker.lost for worker in self._fleet.workers))

    def _open_pages(self, door: OwnDoor | None, records: list[str]) -> PagesOut | None:
        if door is None:
            return None
        # 90 ms, for those who have these pages; the workers begin first.
        from haproxy_telemetry.admin.pages import Admin
        from haproxy_telemetry.workers.pages import FleetPages, Where

        encode = json_encoder(self._environ, str(uuid.uuid4()))
        where = Where(asyncio.get_running_loop(), door.host, records, encode)
        pages = FleetPages(self._fleet, self.stats, where, self._settings.metrics.max_series)
        return Admin(door.sock, pages.respond, self._bug)

    def _bug(self, where: str, error: BaseException) -> None:
        if self.stats.count("internal_errors", where) == 1:
            _LOG.error("internal error, please report it", exc_info=error, extra=fields(where=where))

    def _counts(self) -> Counter[tuple[str, str]]:
        """Return all counters: of the workers, and of this process."""
        return self._fleet.counts() + Counter(self.stats.snapshot())

    def _on_signals(self) -> asyncio.Event:
        """Return what SIGTERM and SIGINT set; the others do here what they do in an agent that is alone."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        def on_stop(number: signal.Signals) -> None:
            if stop.is_set():
                self._fleet.kill()
                said = fields(signal=number.name, **totals(self._counts()))
                _LOG.warning("ended at once by a second signal", extra=said)
                os._exit(128 + number)
            stop.set()

        def on_usr1() -> None:
            task = loop.create_task(self._say_totals(), name="totals")
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_signal_handler(signal.SIGUSR1, on_usr1)
        return stop

    async def _say_totals(self) -> None:
        await self._fleet.ask("counts", ASK_S)
        say_totals(self._counts())


async def _look(records: RecordServer) -> None:
    """Count what the kernel dropped."""
    while True:
        await asyncio.sleep(LOOK_S)
        records.note_drops()
