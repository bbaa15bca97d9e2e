"""The sockets: listening, and one protocol object a connection.

All frames of one read are answered by one write, and everything else is done after it. Nothing here knows what
the bytes mean: that is ``agent.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import stat
from pathlib import Path
from typing import Any, Final, final

from haproxy_telemetry.agent import Agent, Session
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.logs import fields
from haproxy_telemetry.settings import ListenAddress, UnixAddress

_LOG: Final = logging.getLogger("haproxy_telemetry.server")

READ_BUFFER: Final = 262_144
"""One for all connections: a read is taken out of it before the next one begins. 16 of HAProxy's frames."""

DRAIN: Final = 0.05
"""Seconds between the last accept and AGENT-DISCONNECT: what HAProxy has sent by then gets its answer."""


class CannotListenError(Exception):
    """An address could not be listened on; says which, and why."""


@final
class SpopProtocol(asyncio.BufferedProtocol):
    """One connection. Reads go to a buffer that all connections of the server share."""

    def __init__(self, server: AgentServer) -> None:
        self._server = server
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away past the bound."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._server.admit(self):
            transport.abort()
            return
        self._session = Session(self._server.agent, _peer_name(transport))

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 (asyncio's signature)
        """Return where the next read goes."""
        return self._server.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what came, then do the work."""
        session, transport = self._session, self._transport
        if session is None or transport is None:
            return
        answer = session.receive(bytes(self._server.view[:nbytes]), self._server.clock.now())
        if answer:
            transport.write(answer)
        self._server.agent.carry_out()
        if session.closed:
            transport.close()

    def pause_writing(self) -> None:
        """Read no more from a HAProxy that does not take its answers: what waits is bounded."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection. A reset is how HAProxy ends health checks and idle connections."""
        if exc is not None:
            _LOG.debug("connection reset", extra=fields(error=exc))
        if self._session is not None:
            self._session.lost()
        self._server.forget(self)

    def say_goodbye(self) -> None:
        """End the connection with AGENT-DISCONNECT."""
        if self._session is None or self._transport is None or self._transport.is_closing():
            return
        farewell = self._session.disconnect()
        if farewell:
            self._transport.write(farewell)
        self._transport.close()


@final
class AgentServer:
    """The listening sockets and their connections."""

    def __init__(self, agent: Agent, clock: Clock, max_connections: int) -> None:
        self.agent = agent
        self.clock = clock
        self.buffer = bytearray(READ_BUFFER)
        self.view = memoryview(self.buffer)
        self._max_connections = max_connections
        self._protocols: set[SpopProtocol] = set()
        self._servers: list[asyncio.Server] = []
        self._paths: list[Path] = []
        self.addresses: list[str] = []

    async def listen(self, address: ListenAddress) -> None:
        """Listen on one more address; raise :class:`CannotListenError`."""
        try:
            if isinstance(address, UnixAddress):
                await self._listen_unix(Path(address.path))
            else:
                await self._listen_tcp(address.host, address.port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotListenError(f"cannot listen on {address}: {reason}") from error

    async def _listen_tcp(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SpopProtocol(self), host, port, backlog=1024)
        self._servers.append(server)
        self.addresses += [_socket_name(sock.getsockname()) for sock in server.sockets]

    async def _listen_unix(self, path: Path) -> None:
        """Listen on a path; a socket file that nobody listens on any more is replaced.

        Everybody on this machine may connect, as over loopback: HAProxy runs as a user of its own.
        """
        if _somebody_listens(path):
            raise OSError(errno.EADDRINUSE, "another process listens there")
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: SpopProtocol(self), str(path), backlog=1024)
        path.chmod(0o666)
        self._servers.append(server)
        self._paths.append(path)
        self.addresses.append(f"unix:{path}")

    def admit(self, protocol: SpopProtocol) -> bool:
        """Count the connection in; ``False`` past the bound."""
        self.agent.stats.count("connections")
        if len(self._protocols) >= self._max_connections:
            if self.agent.stats.count("connections_refused", "max_connections") == 1:
                _LOG.warning("too many connections", extra=fields(limit=self._max_connections))
            return False
        self._protocols.add(protocol)
        return True

    def forget(self, protocol: SpopProtocol) -> None:
        """Count the connection out."""
        self._protocols.discard(protocol)

    async def close(self) -> None:
        """Stop accepting, answer what is in flight, say goodbye to everyone."""
        for server in self._servers:
            server.close()
        await asyncio.sleep(DRAIN)
        for protocol in list(self._protocols):
            protocol.say_goodbye()
        await asyncio.sleep(0)
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.unlink()


def _somebody_listens(path: Path) -> bool:
    """Say whether the path is a live socket; raise ``OSError`` if it is something else."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is a file of that name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _socket_name(name: tuple[Any, ...]) -> str:
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _peer_name(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("peername")
    return _socket_name(name) if isinstance(name, tuple) else "unix"
