"""The datagram sockets on which HAProxy's log lines come in.

A datagram that finds no room is dropped by the kernel, so the socket asks for the largest buffer that may be had,
is emptied in bursts, and the kernel's own count of drops is read with every burst and every tick (``SO_MEMINFO``,
Linux 4.12) and told. ``SO_RXQ_OVFL`` would not do: it comes with the next datagram, and after a burst that
overflowed there may be none. On a Unix socket HAProxy sees the full buffer and drops by itself: nobody can count
that here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from pathlib import Path
from typing import Final, Protocol, final

from haproxy_telemetry.clock import Clock
from haproxy_telemetry.logs import fields
from haproxy_telemetry.recorder.record import Recorder
from haproxy_telemetry.server import CannotListenError, check_path, remove_path
from haproxy_telemetry.settings import RecordsAddress, UdpAddress, UnixAddress
from haproxy_telemetry.stats import Stats

_LOG: Final = logging.getLogger("haproxy_telemetry.records")
_FIX: Final = "name another with --records, and in HAProxy's `log` line"

WANTED_BUFFER: Final = 64 << 20
"""64 MiB: a second of 60,000 lines of 1 kB. The kernel gives what net.core.rmem_max allows, root may pass it."""

LARGEST_DATAGRAM: Final = 65_536
BURST: Final = 256
"""Datagrams taken in a row before other sockets get their turn: some 5 ms of work, less than HAProxy's patience."""

MOST_LEFT: Final = 200_000
"""Datagrams that are counted as lost at the end: more than the buffer holds, unless they still come."""

_SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h; Python has no names for these two
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("=9I")
_DROPS: Final = 8  # SK_MEMINFO_DROPS, linux/sock_diag.h


class Takes(Protocol):
    """Who takes records: the agent, or who hands them to its workers."""

    stats: Stats

    def take_records(self, datagram: bytes, now: int, *, truncated: bool = False) -> None:
        """Take one datagram."""

    def tick(self, now: int) -> None:
        """A burst of them has been taken."""


@final
class RecordServer:
    """The addresses for records: every datagram goes to the agent."""

    def __init__(self, agent: Takes, clock: Clock, recorder: Recorder | None = None) -> None:
        self._recorder = recorder
        self._agent = agent
        self._clock = clock
        self._buffer = bytearray(LARGEST_DATAGRAM)
        self._view = memoryview(self._buffer)
        self._sockets: list[socket.socket] = []
        self._paths: list[tuple[Path, int]] = []  # with the inode, so that nobody else's file is removed
        self._kernel_drops: dict[socket.socket, int] = {}
        self.addresses: list[str] = []

    def listen(self, address: RecordsAddress) -> None:
        """Take records on one more address; raise :class:`CannotListenError`."""
        try:
            sock = self._bind_unix(Path(address.path)) if isinstance(address, UnixAddress) else _bind_udp(address)
        except OSError as error:
            raise CannotListenError(address, error, _FIX) from error
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
        room = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        _LOG.info("receive buffer", extra=fields(bytes=room, asked=WANTED_BUFFER))

    def _receive(self, sock: socket.socket) -> bool:
        """Take what there is, up to ``BURST`` datagrams; say whether there may be more. The loop calls again then."""
        now = self._clock.now()
        more = True
        for _ in range(BURST):
            size = _next(sock, self._buffer)
            if size < 0:
                more = False
                break
            data = bytes(self._view[:size])
            self._agent.take_records(data, now, truncated=size > LARGEST_DATAGRAM)
            if self._recorder is not None:
                self._recorder.record(data, now)
        self.note_drops()
        self._agent.tick(now)
        return more

    def note_drops(self) -> None:
        """Count what the kernel has dropped since the last time; to be called now and then."""
        for sock in self._sockets:
            try:
                info = _MEMINFO.unpack_from(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
            except (OSError, struct.error):
                continue
            lost = (info[_DROPS] - self._kernel_drops.get(sock, 0)) & 0xFFFFFFFF
            self._kernel_drops[sock] = info[_DROPS]
            if lost and self._agent.stats.count("records_dropped", "kernel", lost) == lost:
                _LOG.warning(
                    "the kernel dropped records: their traces end incomplete; raise net.core.rmem_max",
                    extra=fields(lost=lost, said="once, counted from now on"),
                )

    def close(self, seconds: float = 0.0) -> None:
        """Take what is still there, for so long, count the rest, receive no more. The paths go first."""
        for path, inode in self._paths:
            remove_path(path, inode)
        self._paths.clear()
        deadline = self._clock.now() + int(seconds * 1e9)
        for sock in self._sockets:
            asyncio.get_running_loop().remove_reader(sock)
            while self._receive(sock) and self._clock.now() < deadline:
                pass
            for _ in range(MOST_LEFT):
                if _next(sock, self._buffer) < 0:
                    break
                self._agent.stats.count("records_dropped", "shutdown")
        self.note_drops()
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()


def _next(sock: socket.socket, buffer: bytearray) -> int:
    """Put the next datagram into the buffer; return its size, which is larger where it was cut, -1 if there is none.

    Memory for the largest datagram would have to be found and given back with each, which takes as long as the rest.
    """
    try:
        return sock.recv_into(buffer, 0, socket.MSG_TRUNC)
    except (BlockingIOError, InterruptedError):
        return -1
    except OSError as error:
        _LOG.debug("receive failed", extra=fields(error=error))
        return -1


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
