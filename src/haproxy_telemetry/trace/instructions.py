"""What a front door asks of the assembler: the vocabulary of tracing, free of any wire.

The dialect turns messages into these; the assembler carries them out. They are immutable and hold no
reference to what they came from, so the answer to HAProxy can leave before they are carried out.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from haproxy_telemetry.trace.spans import Attribute
from haproxy_telemetry.trace.stream import Identity, StreamStart

CHILD_OF: Final = 0
FOLLOWS_FROM: Final = 1

ALL_SPANS: Final = b"*"
REQUEST_SPANS: Final = b"*req*"
RESPONSE_SPANS: Final = b"*res*"
"""The names that ``finish`` understands beside those of spans; ``b""`` is the block's own span."""


class Reference(NamedTuple):
    """``kind`` is :data:`CHILD_OF` or :data:`FOLLOWS_FROM`; ``span`` the name of a span of the same trace."""

    kind: int
    span: bytes


class Block(NamedTuple):
    """One span's part of a message: create it or speak to it, then finish what is named.

    ``span`` is ``None`` where only ``finishes`` are asked for. ``marks`` are finishes too, of spans that are open
    before this block does anything (strict). ``response_side`` says on which side of the
    stream a span that starts here belongs, for ``*req*`` and ``*res*``.
    """

    span: bytes | None
    references: tuple[Reference, ...]
    attributes: tuple[Attribute, ...]
    log: tuple[Attribute, ...]
    baggage: tuple[tuple[bytes, bytes], ...]
    finishes: tuple[bytes, ...]
    marks: tuple[bytes, ...]
    response_side: bool


class Told(NamedTuple):
    """What one message says about one stream, whose name is ``key`` (HAProxy's ``unique-id``).

    ``marks`` are spans to be finished together with the stream's next block, whenever it comes. ``start`` is
    there when the message tells the stream as a whole, with ``attributes`` of its own.
    """

    key: bytes
    identity: Identity | None
    baggage: bytes
    blocks: tuple[Block, ...]
    marks: tuple[bytes, ...]
    start: StreamStart | None = None
    attributes: tuple[Attribute, ...] = ()


class Propagation(NamedTuple):
    """What goes back to HAProxy, and from there upstream: header values, ids in hex.

    A header that is not to be sent is ``b""``; ``others`` are those of formats other than W3C's, by name, and
    ``items`` those of Jaeger's baggage.
    """

    traceparent: bytes
    tracestate: bytes
    baggage: bytes
    trace_id: bytes
    span_id: bytes
    sampled: bool
    others: tuple[tuple[bytes, bytes], ...] = ()
    items: tuple[tuple[bytes, bytes], ...] = ()


class Problem(NamedTuple):
    """One thing that was asked for and could not be done as asked.

    ``reason`` is one of a fixed, small set (it names a counter); ``subject`` comes from the peer; ``hint``
    says what was done instead and how to mend it.
    """

    reason: str
    subject: bytes
    hint: str
