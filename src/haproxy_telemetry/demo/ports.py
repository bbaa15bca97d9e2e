"""Which ports the demo uses: the usual ones, or for a busy one the next that is free."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

# Name, and the port that the reference topology gives it.
TCP_PORTS = {
    "haproxy-1": 7001,
    "haproxy-2": 7002,
    "haproxy-1-plain": 8001,
    "haproxy-2-plain": 8002,
    "stats": 7004,
    "stats-2": 7005,
    "fake-server": 8080,
    "agent": 7000,
    "otlp": 4318,
    "viewer": 16686,
    "pages": 9464,
}
UDP_PORTS = {"records": 7514}
USUAL_PORTS = TCP_PORTS | UDP_PORTS
FURTHEST = 1000  # how far from the usual port a free one is looked for


class NoFreePortError(Exception):
    """Neither the usual port nor one of the next is free."""

    def __init__(self, name: str, first: int) -> None:
        super().__init__(f"no port is free for {name}, from {first} to {first + FURTHEST} on 127.0.0.1")
        self.name = name
        self.first = first


class PortTakenError(Exception):
    """Somebody was faster between the choice of a port and its use."""

    def __init__(self, name: str, port: int) -> None:
        super().__init__(f"port {port}, which was free for {name}, was taken by another program in that moment")
        self.name = name
        self.port = port


@asynccontextmanager
async def own_turn(seconds: float, name: str = "haproxy-telemetry-demo") -> AsyncIterator[None]:
    """Keep other demos of this machine from choosing at the same time; go on without them after ``seconds``.

    The lock is a name of Linux's abstract sockets: like ports it belongs to the network namespace, it leaves no
    file, and it's gone with the process.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not _bound(lock, f"\0{name}"):
                    await asyncio.sleep(0.02)
        yield


def _bound(lock: socket.socket, name: str) -> bool:
    try:
        lock.bind(name)
    except OSError as error:
        return error.errno != errno.EADDRINUSE  # no such sockets here: no lock, and no reason to wait
    return True


def free_ports() -> dict[str, int]:
    """Return a port for each name, free at this moment."""
    return choose_ports(TCP_PORTS, port_is_free) | choose_ports(UDP_PORTS, udp_port_is_free)


def choose_ports(usual: Mapping[str, int], is_free: Callable[[int], bool]) -> dict[str, int]:
    """Return a port for each name: the usual one if ``is_free`` says so, else the next that nobody wants."""
    chosen: dict[str, int] = {}
    for name, wanted in usual.items():
        taken = {*chosen.values(), *usual.values()} - {wanted}
        candidates = (port for port in range(wanted, min(wanted + FURTHEST, 65535) + 1) if port not in taken)
        port = next((port for port in candidates if is_free(port)), None)
        if port is None:
            raise NoFreePortError(name, wanted)
        chosen[name] = port
    return chosen


def port_is_free(port: int) -> bool:
    """Say whether a server may listen on 127.0.0.1:``port`` now. Old connections that linger do not matter."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            # Two sockets may be bound, but only one of them listens.
            probe.listen(1)
        except OSError:
            return False
    return True


def udp_port_is_free(port: int) -> bool:
    """Say whether somebody may receive datagrams on 127.0.0.1:``port`` now."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
