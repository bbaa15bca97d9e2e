"""One HAProxy stream as a whole: what is known of it when its request has come, and when it has ended.

A message (the profile ``standard``) tells the first, a record tells both. Text is bytes as HAProxy gave it, and
``b""`` where it had none; times are nanoseconds; ``None`` is a timer that never ran (-1 in HAProxy's log).
"""

from __future__ import annotations

from typing import NamedTuple

from haproxy_telemetry.trace.spans import Attribute


class Identity(NamedTuple):
    """Whose trace the stream belongs to, as traceparent headers.

    ``upstream`` is what HAProxy sends to the origin when it makes the context by itself: its span id is that of
    the span that waits for the origin. ``caller`` is the trusted caller's; ``untrusted`` one that is not
    believed, and becomes a link.
    """

    upstream: bytes = b""
    caller: bytes = b""
    untrusted: bytes = b""
    tracestate: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """What the caller sent in other formats (B3, Jaeger): names in lower case, and values."""


class Request(NamedTuple):
    """The request, and where it came in. ``target`` is the request target as sent: path and query, or absolute."""

    method: bytes = b""
    target: bytes = b""
    scheme: bytes = b""
    version: bytes = b""
    host: bytes = b""
    user_agent: bytes = b""
    client_address: bytes = b""
    client_port: int = 0
    frontend: bytes = b""


class StreamStart(NamedTuple):
    """A stream whose request has come; ``start_ns`` is its first byte."""

    key: bytes
    identity: Identity
    request: Request
    start_ns: int
    service: bytes = b""
    """The resource's ``service.name`` for this stream's spans; ``b""``: the agent's own."""


class Timers(NamedTuple):
    """HAProxy's timers of one request (configuration manual 8.4), in nanoseconds."""

    request: int | None
    """TR: from the first byte of the request to the end of its headers."""
    queue: int | None
    """Tw: in queues, waiting for a connection slot."""
    connect: int | None
    """Tc: until the connection to the server stood."""
    response: int | None
    """Tr: from there to the end of the response's headers."""
    active: int
    """Ta (Tt in tcp mode): all of it, to the last byte of the response."""


class EndOfStream(NamedTuple):
    """A stream that has ended, at ``end_ns``, and how."""

    key: bytes
    identity: Identity
    request: Request
    start_ns: int
    end_ns: int
    timers: Timers
    status: int
    """As the client got it; 0 if it got none (-1 in the log) or in tcp mode."""
    termination: bytes
    """Two to four characters (configuration manual 8.5), such as ``b"SH--"``."""
    backend: bytes
    server: bytes
    """``b""`` where no server was chosen (``<NOSRV>``) or HAProxy answered (``<CACHE>``, ``<STATS>``)."""
    server_address: bytes
    server_port: int
    bytes_received: int
    """From the client (%U)."""
    bytes_sent: int
    """To the client (%B)."""
    retries: int
    redispatched: bool
    spoe_error: int
    """What ``option set-on-error`` says, 0 if nothing."""
    tcp: bool
    """A frontend in tcp mode: there is no request and no status."""
    service: bytes = b""
    """As :attr:`StreamStart.service`."""
    spoe_ns: int | None = None
    """For how long its SPOE events held the stream up (``option set-total-time``, in whole ms); ``None``: none."""


class EndedStream(NamedTuple):
    """A stream that has ended by its record, and what its trace knows of it: for metrics and logs."""

    end: EndOfStream
    seen_ns: int
    """When the agent let it go."""
    trace_id: bytes
    """``b""``, as ``span_id``, where nobody knows which trace the stream was of."""
    span_id: bytes
    """The SERVER span's; of a trace that was not made, the id that went upstream."""
    flags: int
    """W3C trace flags."""
    exported: bool
    """Whether the trace was handed on, so that somebody who follows the ids finds it."""
    attributes: tuple[Attribute, ...]
    """The SERVER span's."""
    service: bytes | None
    """As :attr:`~.spans.FinishedTrace.service`."""
