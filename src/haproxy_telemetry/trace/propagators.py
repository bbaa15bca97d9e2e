"""In which headers a context comes and goes: the formats of ``OTEL_PROPAGATORS``, in their order.

W3C's are our own code, since nearly everybody has no others; B3 and Jaeger are :mod:`~.foreign`. Which of several
callers' headers counts is decided here: the first format of the list whose header is there and valid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from haproxy_telemetry.stats import Stats
from haproxy_telemetry.trace.stream import Identity
from haproxy_telemetry.trace.w3c import SpanContext, parse_traceparent


class Format(Protocol):
    """One way to write a context in headers other than W3C's. Input that is no context is ``None``, never an error."""

    @property
    def name(self) -> str:
        """As in ``OTEL_PROPAGATORS``."""

    @property
    def headers(self) -> tuple[bytes, ...]:
        """The headers that it reads, in lower case."""

    def extract(self, given: dict[bytes, bytes]) -> SpanContext | None:
        """Return the caller's span; ``given`` has one header of ours at least."""

    def decides(self, given: dict[bytes, bytes]) -> bool | None:
        """Return whether a caller without ids wants its trace sampled, ``None`` if it does not say."""

    def inject(self, context: SpanContext) -> list[tuple[bytes, bytes]]:
        """Return the headers to send: names in lower case, and values."""


@final
class TraceContext:
    """W3C's headers: their place in the order. They are read and written by :class:`Propagators` itself."""


@final
class Caller:
    """A caller's span, and whether a tracestate belongs to it, as it does to a traceparent.

    ``context`` is ``None`` where the caller leaves the ids to us and says only whether to sample (``wants``).
    """

    __slots__ = ("context", "has_state", "wants")

    def __init__(self, context: SpanContext | None, has_state: bool = False, wants: bool = False) -> None:
        self.context = context
        self.has_state = has_state
        self.wants = wants


ITEM_PREFIX: Final = b"uberctx-"
"""How Jaeger's baggage begins: a header for each item, called ``uberctx-`` and the item's name."""

_ITEM_NAME: Final = re.compile(rb"[A-Za-z0-9_.-]{1,128}")
"""What can become the name of a variable of HAProxy."""


@final
class Propagators:
    """The formats of one agent. ``baggage`` says whether W3C Baggage is one of them, ``items`` whether Jaeger's is."""

    def __init__(self, formats: Sequence[Format | TraceContext], *, baggage: bool) -> None:
        self.baggage = baggage
        self.items = any(one.name == "jaeger" for one in formats if not isinstance(one, TraceContext))
        self.tracecontext = any(isinstance(one, TraceContext) for one in formats)
        self._formats: tuple[Format | TraceContext, ...] = tuple(formats)
        self._others: tuple[Format, ...] = tuple(one for one in formats if not isinstance(one, TraceContext))
        self.more = len(self._others) > 0
        """Whether there are headers to write beside W3C's."""
        self._read: frozenset[bytes] = frozenset(header for one in self._others for header in one.headers)

    def extract(self, identity: Identity, stats: Stats) -> Caller | None:
        """Return the caller by the first format that has a valid one; the invalid ones before it are counted."""
        given = dict(identity.headers) if identity.headers else {}
        self._count_ignored(identity, given, stats)
        wants: bool | None = None
        for one in self._formats:
            if isinstance(one, TraceContext):
                if identity.caller and (context := read_traceparent(identity.caller, stats)) is not None:
                    return Caller(context, True)
            elif any(header in given for header in one.headers):
                context = one.extract(given)
                if context is not None:
                    return Caller(context)
                if wants is None:
                    wants = one.decides(given)
                if wants is None:
                    stats.count("context_invalid", one.name)
        return None if wants is None else Caller(None, wants=wants)

    def _count_ignored(self, identity: Identity, given: dict[bytes, bytes], stats: Stats) -> None:
        """A message that tells a header which nobody reads is a mistake: of it, or of OTEL_PROPAGATORS."""
        if identity.caller and not self.tracecontext:
            stats.count("context_ignored", "traceparent")
        for header in given:
            if header.startswith(ITEM_PREFIX):
                if not self.items:
                    stats.count("context_ignored", "uberctx")
            elif header not in self._read:
                stats.count("context_ignored", header.decode("ascii"))

    def read_items(self, identity: Identity) -> list[tuple[bytes, bytes]]:
        """Return Jaeger's baggage of the caller: names, and values decoded."""
        if not self.items:
            return []
        return [
            (header.removeprefix(ITEM_PREFIX), unquote_to_bytes(value))
            for header, value in identity.headers
            if header.startswith(ITEM_PREFIX) and _ITEM_NAME.fullmatch(header.removeprefix(ITEM_PREFIX))
        ]

    def write_items(self, baggage: Mapping[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
        """Return all baggage as Jaeger's headers; a name that no variable of HAProxy can have is left out."""
        if not self.items:
            return ()
        return tuple(
            [
                (ITEM_PREFIX + name, quote_from_bytes(value).encode("ascii"))
                for name, value in baggage.items()
                if _ITEM_NAME.fullmatch(name)
            ]
        )

    def others(self, context: SpanContext) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers of the other formats."""
        return tuple([header for one in self._others for header in one.inject(context)])


def read_traceparent(header: bytes, stats: Stats) -> SpanContext | None:
    """Return the span that a traceparent names; count one that breaks W3C's rules."""
    context = parse_traceparent(header)
    if context is None:
        stats.count("traceparent_invalid")
    return context


W3C: Final = Propagators((TraceContext(),), baggage=True)
"""OpenTelemetry's default."""
