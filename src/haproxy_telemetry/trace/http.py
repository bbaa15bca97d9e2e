"""What OpenTelemetry's HTTP conventions (stable) and ours say of one stream: span names, attributes, status.

A span is named by its method and the template of its path, if there is one, never by the path: a name must be one of
few. What HAProxy alone knows stands under ``haproxy.``; docs/attributes.md lists all of them. Text values stay bytes,
as HAProxy gave them, but for what ``privacy.py`` changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from haproxy_telemetry.trace.conventions import DEFAULT, Conventions
from haproxy_telemetry.trace.phases import server_tried
from haproxy_telemetry.trace.privacy import CREDENTIALS, Privacy, shown_address, shown_authority, shown_query
from haproxy_telemetry.trace.spans import STATUS_ERROR, STATUS_UNSET, Attribute
from haproxy_telemetry.trace.stream import EndOfStream, Outcome, Request, Target, Verdict
from haproxy_telemetry.trace.termination import NO_SERVER, NORMAL, Termination, decode_termination

TCP_NAME: Final = b"TCP"
ROUTE: Final = b"http.route"
# A byte is sought as a number: where bytes are sought, Python first takes them for a number, and makes an exception.
_AT: Final = ord("@")
_DEFAULT_PORTS: Final = {b"http": 80, b"https": 443}
_VERSIONS: Final = {b"2.0": b"2", b"3.0": b"3"}


# The request target


def target_of(request: Request) -> Target:
    """Return the parts of the request's target: they are asked for more than once."""
    parts = request.parts
    if parts is None:
        parts = request.parts = split_target(request.method, request.target)
    return parts


def split_target(method: bytes, target: bytes) -> Target:
    """Take a request target apart; the authority is without its credentials. HTTP/2's may come as absolute."""
    scheme = authority = b""
    if method == b"CONNECT":
        return Target(b"", target.rpartition(b"@")[2], b"", b"")
    if not target.startswith(b"/"):
        head, found, rest = target.partition(b"://")
        if found and head.isalnum():
            scheme = head.lower()
            size = min((rest.find(mark) for mark in (b"/", b"?", b"#") if mark in rest), default=len(rest))
            authority, target = rest[:size].rpartition(b"@")[2], rest[size:]
            if not target.startswith(b"/"):
                target = b"/" + target
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return Target(scheme, authority, path, query)


KNOWN_HOSTS: Final = 1024
LONGEST_KNOWN_HOST: Final = 128
_hosts: dict[bytes, tuple[bytes, int]] = {}  # bounded, since clients choose them


def split_host(authority: bytes) -> tuple[bytes, int]:
    """Return name and port (0 if none) of a Host header; an IPv6 address without its brackets."""
    known = _hosts.get(authority)
    if known is None:
        known = _split_host(authority)
        if len(authority) <= LONGEST_KNOWN_HOST:
            if len(_hosts) >= KNOWN_HOSTS:
                _hosts.clear()
            _hosts[authority] = known
    return known


def _split_host(authority: bytes) -> tuple[bytes, int]:
    if authority.startswith(b"["):
        name, found, rest = authority[1:].partition(b"]")
        return (name, _port(rest.removeprefix(b":"))) if found else (authority, 0)
    name, found, port = authority.rpartition(b":")
    if not found or b":" in name:
        return authority, 0
    return name, _port(port)


def _port(text: bytes) -> int:
    if not text.isdigit() or len(text) > 5:
        return 0
    number = int(text)
    return number if number < 65_536 else 0


# Names and attributes of the request


def span_name(request: Request, tcp: bool, conventions: Conventions = DEFAULT) -> bytes:
    """Return the method, ``HTTP`` for an unknown one, ``TCP`` in tcp mode: the whole name of a CLIENT span."""
    if tcp:
        return TCP_NAME
    return request.method if request.method in conventions.known_methods else b"HTTP"


def server_span_name(name: bytes, attributes: Sequence[Attribute]) -> bytes:
    """Return the name of a SERVER span that ``span_name`` calls ``name``: with its ``http.route`` if it has one."""
    for key, value in reversed(attributes):
        if key == ROUTE:
            return name + b" " + value if isinstance(value, bytes) and value else name
    return name


def request_attributes(request: Request, conventions: Conventions = DEFAULT) -> list[Attribute]:
    """Return what a SERVER span says of an HTTP request, whatever became of it."""
    attributes = _method(request.method, conventions)
    _add_asked(attributes, request, _protocol(request.version), conventions)
    _add_client(attributes, request, conventions.privacy)
    if request.frontend:
        attributes.append((b"haproxy.frontend.name", request.frontend))
    return attributes


def _add_asked(
    attributes: list[Attribute], request: Request, protocol: list[Attribute], conventions: Conventions
) -> None:
    """Add what was asked for, of whom, and by what program."""
    target = target_of(request)
    scheme = request.scheme or target.scheme
    if target.path:
        attributes.append((b"url.path", target.path))
        if len(conventions.routes) and (route := conventions.routes.match(request.method, target.path)):
            attributes.append((ROUTE, route))
    if target.query:
        attributes.append((b"url.query", _shown_query(conventions.privacy, target)))
    if scheme:
        attributes.append((b"url.scheme", scheme))
    attributes.extend(protocol)
    authority = request.host or target.authority
    if authority:
        name, port = split_host(authority.rpartition(b"@")[2] if _AT in authority else authority)
        if name:
            attributes.append((b"server.address", name))
            if port := port or _DEFAULT_PORTS.get(scheme, 0):
                attributes.append((b"server.port", port))
    if request.user_agent:
        attributes.append((b"user_agent.original", request.user_agent))


def _shown_query(privacy: Privacy, target: Target) -> bytes:
    """Return the target's query as it may be written down; both spans say it."""
    shown = target.shown
    if shown is None or shown[0] is not privacy:
        shown = target.shown = privacy, shown_query(privacy, target.query)
    return shown[1]


def _add_client(attributes: list[Attribute], request: Request, privacy: Privacy) -> None:
    """Add who the client is; a Unix socket has neither address nor port."""
    address = request.client_address
    if address and address != b"unix":
        address = shown_address(privacy, address)
        if address:
            port = request.client_port
            attributes.append((b"client.address", address))
            attributes.append((b"client.port", port))
            attributes.append((b"network.peer.address", address))
            attributes.append((b"network.peer.port", port))


def _method(method: bytes, conventions: Conventions) -> list[Attribute]:
    if method in conventions.known_methods:
        return [(b"http.request.method", method)]
    unknown: list[Attribute] = [(b"http.request.method", b"_OTHER")]
    if method:
        unknown.append((b"http.request.method_original", method))
    return unknown


def _protocol(version: bytes) -> list[Attribute]:
    number = version.removeprefix(b"HTTP/")
    if not number:
        return []
    return [(b"network.protocol.name", b"http"), (b"network.protocol.version", _VERSIONS.get(number, number))]


# What became of it


def verdict_of(end: EndOfStream) -> Verdict:
    """Return what the stream's end amounts to: found out once for all that are alike."""
    verdict = end.alike.verdict
    if verdict is None:
        verdict = end.alike.verdict = _judge(end)
    return verdict


def _judge(end: EndOfStream) -> Verdict:
    termination = termination_of(end)
    outcomes = server_outcome(end, termination), client_outcome(end, termination)
    return Verdict(termination, server_tried(end), answered_status(end), *outcomes)


def termination_of(end: EndOfStream) -> Termination:
    """Return how the stream ended; ``SC`` is told apart by whether there was a server at all."""
    if end.termination[:2] == b"SC" and not end.server:
        return NO_SERVER
    return decode_termination(end.termination)


FINE: Final = Outcome(STATUS_UNSET, b"")


def server_outcome(end: EndOfStream, termination: Termination) -> Outcome:
    """Return the SERVER span's: an error for 5xx and for a stream that did not end as it should.

    A refusal that the configuration asked for, or that the client's own request earned, is none. ``error.type``
    is the termination's where there is one: "503" says what the client got, "queue_timeout" why, and the status
    has an attribute of its own.
    """
    refused = end.termination[:1] == b"P" and (end.termination[1:2] in (b"R", b"T") or 400 <= end.status < 500)
    if end.status < 500 and (refused or not termination.error_type):
        return FINE
    return Outcome(STATUS_ERROR, termination.error_type or _digits(end.status))


def client_outcome(end: EndOfStream, termination: Termination) -> Outcome:
    """Return the CLIENT span's: an error from 400 on, and where no whole answer came."""
    if termination.error_type:
        return Outcome(STATUS_ERROR, termination.error_type)
    status = answered_status(end)
    return Outcome(STATUS_ERROR, _digits(status)) if status >= 400 else FINE


def answered_status(end: EndOfStream) -> int:
    """Return the status that the server gave, 0 if it gave none.

    Without Tr its headers never came whole, and a stream that ended at the headers (``PH``, ``LH``) carries
    HAProxy's own status: 2.8 and later count Tr all the same where ``http-response deny`` matched.
    """
    if end.tcp or end.timers.response is None or end.termination[1:2] == b"H":
        return 0
    return end.status


def _digits(status: int) -> bytes:
    return b"%d" % status


@final
class _Said:
    """What the spans of all streams say that ended alike: the parts of their attributes that are the same.

    In the order in which they stand, with what differs from stream to stream between them.
    """

    __slots__ = ("answered", "asked_server", "conventions", "ended", "got", "method", "name", "protocol")

    def __init__(self, end: EndOfStream, conventions: Conventions) -> None:
        verdict = verdict_of(end)
        self.conventions = conventions
        self.name = span_name(end.request, end.tcp, conventions)
        self.method: list[Attribute] = [] if end.tcp else _method(end.request.method, conventions)
        self.protocol = _protocol(end.request.version)
        self.answered = _answered(end, verdict)
        self.ended = _ended(end, verdict.termination)
        self.asked_server = self.method + _address(end)
        self.got = _got(end, verdict)


def _said(end: EndOfStream, conventions: Conventions) -> _Said:
    said = end.alike.said
    if not isinstance(said, _Said) or said.conventions is not conventions:
        said = end.alike.said = _Said(end, conventions)
    return said


def stream_name(end: EndOfStream, conventions: Conventions = DEFAULT) -> bytes:
    """Return :func:`span_name` of a stream that has ended."""
    return _said(end, conventions).name


def server_attributes(end: EndOfStream, conventions: Conventions = DEFAULT) -> list[Attribute]:
    """Return all that the SERVER span says."""
    said = _said(end, conventions)
    attributes = said.method.copy()
    if not end.tcp:
        _add_asked(attributes, end.request, said.protocol, conventions)
    _add_client(attributes, end.request, conventions.privacy)
    attributes.extend(said.answered)
    if end.key:
        attributes.append((b"haproxy.unique_id", end.key))
    attributes.append((b"haproxy.bytes.received", end.bytes_received))
    attributes.append((b"haproxy.bytes.sent", end.bytes_sent))
    attributes.extend(said.ended)
    if end.spoe_ns is not None:
        attributes.append((b"haproxy.spoe.duration", end.spoe_ns / 1_000_000_000))
    return attributes


def _answered(end: EndOfStream, verdict: Verdict) -> list[Attribute]:
    """Where the stream came in, what became of it, and where it went."""
    attributes: list[Attribute] = []
    if end.request.frontend:
        attributes.append((b"haproxy.frontend.name", end.request.frontend))
    if end.tcp:
        attributes.append((b"network.transport", b"tcp"))
    if end.status:
        attributes.append((b"http.response.status_code", end.status))
    if verdict.server.error_type:
        attributes.append((b"error.type", verdict.server.error_type))
    return attributes + _backend(end)


def _ended(end: EndOfStream, termination: Termination) -> list[Attribute]:
    attributes: list[Attribute] = [(b"haproxy.termination.state", end.termination)]
    if termination is not NORMAL:
        attributes.append((b"haproxy.termination.reason", termination.words))
    if termination.cause:
        attributes.append((b"haproxy.termination.cause", termination.cause))
    if end.spoe_error:
        attributes.append((b"haproxy.spoe.error", end.spoe_error))
    return attributes


def _backend(end: EndOfStream) -> list[Attribute]:
    """Where HAProxy went. %b is the frontend's name while no backend has been chosen."""
    attributes: list[Attribute] = []
    if end.backend and (end.backend != end.request.frontend or end.server):
        attributes.append((b"haproxy.backend.name", end.backend))
    if end.server:
        attributes.append((b"haproxy.server.name", end.server))
    if end.retries:
        attributes.append((b"haproxy.retries", end.retries))
    if end.redispatched:
        attributes.append((b"haproxy.redispatched", True))
    return attributes


def client_attributes(end: EndOfStream, conventions: Conventions = DEFAULT) -> list[Attribute]:
    """Return what the CLIENT span says: all attempts are one span, as HAProxy logs the last one only."""
    said = _said(end, conventions)
    attributes = said.asked_server.copy()
    if not end.tcp and (url := full_url(end, conventions.privacy)):
        attributes.append((b"url.full", url))
    attributes.extend(said.got)
    return attributes


def _address(end: EndOfStream) -> list[Attribute]:
    attributes: list[Attribute] = []
    if end.server_address and end.server_address != b"unix":
        attributes.append((b"server.address", end.server_address))
        attributes.append((b"server.port", end.server_port))
        attributes.append((b"network.peer.address", end.server_address))
        attributes.append((b"network.peer.port", end.server_port))
    if end.tcp:
        attributes.append((b"network.transport", b"tcp"))
    return attributes


def _got(end: EndOfStream, verdict: Verdict) -> list[Attribute]:
    """What the server gave, and which one it was."""
    attributes: list[Attribute] = []
    if verdict.answered:
        attributes.append((b"http.response.status_code", verdict.answered))
    if end.retries and not end.tcp:
        attributes.append((b"http.request.resend_count", end.retries))
    if verdict.client.error_type:
        attributes.append((b"error.type", verdict.client.error_type))
    return attributes + _backend(end)


def full_url(end: EndOfStream, privacy: Privacy = DEFAULT.privacy) -> bytes:
    """Return the absolute URL as the client asked for it, as far as it may be written down.

    HAProxy does not log whether it speaks TLS to the server, nor a path that its rules rewrote.
    """
    target = target_of(end.request)
    scheme = end.request.scheme or target.scheme or b"http"
    authority = end.request.host or target.authority
    if not authority:
        address = b"[%b]" % end.server_address if b":" in end.server_address else end.server_address
        authority = b"%b:%d" % (address, end.server_port) if address else b""
    if not authority:
        return b""
    if _has_credentials(end.request.target):
        authority = CREDENTIALS + authority.rpartition(b"@")[2]
    query = b"?" + _shown_query(privacy, target) if target.query else b""
    path = b"" if target.path == b"*" else target.path  # RFC 9112, 3.2.4: OPTIONS * is the URL without a path
    return b"".join((scheme, b"://", shown_authority(authority) if _AT in authority else authority, path, query))


def _has_credentials(target: bytes) -> bool:
    """Say whether an absolute target carries a user's name or password (RFC 3986, 3.2.1)."""
    if target.startswith(b"/"):
        return False
    rest = target.partition(b"://")[2]
    return b"@" in rest.partition(b"/")[0].partition(b"?")[0].partition(b"#")[0]
