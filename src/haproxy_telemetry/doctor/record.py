"""The end-of-stream record in a configuration: its format, where the lines go, how long they may be.

The format is the proxy's `log-format`, or its `log-format-sd`, which lines of RFC 5424 have; from 3.1 on it may also be
that of a `log-profile`, which a `log` line names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from haproxy_telemetry.doctor.configuration import Directive, Place, Section
from haproxy_telemetry.doctor.proxies import Proxy
from haproxy_telemetry.settings.address import RecordsAddress, UdpAddress, UnixAddress

DEFAULT_LENGTH = 1024
"""Of a log line and of the URI in it (`len`, `tune.http.logurilen`)."""

SYSLOG_PORT = 514
LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
TRAFFIC_LEVEL = "info"
"""HAProxy logs streams at this level."""

HEADER_CHARS = 512
"""Room for each text that a client chose, where no other bound is known."""
ITEM_CHARS = 24
"""Room for each other value: a timer, an address, a port; some are longer, most are shorter."""

_FORMAT_OPTIONS = {"httplog": "%r %B", "httpslog": "%r %B", "tcplog": "%B"}
"""What the two questions about a format must know of them."""

BY_FORMAT = "log-format"
BY_DATA = "log-format-sd"
BY_PROFILE = "log-profile"
DATA_FORM = "rfc5424"
"""The form of log lines that have structured data."""
DATA_HEADER_CHARS = 100
"""Before it: priority, time, host, program, process."""

_OURS = re.compile(r'"ht"\s*:\s*1\b')
_PERCENT = r"%(?:\([^)]*\))?(?:\{[^}]*\})?"  # a name, from 3.0 on, and flags
_ITEM = re.compile(_PERCENT + r"(?:\[((?:[^\[\]]|\[[^\]]*\])*)\]|[A-Za-z]+)")
_LOGGED_URI = re.compile(r"capture\.req\.uri|" + _PERCENT + r"(r|HU|HPO?|HQ)\b")
_REQUEST_LINE = re.compile(r"capture\.req\.(uri|method|ver)|" + _PERCENT + r"(r|H[MUVQ]|HPO?)\b")
_KNOWN_AT_END = re.compile(
    _PERCENT + r"((B|U|ID|T[Racdhiqrtuw]|ts|ac|bc|bq|fc|rc|sc|sq)\b"
    r"|\[(bytes_(in|out)|re[qs]\.bytes_(in|out)|\w+\.timer\.(data|total|user))\b)"
)
_VARIABLE = re.compile(r"(?<![-\w])var\(([\w.]+)")
_TEXT = re.compile(r"json\(|req\.f?hdr|capture\.req\.hdr")
_FIRST_BYTES = re.compile(r"bytes\(0,(\d+)\)")


@dataclass(frozen=True, slots=True)
class LogTarget:
    """One `log` line that counts for a proxy; ``level`` is the least urgent one that goes there."""

    address: RecordsAddress | None
    written: str
    length: int
    level: str
    sampled: bool
    profile: str
    format: str
    line: Directive

    @property
    def takes_records(self) -> bool:
        """Whether its level lets a record through."""
        return self.level not in LEVELS or LEVELS.index(self.level) >= LEVELS.index(TRAFFIC_LEVEL)

    def corrected(self, address: str, length: int) -> str:
        """Return the line with another address and length, and everything else as it is."""
        return " ".join([self.line.words[0], address, *_with(self.line.words[2:], "len", str(length))])

    def formed(self, form: str) -> str:
        """Return the line in another form."""
        return " ".join([*self.line.words[:2], *_with(self.line.words[2:], "format", form)])


@dataclass(frozen=True, slots=True)
class Record:
    """The record of one proxy: its format, where that stands, and where its lines go.

    ``kind``: what gives the format. ``logs``: all that the proxy's logs go to, the record's among them.
    """

    proxy: Proxy
    format: str
    place: Place
    targets: tuple[LogTarget, ...]
    kind: str
    logs: tuple[LogTarget, ...]

    @property
    def form(self) -> str:
        """The `format` that its `log` line needs."""
        return DATA_FORM if self.kind == BY_DATA else "raw"

    @property
    def taking(self) -> tuple[LogTarget, ...]:
        """The targets that get the record."""
        return tuple(target for target in self.targets if target.takes_records)

    @property
    def nearest(self) -> LogTarget | None:
        """The target that was most likely meant for the agent."""
        fitting = (target for target in self.taking if self.kind != BY_DATA or target.format == DATA_FORM)
        return next((target for target in fitting if target.address), None)

    @property
    def log_place(self) -> Place:
        """The `log` line to look at, where none reaches the agent."""
        return self.nearest.line.place if self.nearest else self.place

    def place_of(self, address: RecordsAddress) -> Place:
        """The `log` line to look at for an address of the agent: the one that leads there, if there is one."""
        lines = (target.line for target in self.targets if is_same(target.address, address))
        return next((line.place for line in lines), self.log_place)


def in_haproxy(address: RecordsAddress) -> str:
    """Return the address as a `log` line writes it."""
    return str(address).removeprefix("unix:").removeprefix("udp:")


def is_record(text: str) -> bool:
    """Say whether a line has the format of a record."""
    return _OURS.search(text) is not None


def is_same(written: RecordsAddress | None, agent: RecordsAddress) -> bool:
    """Say whether what goes to the address of a `log` line comes to an address of the agent."""
    if isinstance(written, UdpAddress) and isinstance(agent, UdpAddress):
        return written.port == agent.port and _reaches(written.host, agent.host)
    return written == agent


def _reaches(target: str, agent: str) -> bool:
    """`localhost` may be of either family, and so may any other name; `::` takes both, `0.0.0.0` IPv4 only."""
    one, other = _ip(target), _ip(agent)
    if other is None:
        return target == agent or (agent == "localhost" and one is not None and one.is_loopback)
    if other.is_unspecified:
        return other.version == 6 or one is None or one.version == 4
    return one == other or (target == "localhost" and other.is_loopback)


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def find_record(proxy: Proxy, sections: Sequence[Section]) -> Record | None:
    """Return the record that a proxy writes, if it does."""
    targets = tuple(_targets(proxy, sections))
    line = stream_format(proxy)
    if line and line.begins("log-format") and _OURS.search(line.word(1)):
        plain = tuple(target for target in targets if not target.profile)
        return Record(proxy, line.word(1), line.place, plain, BY_FORMAT, targets)
    for target in targets:
        found = next(
            (line for line in _profile_lines(target.profile, sections) if _OURS.search(line.after("format"))), None
        )
        if found:
            same = tuple(one for one in targets if one.profile == target.profile)
            return Record(proxy, found.after("format"), found.place, same, BY_PROFILE, targets)
    line = proxy.last("log-format-sd")
    if line and _OURS.search(line.word(1)):
        plain = tuple(target for target in targets if not target.profile)
        return Record(proxy, line.word(1), line.place, plain, BY_DATA, targets)
    return None


def log_formats(record: Record, sections: Sequence[Section]) -> list[str]:
    """Return the formats in which the proxy's logs are written at the end of a stream, the record's among them."""
    formats = [record.format]
    for target in record.logs:
        line = next(_profile_lines(target.profile, sections), None)
        formats.append(line.after("format") if line else own_format(record.proxy))
    return formats


def stream_format(proxy: Proxy) -> Directive | None:
    """Return the last `log-format`, `option httplog` or the like: HAProxy warns where one takes another's place."""
    found = None
    for line in proxy.lines:
        if line.begins("log-format") or (line.begins("option") and line.word(1) in _FORMAT_OPTIONS):
            found = line
    return found


def own_format(proxy: Proxy) -> str:
    """Return the format of a proxy's log; of HAProxy's own ones no more than the two questions below need."""
    line = stream_format(proxy)
    if line is None:
        return ""
    return line.word(1) if line.begins("log-format") else _FORMAT_OPTIONS[line.word(1)]


def is_known_at_end(text: str) -> bool:
    """Whether what has this format can be written at the end of the stream only (HAProxy's `LW_BYTES`)."""
    return any(_KNOWN_AT_END.match(item) for item in _items_of(text))


def has_request_line(text: str) -> bool:
    """Whether this format has the request line or a part of it, as HAProxy keeps it for logs."""
    return any(_REQUEST_LINE.search(item) for item in _items_of(text))


def _profile_lines(name: str, sections: Sequence[Section]) -> Iterator[Directive]:
    """Yield the lines of a log profile with a format for the end of a stream: `on close` wins over `on any`.

    A `log` line that names no profile has none of them.
    """
    lines = [line for one in sections if (one.kind, one.name) == ("log-profile", name) for line in one.lines]
    for step in ("close", "any"):
        yield from (line for line in lines if line.begins("on", step) and line.after("format"))


def uri_length(sections: Sequence[Section]) -> int:
    """Return `tune.http.logurilen`: how much of a URI a log line gets."""
    lines = list(_global_lines(sections, "tune.http.logurilen"))
    text = lines[-1].word(1) if lines else ""
    return int(text) if text.isdigit() else DEFAULT_LENGTH


def has_logged_uri(record: Record) -> bool:
    """Say whether the record has the URI that `tune.http.logurilen` cuts, not one kept in a variable."""
    return any(_LOGGED_URI.search(item) for item in _items(record))


def needed_length(record: Record, uri: int, bounds: dict[str, int]) -> int:
    """Estimate the longest usual line of a record, in bytes, with URIs of at most ``uri``.

    ``bounds`` are those of variables. Escaping can make any text longer: a line that is cut is counted by the
    agent and lost, so this is what a configuration must have, not what is always enough.
    """
    literal = len(_ITEM.sub("", record.format)) + (DATA_HEADER_CHARS if record.kind == BY_DATA else 0)
    return literal + sum(_room(item, uri, bounds) for item in _items(record))


def variable_bounds(lines: Sequence[Directive]) -> dict[str, int]:
    """Return for each variable that is set to the first N bytes of something, how many that are."""
    bounds: dict[str, int] = {}
    for line in lines:
        name = re.search(r"set-var\(([\w.]+)", line.text)
        sizes = _FIRST_BYTES.findall(line.text)
        if name and sizes:
            bounds[name[1]] = max(int(sizes[-1]), bounds.get(name[1], 0))
    return bounds


def _items(record: Record) -> list[str]:
    return _items_of(record.format)


def _items_of(text: str) -> list[str]:
    return [found.group(0) for found in _ITEM.finditer(text)]


def _room(item: str, uri: int, bounds: dict[str, int]) -> int:
    if _LOGGED_URI.search(item):
        return uri
    variable = _VARIABLE.search(item)
    if variable and variable[1] in bounds:
        return bounds[variable[1]]
    return HEADER_CHARS if _TEXT.search(item) else ITEM_CHARS


# `log` lines


def _targets(proxy: Proxy, sections: Sequence[Section]) -> Iterator[LogTarget]:
    """Yield where the proxy's log lines go, `log global` resolved."""
    lines: list[Directive] = []
    for line in proxy.lines:
        if line.begins("no", "log"):
            lines = []
        elif line.begins("log", "global"):
            lines.extend(_global_lines(sections, "log"))
        elif line.begins("log"):
            lines.append(line)
    return map(_target, dict.fromkeys(lines))


def _global_lines(sections: Sequence[Section], keyword: str) -> Iterator[Directive]:
    for section in sections:
        if section.kind == "global":
            yield from (line for line in section.lines if line.begins(keyword))


def _target(line: Directive) -> LogTarget:
    parameters, rest = _parameters(line)
    length = parameters.get("len", "")
    return LogTarget(
        address=_address(line.word(1)),
        written=line.word(1),
        length=int(length) if length.isdigit() else DEFAULT_LENGTH,
        level=rest[1] if len(rest) > 1 else "debug",
        sampled="sample" in parameters,
        profile=parameters.get("profile", ""),
        format=parameters.get("format", ""),
        line=line,
    )


def _with(words: Sequence[str], parameter: str, value: str) -> list[str]:
    """Return the words behind an address with a parameter, which stands first if it was not there."""
    found = list(words)
    if parameter in found[:-1]:
        found[found.index(parameter) + 1] = value
    else:
        found[:0] = [parameter, value]
    return found


def _parameters(line: Directive) -> tuple[dict[str, str], list[str]]:
    """Return the parameters between target and facility, and the facility with what follows it."""
    parameters: dict[str, str] = {}
    rest = list(line.words[2:])
    while len(rest) >= 2 and rest[0] in ("len", "format", "sample", "profile"):
        parameters[rest[0]] = rest[1]
        rest = rest[2:]
    return parameters, rest


def _address(text: str) -> RecordsAddress | None:
    """Read HAProxy's forms of a datagram address; rings, file descriptors and standard output are none."""
    scheme, _, rest = text.rpartition("@")
    if scheme.split("+")[-1] not in ("", "udp", "udp4", "udp6", "ipv4", "ipv6", "unix", "uxdg"):
        return None
    if rest.startswith("/"):
        return UnixAddress(rest)
    if rest in ("stdout", "stderr"):
        return None
    host, _, port = rest.rpartition(":")
    if not port.isdigit():
        host, port = rest.rstrip(":"), str(SYSLOG_PORT)
    return UdpAddress(host.strip("[]"), int(port))
