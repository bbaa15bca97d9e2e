"""One HAProxy stream as a whole: what is known of it when its request has come, and when it has ended.

A message (the profile ``standard``) tells the first, a record tells both. Text is bytes as HAProxy gave it, and
``b""`` where it had none; times are nanoseconds; ``None`` is a timer that never ran (-1 in HAProxy's log).
"""

from __future__ import annotations

from typing import Final, final

from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.plain import Plain
from haproxy_telemetry.trace.privacy import Privacy
from haproxy_telemetry.trace.spans import Attribute
from haproxy_telemetry.trace.termination import Termination

IDENTITY_FIELDS: Final = ("upstream", "caller", "untrusted", "tracestate", "headers")
TARGET_FIELDS: Final = ("scheme", "authority", "path", "query")
REQUEST_FIELDS: Final = (
    "method",
    "target",
    "scheme",
    "version",
    "host",
    "user_agent",
    "client_address",
    "client_port",
    "frontend",
)
START_FIELDS: Final = ("key", "identity", "request", "start_ns", "service")
TIMER_FIELDS: Final = ("request", "queue", "connect", "response", "active")
END_FIELDS: Final = (
    "key",
    "identity",
    "request",
    "start_ns",
    "end_ns",
    "timers",
    "status",
    "termination",
    "backend",
    "server",
    "server_address",
    "server_port",
    "bytes_received",
    "bytes_sent",
    "retries",
    "redispatched",
    "spoe_error",
    "tcp",
    "service",
    "spoe_ns",
)
PHASE_FIELDS: Final = ("name", "start_ns", "end_ns", "last", "upstream")
OUTCOME_FIELDS: Final = ("status", "error_type")
ENDED_FIELDS: Final = ("end", "seen_ns", "trace_id", "span_id", "flags", "exported", "attributes", "service", "routed")


@mypyc_attr(acyclic=True)
@final
class Identity(Plain):
    """Whose trace the stream belongs to, as traceparent headers.

    ``upstream`` is what HAProxy sends to the origin when it makes the context by itself: its span id is that of
    the span that waits for the origin. ``caller`` is the trusted caller's; ``untrusted`` one that is not
    believed, and becomes a link. ``headers`` are what the caller sent in other formats (B3, Jaeger): names in lower
    case, and values.
    """

    __slots__ = IDENTITY_FIELDS

    def __init__(
        self,
        upstream: bytes = b"",
        caller: bytes = b"",
        untrusted: bytes = b"",
        tracestate: bytes = b"",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        self.upstream = upstream
        self.caller = caller
        self.untrusted = untrusted
        self.tracestate = tracestate
        self.headers = headers

    @property
    def known(self) -> bool:
        """Whether anything was told."""
        return bool(self.upstream or self.caller or self.untrusted or self.tracestate or self.headers)

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return IDENTITY_FIELDS


@mypyc_attr(acyclic=True)
@final
class Target(Plain):
    """A request target in its parts (RFC 9112, 3.2); ``authority`` and ``scheme`` only where it is absolute."""

    __slots__ = (*TARGET_FIELDS, "shown")

    def __init__(self, scheme: bytes, authority: bytes, path: bytes, query: bytes) -> None:
        self.scheme = scheme
        self.authority = authority
        self.path = path
        self.query = query
        self.shown: tuple[Privacy, bytes] | None = None
        """The query as it may be written down, and by what, once somebody has asked ``http.py`` for it."""

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return TARGET_FIELDS


@mypyc_attr(acyclic=True)
@final
class Request(Plain):
    """The request, and where it came in. ``target`` is the request target as sent: path and query, or absolute."""

    __slots__ = (*REQUEST_FIELDS, "parts")

    def __init__(
        self,
        method: bytes = b"",
        target: bytes = b"",
        scheme: bytes = b"",
        version: bytes = b"",
        host: bytes = b"",
        user_agent: bytes = b"",
        client_address: bytes = b"",
        client_port: int = 0,
        frontend: bytes = b"",
    ) -> None:
        self.method = method
        self.target = target
        self.scheme = scheme
        self.version = version
        self.host = host
        self.user_agent = user_agent
        self.client_address = client_address
        self.client_port = client_port
        self.frontend = frontend
        self.parts: Target | None = None
        """The target's, once somebody has asked ``http.py`` for them."""

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return REQUEST_FIELDS


@mypyc_attr(acyclic=True)
@final
class StreamStart(Plain):
    """A stream whose request has come; ``start_ns`` is its first byte.

    ``service`` is the resource's ``service.name`` for this stream's spans; ``b""``: the agent's own.
    """

    __slots__ = START_FIELDS

    def __init__(self, key: bytes, identity: Identity, request: Request, start_ns: int, service: bytes = b"") -> None:
        self.key = key
        self.identity = identity
        self.request = request
        self.start_ns = start_ns
        self.service = service

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return START_FIELDS


@mypyc_attr(acyclic=True)
@final
class Timers(Plain):
    """HAProxy's timers of one request (configuration manual 8.4), in nanoseconds."""

    __slots__ = TIMER_FIELDS

    def __init__(
        self, request: int | None, queue: int | None, connect: int | None, response: int | None, active: int
    ) -> None:
        self.request = request
        """TR: from the first byte of the request to the end of its headers."""
        self.queue = queue
        """Tw: in queues, waiting for a connection slot."""
        self.connect = connect
        """Tc: until the connection to the server stood."""
        self.response = response
        """Tr: from there to the end of the response's headers."""
        self.active = active
        """Ta (Tt in tcp mode): all of it, to the last byte of the response."""

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return TIMER_FIELDS


@mypyc_attr(acyclic=True)
@final
class Phase(Plain):
    """``last``: the stream ended in it. ``upstream``: it belongs to the attempt to get an answer from a server."""

    __slots__ = PHASE_FIELDS

    def __init__(self, name: bytes, start_ns: int, end_ns: int, last: bool, upstream: bool) -> None:
        self.name = name
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.last = last
        self.upstream = upstream

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return PHASE_FIELDS


@mypyc_attr(acyclic=True)
@final
class Outcome(Plain):
    """A span's status and its ``error.type``, ``b""`` if it is no error."""

    __slots__ = OUTCOME_FIELDS

    def __init__(self, status: int, error_type: bytes) -> None:
        self.status = status
        self.error_type = error_type

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return OUTCOME_FIELDS


@mypyc_attr(acyclic=True)
@final
class Verdict:
    """What the end of a stream amounts to: how it ended, whether a server was asked, and what both sides got of it.

    ``answered`` is the status that the server gave, 0 if it gave none. Made by ``http.py``.
    """

    __slots__ = ("answered", "client", "server", "termination", "tried")

    def __init__(self, termination: Termination, tried: bool, answered: int, server: Outcome, client: Outcome) -> None:
        self.termination = termination
        self.tried = tried
        self.answered = answered
        self.server = server
        self.client = client


@mypyc_attr(acyclic=True)
@final
class Alike:
    """What follows from what streams have in common that ended alike: who finds something out keeps it here.

    They are of the same frontend, backend, server, method, version, scheme, status, termination and so on, with the
    same timers that ran; ids, times, sizes, the client and what it asked for differ. A stream that nobody knows to be
    like another has one of its own.
    """

    __slots__ = ("measured", "said", "verdict")

    def __init__(self) -> None:
        self.verdict: Verdict | None = None
        self.said: object = None
        self.measured: object = None


@mypyc_attr(acyclic=True)
@final
class EndOfStream(Plain):
    """A stream that has ended, at ``end_ns``, and how."""

    __slots__ = (*END_FIELDS, "alike", "phases")

    def __init__(
        self,
        key: bytes,
        identity: Identity,
        request: Request,
        start_ns: int,
        end_ns: int,
        timers: Timers,
        status: int,
        termination: bytes,
        backend: bytes,
        server: bytes,
        server_address: bytes,
        server_port: int,
        bytes_received: int,
        bytes_sent: int,
        retries: int,
        redispatched: bool,
        spoe_error: int,
        tcp: bool,
        service: bytes = b"",
        spoe_ns: int | None = None,
        alike: Alike | None = None,
    ) -> None:
        self.key = key
        self.identity = identity
        self.request = request
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.timers = timers
        self.status = status
        """As the client got it; 0 if it got none (-1 in the log) or in tcp mode."""
        self.termination = termination
        """Two to four characters (configuration manual 8.5), such as ``b"SH--"``."""
        self.backend = backend
        self.server = server
        """``b""`` where no server was chosen (``<NOSRV>``) or HAProxy answered (``<CACHE>``, ``<STATS>``)."""
        self.server_address = server_address
        self.server_port = server_port
        self.bytes_received = bytes_received
        """From the client (%U)."""
        self.bytes_sent = bytes_sent
        """To the client (%B)."""
        self.retries = retries
        self.redispatched = redispatched
        self.spoe_error = spoe_error
        """What ``option set-on-error`` says, 0 if nothing."""
        self.tcp = tcp
        """A frontend in tcp mode: there is no request and no status."""
        self.service = service
        """As that of :class:`StreamStart`."""
        self.spoe_ns = spoe_ns
        """For how long its SPOE events held the stream up (``option set-total-time``, in whole ms); ``None``: none."""
        self.alike = alike if alike is not None else Alike()
        self.phases: list[Phase] | None = None
        """Once somebody has asked ``phases.py`` for them."""

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return END_FIELDS


@mypyc_attr(acyclic=True)
@final
class EndedStream(Plain):
    """A stream that has ended by its record, and what its trace knows of it: for metrics and logs."""

    __slots__ = ENDED_FIELDS

    def __init__(
        self,
        end: EndOfStream,
        seen_ns: int,
        trace_id: bytes,
        span_id: bytes,
        flags: int,
        exported: bool,
        attributes: tuple[Attribute, ...],
        service: bytes | None,
        routed: bool = True,
    ) -> None:
        self.end = end
        self.seen_ns = seen_ns
        """When the agent let it go."""
        self.trace_id = trace_id
        """``b""``, as ``span_id``, where nobody knows which trace the stream was of."""
        self.span_id = span_id
        """The SERVER span's; of a trace that was not made, the id that went upstream."""
        self.flags = flags
        """W3C trace flags."""
        self.exported = exported
        """Whether the trace was handed on, so that somebody who follows the ids finds it."""
        self.attributes = attributes
        """The SERVER span's."""
        self.service = service
        """As :attr:`~.spans.FinishedTrace.service`."""
        self.routed = routed
        """Whether there may be an ``http.route`` among the attributes."""

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return ENDED_FIELDS
