"""What a person may choose, checked: an option that holds is one that can be written without harm.

Addresses have the forms of the agent's own settings. Nothing that is taken over into a configuration holds a
control character: a line break in it would be a line of configuration.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from enum import Enum
from typing import Final

from haproxy_telemetry.haproxyconfig.errors import OptionError
from haproxy_telemetry.haproxyconfig.version import Version
from haproxy_telemetry.settings.address import (
    FORMS,
    MAX_WORKERS,
    ListenAddress,
    ListenError,
    TcpAddress,
    UnixAddress,
    parse_listen,
    worker_addresses,
)
from haproxy_telemetry.settings.propagators import DEFAULT, PropagatorsError, parse_propagators

SPOE: Final = "spoe-otel.cfg"
"""The name of the SPOE file; the proxy's file of a complete example is beside it."""

RECORD_FORMS: Final = "udp:HOST:PORT, udp:[IPV6]:PORT or unix:/absolute/path"
BIND_FORMS: Final = "HOST:PORT, [IPV6]:PORT, :PORT, *:PORT or unix:/absolute/path"

# The ACLs that HAProxy has by itself (configuration manual 7.4).
PREDEFINED_ACLS: Final = frozenset(
    ("FALSE", "HTTP", "HTTP_1.0", "HTTP_1.1", "HTTP_2.0", "HTTP_CONTENT", "HTTP_URL_ABS", "HTTP_URL_SLASH",
     "HTTP_URL_STAR", "LOCALHOST", "METH_CONNECT", "METH_DELETE", "METH_GET", "METH_HEAD", "METH_OPTIONS",
     "METH_POST", "METH_PUT", "METH_TRACE", "RDP_COOKIE", "REQ_CONTENT", "TRUE", "WAIT_END"),
)  # fmt: skip
MAX_SERVICE: Final = 64
_SERVICE = re.compile(rf"[A-Za-z0-9._/:@+-]{{1,{MAX_SERVICE}}}")
_ACL_NAME = re.compile(r"!?[A-Za-z0-9_.:-]+")
_OR = frozenset(("or", "||", "OR"))


class Profile(Enum):
    """How much HAProxy tells while a request is served; each ends with the record."""

    DETAILED = "detailed"
    STANDARD = "standard"
    ZERO_WAIT = "zero-wait"


class Mode(Enum):
    """The mode of the frontends that are traced."""

    HTTP = "http"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose traceparent is believed: everybody's, nobody's, or those for whom the ACL ``condition`` holds."""

    everybody: bool = True
    condition: str = ""

    @property
    def nobody(self) -> bool:
        """No caller at all."""
        return not self.everybody and not self.condition

    def __str__(self) -> str:
        return self.condition or ("always" if self.everybody else "never")


@dataclass(frozen=True, slots=True)
class Records:
    """Where the agent takes the records: datagrams to a UDP address, or to a Unix socket."""

    address: ListenAddress

    def __str__(self) -> str:
        return str(self.address) if isinstance(self.address, UnixAddress) else f"udp:{self.address}"


@dataclass(frozen=True, slots=True)
class Example:
    """What a complete configuration needs beside the tracing."""

    bind: str
    origin: ListenAddress


@dataclass(frozen=True, slots=True)
class Options:
    """All choices. ``cache``: whether HAProxy's cache may be in use. ``spoe_path``: where the SPOE file will be; in an
    example it is beside the other. ``service``: the ``service.name`` of the spans; ``""``: the agent's. ``ratio``: how
    many of the new traces are sampled, from 0 to 1. ``propagators``: names of ``OTEL_PROPAGATORS``. ``workers``: those
    of each agent (``serve --workers``). ``own_log``: the frontends have a log beside the records, as most have; a
    complete example has none."""

    profile: Profile
    version: Version
    agents: tuple[ListenAddress, ...] = (TcpAddress("127.0.0.1", 7000),)
    workers: int = 1
    records: Records = Records(TcpAddress("127.0.0.1", 7514))
    trust: Trust = Trust()
    mode: Mode = Mode.HTTP
    cache: bool = True
    own_log: bool = True
    example: Example | None = None
    spoe_path: str = f"/etc/haproxy/{SPOE}"
    service: str = ""
    ratio: float = 1.0
    propagators: tuple[str, ...] = DEFAULT

    def __post_init__(self) -> None:
        if self.example is not None and (unknown := _undefined_acls(self.trust.condition)):
            raise OptionError(
                "--trust", self.trust.condition,
                f"a complete example has no acl {unknown[0]}; write what it says: --trust '{{ src 10.0.0.0/8 }}'",
            )  # fmt: skip
        if not self.agents and self.uses_spoe:
            raise OptionError("--agent", "", "the profile needs an agent")
        _check_workers(self.agents, self.workers)
        _printable("--write", self.spoe_path)
        _check_service(self.service)

    @property
    def http(self) -> bool:
        """The frontends speak HTTP."""
        return self.mode is Mode.HTTP

    @property
    def uses_spoe(self) -> bool:
        """Something is told while the request is served. `standard` has its one event in HTTP only."""
        return self.profile is Profile.DETAILED or (self.profile is Profile.STANDARD and self.http)

    @property
    def keeps_own_log(self) -> bool:
        """There is a log beside the records that has to stay as it is."""
        return self.own_log and self.example is None

    @property
    def log_steps(self) -> bool:
        """The record is written by `log-steps close`, at every end.

        Not where a log of HTTP requests is written beside it: from 3.1 to 3.5-dev5 HAProxy then keeps no request line,
        and %r of that log says <BADREQ>; with the step `request` it keeps none of the captured headers.
        """
        return self.version.has_log_profiles and not (self.http and self.keeps_own_log)

    @property
    def servers(self) -> tuple[ListenAddress, ...]:
        """Where every worker of every agent listens."""
        return tuple(one for agent in self.agents for one in worker_addresses(agent, self.workers))


def parse_trust(text: str) -> Trust:
    """Read ``always``, ``never``, or the condition of an ACL: names, ``{ expressions }``, ``!``, ``or``."""
    condition = text.strip()
    if condition in ("always", "never"):
        return Trust(condition == "always")
    if not condition:
        raise OptionError("--trust", text, "it is always, never, an ACL's name or { an expression }")
    _printable("--trust", condition)
    _check_condition(condition)
    return Trust(False, condition)


def parse_ratio(text: str) -> float:
    """Read a share from 0 to 1."""
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise OptionError("--ratio", text, "it is a number from 0 to 1")
    return ratio


def parse_formats(text: str) -> tuple[str, ...]:
    """Read the propagators: names as in ``OTEL_PROPAGATORS``; ``()`` for none."""
    try:
        return parse_propagators(text)
    except PropagatorsError as error:
        raise OptionError("--propagators", text, error.reason) from None


def parse_agent(text: str) -> ListenAddress:
    """Read where an agent listens; it has the form of the agent's own ``--listen``."""
    return _address("--agent", text)


def parse_origin(text: str) -> ListenAddress:
    """Read where the origin of a complete example listens."""
    return _address("--origin", text)


def parse_records(text: str) -> Records:
    """Read where the agent takes records."""
    if text.startswith("unix:"):
        return Records(_address("--records", text))
    if not text.startswith("udp:"):
        raise OptionError("--records", text, f"it is {RECORD_FORMS}")
    return Records(_address("--records", text.removeprefix("udp:")))


def parse_bind(text: str) -> str:
    """Read where the frontend of a complete example listens; return it as `bind` has it."""
    if text.startswith("unix:"):
        return f"unix@{_address('--bind', text)}".replace("unix@unix:", "unix@")
    host, colon, port = text.rpartition(":")
    if colon and host in ("", "*"):
        return f"{host}:{_address('--bind', f'localhost:{port}', text).port}"  # type: ignore[union-attr]  # never unix
    return str(_address("--bind", text))


def _address(option: str, text: str, whole: str | None = None) -> ListenAddress:
    _printable(option, text)
    try:
        address = parse_listen(text)
    except ListenError as error:
        forms = {"--bind": BIND_FORMS, "--records": RECORD_FORMS}.get(option, FORMS)
        raise OptionError(option, whole or text, f"{error.reason}; an address is {forms}") from None
    if isinstance(address, TcpAddress) and address.port == 0:
        raise OptionError(option, whole or text, "the port is 0: HAProxy must know it")
    return address


def _check_workers(agents: tuple[ListenAddress, ...], workers: int) -> None:
    if not 1 <= workers <= MAX_WORKERS:
        raise OptionError("--workers", str(workers), f"it is a number from 1 to {MAX_WORKERS}")
    servers: set[ListenAddress] = set()
    for agent in agents:
        try:
            own = worker_addresses(agent, workers)
        except ListenError as error:
            raise OptionError("--workers", str(workers), error.reason) from None
        if twice := servers.intersection(own):
            raise OptionError("--agent", str(agent), f"{twice.pop()} would stand there twice")
        servers.update(own)


def _check_service(name: str) -> None:
    """A name stands in JSON, in a log-format and in a sample: what none of them reads as its own goes through."""
    if name and not _SERVICE.fullmatch(name):
        raise OptionError("--service", name, f"it has up to {MAX_SERVICE} of A-Z a-z 0-9 . _ - / : @ +")


def _printable(option: str, text: str) -> None:
    if not text.isprintable():
        raise OptionError(option, text, "it has a character that cannot be printed")


def _check_condition(condition: str) -> None:
    """See to it that the condition is one word after another of one line, and all of that line."""
    try:
        words = shlex.split(condition)
        whole = words == shlex.split(condition, comments=True)
    except ValueError as error:
        raise OptionError("--trust", condition, f"it is no condition: {str(error).lower()}") from None
    if not whole:
        raise OptionError("--trust", condition, "a # begins a comment; write it in quotes")
    for word in _names(condition, words):
        if not _ACL_NAME.fullmatch(word) and word not in _OR:
            raise OptionError(
                "--trust", condition, f"{word!r} is no name of an ACL; an expression stands between '{{ ' and ' }}'"
            )


def _names(condition: str, words: list[str]) -> list[str]:
    """Return the words outside of braces."""
    names: list[str] = []
    inside = False
    for word in words:
        opens, closes = word in ("{", "!{"), word == "}"
        if (opens and inside) or (closes and not inside):
            raise OptionError("--trust", condition, "its braces do not match")
        if not inside and not opens:
            names.append(word)
        inside = opens or (inside and not closes)
    if inside:
        raise OptionError("--trust", condition, "its braces do not match")
    return [name for name in names if name != "}"]


def _undefined_acls(condition: str) -> list[str]:
    if not condition:
        return []
    names = [name.removeprefix("!") for name in _names(condition, shlex.split(condition)) if name not in _OR]
    return [name for name in names if name not in PREDEFINED_ACLS]
