"""The datagram sockets on which HAProxy's log lines come in.

A datagram that finds no room is dropped by the kernel, so the socket asks for the largest buffer that may be had,
is emptied in bursts, and the kernel's own count of drops is read with every burst (``SO_RXQ_OVFL``, Linux) and
told. On a Unix socket HAProxy sees the full buffer and drops by itself: nobody can count that here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from pathlib import Path
from typing import Final, final

from haproxy_telemetry.agent import Agent
from haproxy_telemetry.clock import Clock
from haproxy_telemetry.logs import fields
from haproxy_telemetry.server import CannotListenError, check_path, remove_path
from haproxy_telemetry.settings import RecordsAddress, UdpAddress, UnixAddress

_LOG: Final = logging.getLogger("haproxy_telemetry.records")

WANTED_BUFFER: Final = 64 << 20
"""64 MiB: a second of 60,000 lines of 1 kB. The kernel gives what net.core.rmem_max allows, root may pass it."""

LARGEST_DATAGRAM: Final = 65_536
BURST: Final = 256
"""Datagrams taken in a row before other sockets get their turn: some 5 ms of work, less than HAProxy's patience."""

_SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h; Python has no names for these two
_SO_RXQ_OVFL: Final = 40
_COUNTER: Final = struct.Struct("=I")


@final
class RecordServer:
    """The addresses for records: every datagram goes to the agent."""

    def __init__(self, agent: Agent, clock: Clock) -> None:
        self._agent = agent
        self._clock = clock
        self._sockets: list[socket.socket] = []
        self._paths: list[tuple[Path, int]] = []  # with the inode, so that nobody else's file is removed
        self._kernel_drops: dict[socket.socket, int] = {}
        self.addresses: list[str] = []

    def listen(self, address: RecordsAddress) -> None:
        """Take records on one more address; raise :class:`CannotListenError`."""
        try:
            sock = self._bind_unix(Path(address.path)) if isinstance(address, UnixAddress) else _bind_udp(address)
        except OSError as error:
            raise CannotListenError(address, error) from error
        sock.setblocking(False)
        self._ask_for_room(sock)
        self._sockets.append(sock)
        self.addresses.append(_name(sock, address))
        asyncio.get_running_loop().add_reader(sock, self._receive, sock)

    def _bind_unix(self, path: Path) -> socket.socket:
        """Take a path; everybody on this machine may write, as over loopback: HAProxy has a user of its own."""
        check_path(path, socket.SOCK_DGRAM)
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sock.bind(str(path))
            path.chmod(0o666)
        except OSError:
            sock.close()
            raise
        self._paths.append((path, path.stat().st_ino))
        return sock

    def _ask_for_room(self, sock: socket.socket) -> None:
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, WANTED_BUFFER)
                break
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        room = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        _LOG.info("receive buffer", extra=fields(bytes=room, asked=WANTED_BUFFER))

    def _receive(self, sock: socket.socket) -> None:
        """Take what there is, up to ``BURST`` datagrams; the loop calls again while there is more."""
        now = self._clock.now()
        for _ in range(BURST):
            try:
                data, ancillary, flags, _ = sock.recvmsg(LARGEST_DATAGRAM, 64)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                _LOG.debug("receive failed", extra=fields(error=error))
                break
            self._agent.take_records(data, now, truncated=bool(flags & socket.MSG_TRUNC))
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == _SO_RXQ_OVFL and len(payload) >= _COUNTER.size:
                    self._note_drops(sock, _COUNTER.unpack_from(payload)[0])
        self._agent.hand_on()

    def _note_drops(self, sock: socket.socket, total: int) -> None:
        """The kernel counts from the socket's beginning, modulo 2**32."""
        lost = (total - self._kernel_drops.get(sock, 0)) & 0xFFFFFFFF
        self._kernel_drops[sock] = total
        if lost and self._agent.stats.count("records_dropped", "kernel", lost) == lost:
            _LOG.warning(
                "the kernel dropped records: their traces end incomplete; raise net.core.rmem_max",
                extra=fields(lost=lost, said="once, counted from now on"),
            )

    def close(self) -> None:
        """Take what is still there, then receive no more. The paths go first, as the server's do."""
        for path, inode in self._paths:
            remove_path(path, inode)
        self._paths.clear()
        for sock in self._sockets:
            asyncio.get_running_loop().remove_reader(sock)
            self._receive(sock)
            sock.close()
        self._sockets.clear()


def _bind_udp(address: UdpAddress) -> socket.socket:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, name = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.bind(name)
    except OSError:
        sock.close()
        raise
    return sock


def _name(sock: socket.socket, address: RecordsAddress) -> str:
    """Return the address as it is now: port 0 has become a number."""
    if isinstance(address, UnixAddress):
        return str(address)
    host, port = sock.getsockname()[:2]
    return str(UdpAddress(host, port))
