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
"""Of texts: W3C Trace Context 3.2."""


@final
class VariableWriter:
    """Writes the actions that set the variables, in each of ``scopes``: all but the values is written beforehand."""

    def __init__(self, scopes: Sequence[Scope]) -> None:
        self._scopes = tuple(scopes)
        # With a place for each value: these are in every ACK that says anything, and their sizes are known.
        self._traceparent = self._template(b"traceparent", _before_text(_TRACEPARENT_SIZE))
        self._identity = (
            self._template(b"trace_id", _before_text(_TRACE_ID_SIZE))
            + self._template(b"span_id", _before_text(_SPAN_ID_SIZE))
            + self._template(b"sampled", b"")
        )
        self._tracestate = self._heads(b"tracestate")
        self._baggage = self._heads(b"baggage")

    def _template(self, name: bytes, before: bytes) -> bytes:
        return b"".join([head.replace(b"%", b"%%") + before + b"%b" for head in self._heads(name)])

    def _heads(self, name: bytes) -> list[bytes]:
        """Return the actions that set a variable, up to their values."""
        return [serialize_action(SetVar(scope, name, None))[:-_NULL_SIZE] for scope in self._scopes]

    def write(self, propagation: Propagation) -> bytes:
        """Return the variables of one ACK; the dearest first, since what does not fit is left out from the end.

        A variable is called as its header, with ``_`` for ``-``: HAProxy's names know no dash.
        """
        parts: list[bytes] = []
        count = len(self._scopes)
        if propagation.traceparent:
            parts.append(self._traceparent % ((propagation.traceparent,) * count))
        for header, value in propagation.others:
            _set_text(parts, self._heads(header.replace(b"-", b"_")), value)
        sampled = _TRUE if propagation.sampled else _FALSE
        values = (propagation.trace_id,) * count + (propagation.span_id,) * count + (sampled,) * count
        parts.append(self._identity % values)
        if propagation.tracestate:
            _set_text(parts, self._tracestate, propagation.tracestate)
        if propagation.baggage:
            _set_text(parts, self._baggage, propagation.baggage)
        for header, value in propagation.items:
            _set_text(parts, self._heads(header.replace(b"-", b"_")), value)
        return b"".join(parts)


def _before_text(size: int) -> bytes:
    """Return what stands before a STRING of this size."""
    return _STRING + serialize_string(bytes(size))[:-size]


def _set_text(parts: list[bytes], heads: list[bytes], value: bytes) -> None:
    """Add the actions that set a variable to a STRING."""
    text = serialize_string(value)
    for head in heads:
        parts.append(head)
        parts.append(_STRING)
        parts.append(text)
