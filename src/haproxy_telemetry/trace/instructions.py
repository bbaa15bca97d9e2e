"""What a front door asks of the assembler: the vocabulary of tracing, free of any wire.

The dialect turns messages into these; the assembler carries them out. They are immutable and hold no
reference to the connection that they came from, so the answer to HAProxy can leave before they are carried out.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final, NamedTuple, TypeAlias, final

from haproxy_telemetry.native import mypyc_attr
from haproxy_telemetry.plain import Plain
from haproxy_telemetry.trace.spans import Attribute, AttributeValue
from haproxy_telemetry.trace.stream import Identity, StreamStart

CHILD_OF: Final = 0
FOLLOWS_FROM: Final = 1

ALL_SPANS: Final = b"*"
REQUEST_SPANS: Final = b"*req*"
RESPONSE_SPANS: Final = b"*res*"
"""The names that ``finish`` understands beside those of spans; ``b""`` is the block's own span."""


Values: TypeAlias = list[AttributeValue | None]
"""What a message says, in its order; ``None`` (NULL on the wire) is no attribute. Not changed once it is made."""

Places: TypeAlias = tuple[tuple[bytes, int], ...]
"""Keys, each with the number of its value."""


def placed(places: Places, values: Values) -> list[Attribute]:
    """Return the attributes that have a value."""
    attributes: list[Attribute] = []
    for key, number in places:
        value = values[number]
        if value is not None:
            attributes.append((key, value))
    return attributes


@mypyc_attr(acyclic=True)
@final
class Reference(Plain):
    """``kind`` is :data:`CHILD_OF` or :data:`FOLLOWS_FROM`; ``span`` the name of a span of the same trace."""

    __slots__ = ("kind", "span")

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return ("kind", "span")

    def __init__(self, kind: int, span: bytes) -> None:
        self.kind = kind
        self.span = span


_BLOCK: Final = ("span", "references", "attributes", "log", "baggage", "finishes", "marks", "response_side")
_TOLD: Final = ("key", "identity", "baggage", "blocks", "marks", "values", "start", "attributes")


@mypyc_attr(acyclic=True)
@final
class Block(Plain):
    """One span's part of a message: create it or speak to it, then finish what is named.

    ``span`` is ``None`` where only ``finishes`` are asked for. ``attributes``, ``log`` and ``baggage`` are keys with
    the numbers of their values in :attr:`Told.values`. ``marks`` are finishes too, of spans that are open before this
    block does anything (strict). ``response_side`` says on which side of the stream a span that starts here belongs,
    for ``*req*`` and ``*res*``. ``describes``: there are attributes or a log. ``parent`` is what a lone child-of
    reference names, which is what most blocks have.

    Made once for all messages that are alike but for their values.
    """

    __slots__ = (
        "attributes",
        "baggage",
        "describes",
        "finishes",
        "log",
        "marks",
        "parent",
        "references",
        "response_side",
        "span",
    )

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return _BLOCK

    def __init__(
        self,
        span: bytes | None,
        references: tuple[Reference, ...],
        attributes: Places,
        log: Places,
        baggage: Places,
        finishes: tuple[bytes, ...],
        marks: tuple[bytes, ...],
        response_side: bool,
    ) -> None:
        self.span = span
        self.references = references
        self.attributes = attributes
        self.log = log
        self.baggage = baggage
        self.finishes = finishes
        self.marks = marks
        self.response_side = response_side
        self.describes = bool(attributes or log)
        lone = len(references) == 1 and references[0].kind == CHILD_OF
        self.parent: bytes | None = references[0].span if lone else None

    def shifted(self, count: int) -> Block:
        """Return the same about values that have ``count`` others before them."""
        if not count:
            return self
        return self.replaced(
            attributes=_shifted(self.attributes, count),
            log=_shifted(self.log, count),
            baggage=_shifted(self.baggage, count),
        )


def _shifted(places: Places, count: int) -> Places:
    return tuple([(key, number + count) for key, number in places])


@mypyc_attr(acyclic=True)
@final
class Told(Plain):
    """What one message says about one stream, whose name is ``key`` (HAProxy's ``unique-id``).

    ``marks`` are spans to be finished together with the stream's next block, whenever it comes. ``start`` is
    there when the message tells the stream as a whole, with ``attributes`` of its own. ``values`` are those that the
    blocks speak of.

    Not changed once it is made; blocks are shared by all messages that are alike.
    """

    __slots__ = ("attributes", "baggage", "blocks", "identity", "key", "marks", "start", "values")

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return _TOLD

    def __init__(
        self,
        key: bytes,
        identity: Identity | None,
        baggage: bytes,
        blocks: tuple[Block, ...],
        marks: tuple[bytes, ...],
        values: Values,
        start: StreamStart | None = None,
        attributes: tuple[Attribute, ...] = (),
    ) -> None:
        self.values = values
        self.key = key
        self.identity = identity
        self.baggage = baggage
        self.blocks = blocks
        self.marks = marks
        self.start = start
        self.attributes = attributes

    def __hash__(self) -> int:
        return hash(self.key)


class Phrase:
    """What frames of one layout say, but for their values: ``blocks`` about one stream, which complain of nothing.

    ``creates``: some block may begin a span; ``describes``: some says something of one; ``carries``: some has baggage.
    One for all such frames: it is known by being the same object. How values lie in a frame is the dialect's to say.
    """

    __slots__ = ("blocks", "carries", "creates", "describes")

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self.blocks = blocks
        self.creates = any(block.span is not None for block in blocks)
        self.describes = any(block.describes for block in blocks)
        self.carries = any(block.baggage for block in blocks)

    @abstractmethod
    def unpacked(self, packed: bytes) -> Values:
        """Return :meth:`Spoken.values`, from what :meth:`Spoken.packed` made of them."""


@mypyc_attr(acyclic=True)
class Spoken:
    """A frame that says a :class:`Phrase` of the stream ``key``; its values are read when they are wanted.

    ``identity`` and ``baggage`` as in :class:`Told`. Not changed once it is made.
    """

    __slots__ = ("baggage", "identity", "key", "phrase")

    def __init__(self, key: bytes, identity: Identity | None, baggage: bytes, phrase: Phrase) -> None:
        self.key = key
        self.identity = identity
        self.baggage = baggage
        self.phrase = phrase

    @abstractmethod
    def values(self) -> Values:
        """Return what the blocks speak of."""

    @abstractmethod
    def packed(self) -> bytes:
        """Return the values in little room."""

    def told(self) -> Told:
        """Return the same as instructions to be carried out at once."""
        return Told(self.key, self.identity, self.baggage, self.phrase.blocks, (), self.values())


@mypyc_attr(acyclic=True)
@final
class Propagation:
    """What goes back to HAProxy, and from there upstream: header values, ids in hex.

    A header that is not to be sent is ``b""``; ``others`` are those of formats other than W3C's, by name, and
    ``items`` those of Jaeger's baggage.
    """

    __slots__ = ("baggage", "items", "others", "sampled", "span_id", "trace_id", "traceparent", "tracestate")

    def __init__(
        self,
        traceparent: bytes,
        tracestate: bytes,
        baggage: bytes,
        trace_id: bytes,
        span_id: bytes,
        sampled: bool,
        others: tuple[tuple[bytes, bytes], ...],
        items: tuple[tuple[bytes, bytes], ...],
    ) -> None:
        self.traceparent = traceparent
        self.tracestate = tracestate
        self.baggage = baggage
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = sampled
        self.others = others
        self.items = items


class Problem(NamedTuple):
    """One thing that was asked for and could not be done as asked.

    ``reason`` is one of a fixed, small set (it names a counter); ``subject`` comes from the peer; ``hint``
    says what was done instead and how to mend it.
    """

    reason: str
    subject: bytes
    hint: str
