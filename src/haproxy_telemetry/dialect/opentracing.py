"""Messages in the ``opentracing:`` language: what each argument means.

That is a question of order: ``span`` opens a block, the arguments behind it speak about that span, a value
without a name belongs to the name before it (the language of spoa-opentracing's README, section 5).

Lenient, the default: an argument that makes no sense is left out, and reported; everything around it counts.
Strict: as spoa-opentracing does, the message ends there, and so does everything behind it in the frame.

Beyond the original: ``traceparent``, ``tracestate``, (where no span is open) ``baggage``, and the headers of B3 and
Jaeger carry the caller's context; ``finish`` knows ``*req*`` and ``*res*``, as HAProxy's own tracing filters do.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, final

from haproxy_telemetry.dialect.values import as_attribute, as_text
from haproxy_telemetry.spop import Binary, Message, Value
from haproxy_telemetry.trace.instructions import (
    CHILD_OF,
    FOLLOWS_FROM,
    Block,
    Problem,
    Reference,
    Told,
    Values,
)
from haproxy_telemetry.trace.spans import AttributeValue
from haproxy_telemetry.trace.stream import Identity

PREFIX: Final = b"opentracing:"

ID_NULL_HINT: Final = "the message is left out; add 'unique-id-format %[uuid]' to the frontend"
ID_MISSING_HINT: Final = "the message is left out; let its args begin with 'id=unique-id'"

OTHER_HEADERS: Final = frozenset(
    (b"b3", b"x-b3-traceid", b"x-b3-spanid", b"x-b3-sampled", b"x-b3-flags", b"uber-trace-id")
)
"""The headers of a caller's context in other formats than W3C's: an argument is called as its header."""

ITEM_PREFIX: Final = b"uberctx-"
"""How the headers of Jaeger's baggage begin."""


def is_header(name: bytes) -> bool:
    """Say whether an argument of this name is a caller's header in another format than W3C's."""
    return name in OTHER_HEADERS or name.startswith(ITEM_PREFIX)


_RESPONSE_WORDS: Final = (b"response", b"server_session")

_LONGEST_NAME: Final = 256
"""Bytes of a message's name that are looked at: a name is remembered, and may be as long as a frame."""


class _AbortError(Exception):
    """Strict mode gives the message up here."""


@final
class OpenTracingReader:
    """Reads one message: arguments in, blocks out, by stream."""

    def __init__(self, name: bytes, strict: bool) -> None:
        self.told: list[Told] = []
        self.problems: list[Problem] = []
        self._message = name
        self._strict = strict
        self._key: bytes | None = None
        self._id_seen = False
        self._response_side = _is_response_side(name[:_LONGEST_NAME])
        # the caller's context
        self._caller = b""
        self._tracestate = b""
        self._baggage_header = b""
        self._upstream = b""
        self._untrusted = b""
        self._headers: list[tuple[bytes, bytes]] = []
        # the open block
        self._blocks: list[Block] = []
        self._values: Values = []
        self._span: bytes | None = None
        self._block_open = False
        self._touched = False  # some argument followed span=
        self._references: list[Reference] = []
        self._attributes: list[tuple[bytes, int]] = []
        self._log: list[tuple[bytes, int]] = []
        self._baggage: list[tuple[bytes, int]] = []
        self._finishes: list[bytes] = []
        self._marks: list[bytes] = []
        self._current = False  # some argument has spoken about the block's span
        # the run of values behind the last tag, log or baggage
        self._run_name = b""
        self._run: list[Value] = []

    def read(self, message: Message) -> bool:
        """Take all arguments; ``False`` if strict mode gave up on the way."""
        try:
            self._read_arguments(message)
        except _AbortError:
            self._close_stream()
            return False
        return True

    def _read_arguments(self, message: Message) -> None:
        current = b""
        for name, value in message.arguments:
            if name:
                if self._run:
                    self._end_run()
                current = name
            self._argument(current, value, not name)
        if self._run:
            self._end_run()
        self._end_block(last=True)
        self._close_stream()
        if not self._id_seen:
            self._problem("id_missing", self._message, ID_MISSING_HINT)

    def _argument(self, name: bytes, value: Value, unnamed: bool) -> None:
        if name == b"id":
            self._stream(value)
        elif self._key is None:
            self._argument_without_stream(name)
        elif name in (b"tag", b"log", b"baggage"):
            self._pair_value(name, value, unnamed)
        elif name == b"span":
            self._open_block(value)
        elif name == b"finish":
            self._finish(value)
        elif name == b"child-of":
            self._refer(CHILD_OF, value)
        elif name == b"follows-from":
            self._refer(FOLLOWS_FROM, value)
        elif name == b"traceparent":
            self._caller_traceparent(value)
        elif name == b"tracestate":
            self._tracestate = _join_header(self._tracestate, self._text(value))
        elif name == b"upstream":
            self._upstream = self._text(value)
        elif name == b"link":
            self._untrusted = self._text(value)
        elif is_header(name):
            self._other_header(name, self._text(value))
        else:
            self._problem("unknown_argument", name, "the argument is left out")

    # The stream

    def _stream(self, value: Value) -> None:
        """``id=``: all that follows is about this stream, until another id."""
        if self._id_seen:
            self._end_block(last=True)
            self._close_stream()
        self._id_seen = True
        self._key = self._text(value) or None
        if self._key is None:
            self._problem("id_null", b"id", ID_NULL_HINT)  # of the frontend, not of this message

    def _argument_without_stream(self, name: bytes) -> None:
        if not self._id_seen:
            self._problem("argument_before_id", name, "the argument is left out; put id first")

    def _close_stream(self) -> None:
        if self._key is not None:
            marks = (*self._marks, *self._finishes)  # left over only where strict mode gave up
            identity = Identity(self._upstream, self._caller, self._untrusted, self._tracestate, tuple(self._headers))
            self.told.append(
                Told(
                    self._key,
                    identity if identity.known else None,
                    self._baggage_header,
                    tuple(self._blocks),
                    marks,
                    self._values,
                )
            )
        self._key = None
        self._blocks = []
        self._values = []
        self._finishes = []
        self._marks = []
        self._caller = self._tracestate = self._baggage_header = self._upstream = self._untrusted = b""
        self._headers = []

    def _caller_traceparent(self, value: Value) -> None:
        """Two different headers are as good as none (Trace Context 3.2: only one is allowed)."""
        text = self._text(value)
        if self._caller and text and text != self._caller:
            text = self._caller + b"," + text
        self._caller = text or self._caller

    def _other_header(self, name: bytes, text: bytes) -> None:
        """A header of another format, if it is there at all."""
        if text:
            self._headers.append((name, text))

    # Blocks

    def _open_block(self, value: Value) -> None:
        if self._strict and self._block_open and not self._touched:
            self._problem("duplicate_span", self._text(value), "")
        self._end_block()
        self._block_open = True
        self._touched = False
        if value is None and not self._strict:
            self._problem("name_null", b"span", "its block is left out")
            self._span = None
        else:
            self._span = self._text(value)

    def _end_block(self, last: bool = False) -> None:
        """Hand the block over; strictly, one that says nothing about its span creates nothing.

        What such a block finishes waits for the next block that does something, or for the message's end.
        """
        creates = self._span is not None and (
            not self._strict or bool(self._references or self._attributes or self._log or self._baggage)
        )
        if self._strict and not creates and not last:
            self._span = None
            self._block_open = False
        else:
            self._hand_over(self._span if creates else None)

    def _hand_over(self, span: bytes | None) -> None:
        if span is not None or self._finishes or self._marks:
            self._blocks.append(
                Block(
                    span,
                    tuple(self._references),
                    tuple(self._attributes),
                    tuple(self._log),
                    tuple(self._baggage),
                    tuple(self._finishes),
                    tuple(self._marks),
                    self._response_side,
                )
            )
        self._span = None
        self._block_open = False
        self._current = False
        self._marks = []
        self._references = []
        self._attributes = []
        self._log = []
        self._baggage = []
        self._finishes = []

    def _finish(self, value: Value) -> None:
        """Strictly, ``finish`` means spans that are there when it is read, so not one that begins after it."""
        self._touched = True
        early = self._strict and not self._current
        (self._marks if early else self._finishes).append(self._text(value))

    def _needs_span(self, name: bytes) -> bool:
        """Say whether a span is open to speak about; the block of a NULL name is left out in silence."""
        self._touched = True
        if self._span is not None:
            self._current = True
            return True
        if not self._block_open:
            self._problem("span_missing", name, "the argument is left out; put span before it")
        return False

    def _refer(self, kind: int, value: Value) -> None:
        if not self._needs_span(b"child-of" if kind == CHILD_OF else b"follows-from"):
            return
        if self._strict and self._references:
            return  # the span exists by then: the original ignores the second
        if value is None:
            self._problem("name_null", b"child-of" if kind == CHILD_OF else b"follows-from", "it is left out")
            return
        self._references.append(Reference(kind, self._text(value)))

    # Runs of values: tag, log, baggage

    def _pair_value(self, name: bytes, value: Value, unnamed: bool) -> None:
        if not unnamed or not self._run:
            self._run_name = name
        self._run.append(value)

    def _end_run(self) -> None:
        name, run = self._run_name, self._run
        self._run = []
        if name == b"baggage" and not self._block_open:
            for value in run:
                self._baggage_header = _join_header(self._baggage_header, self._text(value))
            return
        if not self._needs_span(name):
            return
        key = self._text(run[0])
        if not key:
            self._problem("name_null", name, "it is left out")
            return
        self._pair(name, key, run[1:])

    def _pair(self, name: bytes, key: bytes, values: list[Value]) -> None:
        if name == b"baggage":
            self._place(self._baggage, key, self._concatenated(values))
        elif name == b"log":
            self._place(self._log, key, self._concatenated(values))
        else:
            value = self._tag_value(values)
            if value is not None or not self._strict:  # strictly, a block that says nothing creates nothing
                self._place(self._attributes, key, value)

    def _place(self, places: list[tuple[bytes, int]], key: bytes, value: AttributeValue | None) -> None:
        places.append((key, len(self._values)))
        self._values.append(value)

    def _tag_value(self, values: list[Value]) -> AttributeValue | None:
        for value in values:
            if isinstance(value, Binary):
                self._binary()
        return as_attribute(values)

    def _concatenated(self, values: list[Value]) -> bytes:
        return b"".join([self._text(value) for value in values])

    # Values and problems

    def _text(self, value: Value) -> bytes:
        if type(value) is bytes:
            return value
        if isinstance(value, Binary):
            self._binary()
        return as_text(value)

    def _binary(self) -> None:
        if self._strict:
            self._problem("binary_value", self._message, "")

    def _problem(self, reason: str, subject: bytes, hint: str) -> None:
        """Note it; strict mode goes no further, as the original."""
        if self._strict:
            self.problems.append(Problem(reason, subject, "strict: the rest of the frame is left out"))
            raise _AbortError
        self.problems.append(Problem(reason, subject, hint))


@lru_cache(maxsize=1024)
def _is_response_side(message_name: bytes) -> bool:
    """Events are not on the wire; the names that every known configuration uses tell the side."""
    name = message_name.lower().replace(b"-", b"_").replace(b" ", b"_")
    return any(word in name for word in _RESPONSE_WORDS)


def _join_header(before: bytes, text: bytes) -> bytes:
    """Several lines of one header are one list (RFC 9110, 5.3)."""
    return before + b"," + text if before and text else before or text
