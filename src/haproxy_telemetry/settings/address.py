"""Where the agent listens: the three forms of a listen address, and nothing else.

``HOST:PORT``, ``[IPV6]:PORT`` and ``unix:/path``. A form that could mean two things (``::1:7000``, ``:7000``,
``7000``) is refused with the right forms rather than guessed at.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

import msgspec

FORMS = "HOST:PORT, [IPV6]:PORT or unix:/absolute/path"
ADMIN_FORMS = "HOST:PORT, [IPV6]:PORT or off"
RECORDS_FORMS = "udp:HOST:PORT, udp:[IPV6]:PORT or unix:/absolute/path"
MAX_PORT = 65535
ADDRESS_TAKEN = "another process listens there"
"""Why an address cannot be listened on, in the agent's words: the demo knows it by them."""
MAX_UNIX_PATH = 107  # sun_path of Linux holds 108 bytes, the last one is the terminating NUL

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_LIKE_IPV4 = re.compile(r"[0-9.]+")


class ListenError(ValueError):
    """A listen address that is none of the forms; holds the text and what is wrong with it."""

    def __init__(self, text: str, reason: str, forms: str = FORMS) -> None:
        super().__init__(text, reason)
        self.text = text
        self.reason = reason
        self.forms = forms

    def __str__(self) -> str:
        return f"{self.reason}; an address is {self.forms}"


class TcpAddress(msgspec.Struct, frozen=True):
    """A TCP address: a name or an IP without brackets; ``port`` 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UdpAddress(msgspec.Struct, frozen=True):
    """A UDP address; as :class:`TcpAddress`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"udp:[{self.host}]:{self.port}" if ":" in self.host else f"udp:{self.host}:{self.port}"


class UnixAddress(msgspec.Struct, frozen=True):
    """A Unix socket at an absolute path: of streams for SPOP, of datagrams for records."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


ListenAddress = TcpAddress | UnixAddress
MAX_WORKERS = 64
"""Processes of one agent: more than the threads that a HAProxy has by default (64 a group)."""

RecordsAddress = UdpAddress | UnixAddress
AdminAddress = TcpAddress | Literal["off"]


def parse_listen(text: str) -> ListenAddress:
    """Return the address that ``text`` writes; raise :class:`ListenError` that says which forms are right."""
    if text.startswith("unix:"):
        return _parse_unix(text)
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise ListenError(text, "there is no port")
    return TcpAddress(_parse_host(text, host), _parse_port(text, port))


def worker_addresses(address: ListenAddress, workers: int) -> tuple[ListenAddress, ...]:
    """Return where each worker listens: the address itself, then the ports behind it, or the path with ``.2``, ``.3`` …

    Port 0 stands for a port of the system's choice for each. Raise :class:`ListenError` past the last port, or for a
    path that gets too long.
    """
    return (address, *(_of_worker(address, number) for number in range(2, workers + 1)))


def _of_worker(address: ListenAddress, number: int) -> ListenAddress:
    if isinstance(address, UnixAddress):
        return _parse_unix(f"{address}.{number}")
    if address.port == 0:
        return address
    port = address.port + number - 1
    if port > MAX_PORT:
        raise ListenError(str(address), f"worker {number} would listen on port {port}, and {MAX_PORT} is the last one")
    return TcpAddress(address.host, port)


def parse_records(text: str) -> RecordsAddress:
    """Return the datagram address that ``text`` writes; raise :class:`ListenError` that says which forms are right."""
    try:
        if text.startswith("udp:"):
            address = parse_listen(text.removeprefix("udp:"))
            if isinstance(address, TcpAddress):
                return UdpAddress(address.host, address.port)
        elif text.startswith("unix:"):
            return _parse_unix(text)
    except ListenError as error:
        raise ListenError(text, error.reason, RECORDS_FORMS) from None
    raise ListenError(text, "it begins neither with udp: nor with unix:", RECORDS_FORMS)


def parse_admin(text: str) -> AdminAddress:
    """Return the TCP address that ``text`` writes, or that there is none; raise :class:`ListenError`."""
    if text == "off":
        return "off"
    if text.startswith("unix:"):
        raise ListenError(text, "scrapers read over TCP", ADMIN_FORMS)
    try:
        address = parse_listen(text)
    except ListenError as error:
        raise ListenError(text, error.reason, ADMIN_FORMS) from None
    assert isinstance(address, TcpAddress)
    return address


def _parse_unix(text: str) -> UnixAddress:
    path = text.removeprefix("unix:")
    size = len(path.encode("utf-8", "surrogateescape"))
    if not path.startswith("/") or "\0" in path:
        raise ListenError(text, "the path of a Unix socket must be absolute")
    if size > MAX_UNIX_PATH:
        raise ListenError(text, f"the path of a Unix socket has at most {MAX_UNIX_PATH} bytes, this one {size}")
    return UnixAddress(path)


def _parse_host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        return _parse_ipv6(text, host[1:-1])
    if ":" in host:
        raise ListenError(text, "an IPv6 address stands in brackets")
    if host in ("", "*"):
        raise ListenError(text, "there is no host (all interfaces are 0.0.0.0 or [::])")
    if _LIKE_IPV4.fullmatch(host):
        return _parse_ipv4(text, host)
    if not _HOST_NAME.fullmatch(host):
        raise ListenError(text, "the host is neither a name nor an IP address")
    return host.lower()


def _parse_ipv6(text: str, host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))  # compressed, so that two spellings of one address are equal
    except ValueError:
        raise ListenError(text, "what stands in the brackets is no IPv6 address") from None


def _parse_ipv4(text: str, host: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise ListenError(text, "the host is no IPv4 address") from None


def _parse_port(text: str, port: str) -> int:
    # int() would also take "+7000", "7_000" and digits of other scripts.
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= MAX_PORT):
        raise ListenError(text, f"the port is no number from 0 to {MAX_PORT}")
    return int(port)
