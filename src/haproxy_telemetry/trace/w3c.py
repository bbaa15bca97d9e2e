"""W3C Trace Context: reading what a caller sent, writing what goes upstream.

Rules: https://www.w3.org/TR/trace-context/ sections 3.2 (traceparent) and 3.3 (tracestate). Input that breaks
them yields ``None`` or ``b""`` (the trace starts anew), never an error: a stranger's header must not cost
anybody a request.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import Final, final

from haproxy_telemetry.plain import Plain

KNOWN_FLAGS: Final = 0x03
"""sampled (level 1) and random-trace-id (level 2); other bits are not ours to pass on (3.2.2.5)."""

MAX_TRACE_STATE_BYTES: Final = 8192
"""Longer than any real one (the specification asks for 512): a bound on what one trace may hold."""

MAX_TRACE_STATE_MEMBERS: Final = 32

_FLAGS: Final = (b"-00", b"-01", b"-02", b"-03")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
# Version 00, which nearly all are of, and nothing before or behind it. Its parts stand where they stand.
_PLAIN = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
PLAIN_SIZE: Final = 55
_NINE: Final = ord("9")
_LETTERS: Final = ord("a") - 10
_ZERO_TRACE = bytes(16)
_ZERO_SPAN = bytes(8)

_KEY = rb"[a-z0-9][a-z0-9_\-*/]{0,255}(?:@[a-z0-9][a-z0-9_\-*/]{0,13})?"
_VALUE = rb"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(_KEY + rb"=" + _VALUE)


CONTEXT_FIELDS: Final = ("trace_id", "span_id", "flags")


@final
class SpanContext(Plain):
    """Another service's span: ``trace_id`` 16 bytes, ``span_id`` 8 bytes, W3C ``flags``."""

    __slots__ = CONTEXT_FIELDS

    def __init__(self, trace_id: bytes, span_id: bytes, flags: int) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags

    def names(self) -> tuple[str, ...]:
        """Return the fields."""
        return CONTEXT_FIELDS


def parse_traceparent(text: bytes) -> SpanContext | None:
    """Return the caller's span, or ``None`` where section 3.2.2 says to start a new trace."""
    if len(text) == PLAIN_SIZE and _PLAIN.fullmatch(text):
        return _context(text[3:35], text[36:52], text[53:])
    match = _TRACEPARENT.fullmatch(text.strip(b" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, extra = match.groups()
    if version == b"ff" or (version == b"00" and extra is not None):
        return None
    return _context(trace_id, span_id, flags)


def _context(trace_id: bytes, span_id: bytes, flags: bytes) -> SpanContext | None:
    """Return the context of three hexadecimal texts in lower case, unless an id is zero."""
    digit = flags[1]
    known = (digit - _LETTERS if digit > _NINE else digit) & KNOWN_FLAGS
    context = SpanContext(unhexlify(trace_id), unhexlify(span_id), known)
    return None if context.trace_id == _ZERO_TRACE or context.span_id == _ZERO_SPAN else context


def write_traceparent(trace_id: bytes, span_id: bytes, flags: int) -> bytes:
    """Return the header value, version 00; the ids come in hexadecimal."""
    return b"00-" + trace_id + b"-" + span_id + _FLAGS[flags & KNOWN_FLAGS]


def format_traceparent(context: SpanContext) -> bytes:
    """Return the header value, version 00."""
    return write_traceparent(context.trace_id.hex().encode(), context.span_id.hex().encode(), context.flags)


def parse_tracestate(text: bytes) -> bytes:
    """Return the list members, normalised to ``k=v,k=v``, or ``b""`` if the header as a whole is invalid.

    A duplicated key is passed on as it came: the specification forbids it to writers, not to those who forward.
    """
    if len(text) > MAX_TRACE_STATE_BYTES:
        return b""
    members = [member for part in text.split(b",") if (member := part.strip(b" \t"))]
    if len(members) > MAX_TRACE_STATE_MEMBERS:
        return b""
    if not all(_MEMBER.fullmatch(member) for member in members):
        return b""
    return b",".join(members)
