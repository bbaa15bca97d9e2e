"""The viewer inside the demo: takes in what agent and fake server send, and shows it, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from haproxy_telemetry.demo.arrivals import Arrivals
from haproxy_telemetry.demo.ports import PortTakenError
from haproxy_telemetry.viewer.database import Database
from haproxy_telemetry.viewer.run import Address, CannotStartError, Options, ViewerServer, bind, serve
from haproxy_telemetry.viewer.store import Store

HOST: Final = "127.0.0.1"
NAMES: Final = {"viewer": "the viewer", "otlp": "the viewer's OTLP"}


@asynccontextmanager
async def viewing(ports: Mapping[str, int]) -> AsyncIterator[Arrivals]:
    """Run the viewer on the ports ``viewer`` and ``otlp``; raises ``PortTakenError``."""
    sockets = []
    try:
        for name in NAMES:
            try:
                sockets.append(bind(Address(HOST, ports[name]), name))
            except CannotStartError as error:
                raise PortTakenError(NAMES[name], ports[name]) from error
        store = Store(Database(None), (options := _options(ports)).limits)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    arrivals = Arrivals(store)
    begun: asyncio.Future[ViewerServer] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(options, store, sockets, started=begun.set_result, told=arrivals.told, signals=False), name="viewer"
    )
    server = await begun
    try:
        yield arrivals
    finally:
        server.stop()
        await serving


def _options(ports: Mapping[str, int]) -> Options:
    agent = f"http://{HOST}:{ports['pages']}"
    return Options(Address(HOST, ports["viewer"]), Address(HOST, ports["otlp"]), otlp_asked=True, agent=agent)
