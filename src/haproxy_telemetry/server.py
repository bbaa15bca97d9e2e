"""The sockets: listening, and one protocol object a connection.

What is done with a read is ``conversation.py``'s, and what the bytes mean ``session.py``'s: nothing here knows it.

A connection ends in order: our last word, the end of our side, and then HAProxy's end is waited for, for a
moment. To close with bytes unread would be a reset, and a reset can overtake the answers before it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.conversation import Conversation, Desk, Line
from haproxy_telemetry.logs import fields
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.settings import ADDRESS_TAKEN, ListenAddress, RecordsAddress, UnixAddress
from haproxy_telemetry.turnloop import TurnLoop, running_turn, running_watch

_LOG: Final = logging.getLogger("haproxy_telemetry.server")

BACKLOG: Final = 1024
"""Connections that wait for their accept; the system may allow fewer (net.core.somaxconn)."""

HELLO_TIMEOUT: Final = 10.0
"""Seconds for the HELLO, which HAProxy sends at once: who says nothing shall not hold a place for ever."""

DRAIN: Final = 0.05
"""Seconds between the last accept and AGENT-DISCONNECT: what HAProxy has sent by then gets its answer."""

LINGER: Final = 0.5
"""Seconds between our last word and a hard end, for a peer that does not close its side."""


_FIX: Final = "name another with --listen, and in HAProxy's `server` line"


class CannotListenError(Exception):
    """An address could not be listened on; says which, and why, and with ``fix`` what to do."""

    def __init__(self, address: ListenAddress | RecordsAddress, error: OSError, fix: str = "") -> None:
        self.address = address
        self.errno = error.errno
        super().__init__(f"cannot listen on {address}: {_reason(error)}{fix and f'; {fix}'}")


class _AddressTakenError(OSError):
    """What we say ourselves about a path."""


@final
class _Direct:
    """A socket that is read when the loop finds it ready, and written at once, as long as HAProxy takes all.

    Its transport is left what it has a better hand for: to accept, to send later, to end.
    """

    def __init__(self, loop: TurnLoop, fd: int, transport: asyncio.Transport, ended: Callable[[], None]) -> None:
        self._socket = socket.socket(fileno=fd)  # the transport's lets nobody read; it is also who closes it
        self._socket.setblocking(False)
        self.line = Line(self._socket.recv, self._socket.send, self._send_later, self._hung_up, ended)
        self._fd = fd
        self._loop = loop
        self._transport = transport
        self._ready: Callable[[], None] | None = None

    def listen(self, ready: Callable[[], None]) -> None:
        """Begin to read, as soon as the transport does."""
        self._ready = ready
        self._loop.call_soon(self._take_over)

    def _take_over(self) -> None:
        if self.line.open:
            self._transport.pause_reading()
            self._transport.set_write_buffer_limits(0)  # so that it says when it has sent all
            if not self.line.stuck:
                self._watch()

    def _watch(self) -> None:
        """Be called when there is something to read; without room in the system for it the connection ends."""
        assert self._ready is not None
        try:
            self._loop.watch(self._fd, self._ready)
        except OSError as error:
            self._hung_up(error)

    def _send_later(self, data: bytes) -> None:
        """Leave it to the transport; read no more from a HAProxy that does not take its answers."""
        self.line.stuck = True
        self._loop.unwatch(self._fd)
        self._transport.write(data)
        if not self._transport.get_write_buffer_size():
            self.go_on()

    def go_on(self) -> None:
        """All has been sent: read on."""
        if self.line.stuck and self.line.open:
            self.line.stuck = False
            self._watch()

    def _hung_up(self, error: Exception | None) -> None:
        """End what HAProxy has ended. A reset is how it ends health checks and idle connections."""
        self.let_go()
        if error is None:
            self._transport.close()
            return
        _LOG.debug("connection reset", extra=fields(error=error))
        self._transport.abort()

    def let_go(self) -> None:
        """Neither read nor write any more."""
        self.line.open = False
        self._loop.unwatch(self._fd)
        self._socket.detach()


@final
class SpopProtocol(asyncio.BufferedProtocol):
    """One connection's socket, read and written by its :class:`_Direct`.

    Where the loop cannot call at once who is ready asyncio reads and writes, into a buffer that all connections share.
    """

    def __init__(self, server: AgentServer) -> None:
        self._server = server
        self._buffer = server.desk.buffer
        self._conversation: Conversation | None = None
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._ending = False
        self._direct: _Direct | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away past the bound."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if not self._server.admit(self):
            transport.abort()
            return
        loop, sock = self._server.loop, transport.get_extra_info("socket")
        if loop is not None and sock is not None:
            self._direct = _Direct(loop, sock.fileno(), transport, self._end)
        line = self._direct.line if self._direct is not None else None
        self._conversation = Conversation(self._server.desk, _peer_name(transport), transport.write, line)
        self._within(HELLO_TIMEOUT, self._no_hello)
        if self._direct is not None:
            self._direct.listen(self._conversation.ready)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 (asyncio's signature)
        """Return where the next read goes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what came. What comes after the last word is read and thrown away."""
        conversation = self._conversation
        if conversation is None or self._ending:
            return
        if not conversation.read(nbytes):
            self._end()

    def pause_writing(self) -> None:
        """Read no more from a HAProxy that does not take its answers: what waits is bounded."""
        if self._transport is not None and self._direct is None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self._direct is not None:
            self._direct.go_on()
        elif self._transport is not None:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection. A reset is how HAProxy ends health checks and idle connections."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._direct is not None:
            self._direct.let_go()
            self._direct.line.close()
            self._direct = None  # those that know each other are not left for the collector
        if exc is not None:
            _LOG.debug("connection reset", extra=fields(error=exc))
        if self._conversation is not None:
            self._conversation.lost()
            self._conversation = None
        self._server.forget(self)

    def say_goodbye(self) -> None:
        """End the connection with AGENT-DISCONNECT."""
        if self._conversation is not None and not self._ending:
            self._conversation.end()
            self._end()

    def abort(self) -> None:
        """End the connection at once, by a reset."""
        if self._direct is not None:
            self._direct.let_go()
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> None:
        """The last word is written: end our side, and wait for the other end for a moment."""
        assert self._transport is not None
        self._ending = True
        try:
            self._transport.write_eof()
        except OSError:  # the peer was faster
            self._transport.abort()
            return
        self._within(LINGER, self.abort)

    def _within(self, seconds: float, otherwise: Callable[[], None]) -> None:
        """Set the connection's one deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, otherwise)

    def _no_hello(self) -> None:
        if self._conversation is not None and self._conversation.greeted:
            return
        self._server.agent.stats.count("connections_refused", "no_hello")
        self.abort()


@final
class AgentServer:
    """The listening sockets and their connections."""

    def __init__(self, agent: Agent, clock: Clock, max_connections: int, recorder: Recorder | None = None) -> None:
        self.agent = agent
        self.clock = clock
        self.desk = Desk(agent, clock, recorder, running_turn())
        self.loop = running_watch()
        self._max_connections = max_connections
        self._protocols: set[SpopProtocol] = set()
        self._nobody_left = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._paths: list[tuple[Path, int]] = []  # with the inode, so that nobody else's file is removed
        self.addresses: list[str] = []
        self.listening = True

    async def listen(self, address: ListenAddress) -> None:
        """Listen on one more address; raise :class:`CannotListenError`."""
        try:
            if isinstance(address, UnixAddress):
                await self._listen_unix(Path(address.path))
            else:
                await self._listen_tcp(address.host, address.port)
        except OSError as error:
            raise CannotListenError(address, error, _FIX) from error

    async def _listen_tcp(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SpopProtocol(self), host, port, backlog=BACKLOG)
        self._servers.append(server)
        self.addresses += [_socket_name(sock.getsockname()) for sock in server.sockets]

    async def _listen_unix(self, path: Path) -> None:
        """Listen on a path; a socket file that nobody listens on any more is replaced.

        Everybody on this machine may connect, as over loopback: HAProxy runs as a user of its own. The
        folder's permissions say who may reach the path at all.
        """
        check_path(path, socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: SpopProtocol(self), str(path), backlog=BACKLOG)
        self._servers.append(server)
        path.chmod(0o666)
        self._paths.append((path, path.stat().st_ino))
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

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._protocols)

    def forget(self, protocol: SpopProtocol) -> None:
        """Count the connection out."""
        self._protocols.discard(protocol)
        if not self._protocols:
            self._nobody_left.set()

    async def close(self, linger: float = LINGER) -> None:
        """Stop accepting, answer what is in flight, say goodbye to everyone; takes ``DRAIN`` and ``linger`` at most."""
        self.stop_listening()
        await asyncio.sleep(DRAIN)
        self._nobody_left.clear()
        for protocol in list(self._protocols):
            protocol.say_goodbye()
        if self._protocols:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nobody_left.wait(), linger)
        for protocol in list(self._protocols):
            protocol.abort()
        await asyncio.sleep(0)

    def stop_listening(self) -> None:
        """Accept no more. The paths go first: once they are closed, they may be another agent's."""
        for path, inode in self._paths:
            remove_path(path, inode)
        self._paths.clear()
        self.listening = False
        for server in self._servers:
            server.close()


def remove_path(path: Path, inode: int) -> None:
    """Remove our socket file, and nobody else's."""
    with contextlib.suppress(OSError):
        if path.stat().st_ino == inode:
            path.unlink()


def check_path(path: Path, kind: int) -> None:
    """Raise ``OSError`` unless the path is free, or a socket that nobody listens on."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _AddressTakenError(errno.EEXIST, "there is a file of that name, and it is no socket")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except PermissionError:
            raise _AddressTakenError(errno.EACCES, "there is a socket of that name that others may not use") from None
        except OSError:  # busy (its backlog is full), or of another type: it lives
            pass
    raise _AddressTakenError(errno.EADDRINUSE, ADDRESS_TAKEN)


def _reason(error: OSError) -> str:
    """Return the system's words; asyncio's repeat the address."""
    if isinstance(error, _AddressTakenError | socket.gaierror):
        return error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return ADDRESS_TAKEN
    if error.errno in (errno.EADDRNOTAVAIL, None):  # asyncio from 3.12 on leaves the number out for this one
        return "this machine has no such address"
    return os.strerror(error.errno).lower()


def _socket_name(name: tuple[Any, ...]) -> str:
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _peer_name(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("peername")
    return _socket_name(name) if isinstance(name, tuple) else "unix"
