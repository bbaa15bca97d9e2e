"""The way back: what HAProxy is to know of a trace, as variables of an ACK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from haproxy_telemetry.spop import Scope, SetVar, serialize_action, serialize_string
from haproxy_telemetry.trace.instructions import Propagation

_TRUE: Final = b"\x11"
_FALSE: Final = b"\x01"
_STRING: Final = b"\x08"
_NULL_SIZE: Final = 1

_TRACEPARENT_SIZE: Final = 55
_TRACE_ID_SIZE: Final = 32
_SPAN_ID_SIZE: Final = 16
"""Of texts (W3C Trace Context 3.2): these three are in every ACK that says anything."""


@final
class VariableWriter:
    """Writes the actions that set the variables, in each of ``scopes``: all but the values is written beforehand."""

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self._scopes = tuple(scopes)
        self._traceparent = self._heads(b"traceparent")
        self._trace_id = self._heads(b"trace_id")
        self._span_id = self._heads(b"span_id")
        self._sampled = self._heads(b"sampled")
        texts = (
            (self._traceparent, _TRACEPARENT_SIZE),
            (self._trace_id, _TRACE_ID_SIZE),
            (self._span_id, _SPAN_ID_SIZE),
        )
        self._usual = b"".join([_before_text(head, size) + b"%b" for heads, size in texts for head in heads])
        self._usual += b"".join([_literal(head) + b"%b" for head in self._sampled])
        """What most ACKs say, with a place for each value."""
        self._tracestate = self._heads(b"tracestate")
        self._baggage = self._heads(b"baggage")

    def _heads(self, name: bytes) -> list[bytes]:
        """Return the actions that set a variable, up to their values."""
        return [serialize_action(SetVar(scope, name, None))[:-_NULL_SIZE] for scope in self._scopes]

    def write(self, propagation: Propagation) -> bytes:
        """Return the variables of one ACK; the dearest first, since what does not fit is left out from the end.

        A variable is called as its header, with ``_`` for ``-``: HAProxy's names know no dash.
        """
        if propagation.traceparent and not propagation.others:
            parts = [self._usual % self._values(propagation)]
        else:
            parts = self._identity(propagation)
        if propagation.tracestate:
            _set_text(parts, self._tracestate, propagation.tracestate)
        if propagation.baggage:
            _set_text(parts, self._baggage, propagation.baggage)
        for header, value in propagation.items:
            _set_text(parts, self._heads(header.replace(b"-", b"_")), value)
        return b"".join(parts)

    def _values(self, propagation: Propagation) -> tuple[bytes, ...]:
        """Return the values of the usual variables, each once for every scope."""
        traceparent, trace_id, span_id = propagation.traceparent, propagation.trace_id, propagation.span_id
        sampled = _TRUE if propagation.sampled else _FALSE
        count = len(self._scopes)
        if count == 1:
            return (traceparent, trace_id, span_id, sampled)
        if count == 2:
            return (traceparent, traceparent, trace_id, trace_id, span_id, span_id, sampled, sampled)
        return (*[traceparent] * count, *[trace_id] * count, *[span_id] * count, *[sampled] * count)

    def _identity(self, propagation: Propagation) -> list[bytes]:
        """Return the same with headers of other formats, in their order."""
        parts: list[bytes] = []
        if propagation.traceparent:
            _set_text(parts, self._traceparent, propagation.traceparent)
        for header, value in propagation.others:
            _set_text(parts, self._heads(header.replace(b"-", b"_")), value)
        _set_text(parts, self._trace_id, propagation.trace_id)
        _set_text(parts, self._span_id, propagation.span_id)
        sampled = _TRUE if propagation.sampled else _FALSE
        for head in self._sampled:
            parts.append(head)
            parts.append(sampled)
        return parts


def _literal(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")


def _before_text(head: bytes, size: int) -> bytes:
    """Return the action that sets a variable to a STRING of this size, up to the text."""
    return _literal(head + _STRING + serialize_string(bytes(size))[:-size])


def _set_text(parts: list[bytes], heads: list[bytes], value: bytes) -> None:
    """Add the actions that set a variable to a STRING."""
    text = serialize_string(value)
    for head in heads:
        parts.append(head)
        parts.append(_STRING)
        parts.append(text)
