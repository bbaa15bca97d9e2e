"""B3 and Jaeger, by OpenTelemetry's own propagator packages (the extra ``[propagators]``).

The packages read and write; what they would take that is no context is refused before they see it: their
``int(text, 16)`` takes ``0x1`` and ``1_0`` too. Imported only where ``OTEL_PROPAGATORS`` names one of them: it takes
some 45 ms to import, and 8 microseconds for a request.

B3: https://github.com/openzipkin/b3-propagation. Jaeger: https://www.jaegertracing.io/sdk-migration/#propagation-format
"""

from __future__ import annotations

import re
from typing import Final, final
from urllib.parse import unquote_to_bytes

from opentelemetry.context import Context
from opentelemetry.propagators.b3 import B3MultiFormat, B3SingleFormat
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.trace import (
    NonRecordingSpan,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import SpanContext as ApiSpanContext

from haproxy_telemetry.trace.spans import FLAG_SAMPLED
from haproxy_telemetry.trace.w3c import SpanContext

_TRACE = rb"(?:[0-9a-fA-F]{16}){1,2}"
_SPAN = rb"[0-9a-fA-F]{16}"
_B3_SINGLE = re.compile(_TRACE + rb"-" + _SPAN + rb"(?:-[01d](?:-" + _SPAN + rb")?)?")
_B3_TRACE, _B3_SPAN = re.compile(_TRACE), re.compile(_SPAN)
_B3_DECISIONS: Final = {b"0": False, b"1": True, b"d": True}
_B3_DECISIONS_MULTI: Final = {b"0": False, b"false": False, b"1": True, b"true": True}
_UBER = re.compile(rb"([0-9a-fA-F]{1,32}:[0-9a-fA-F]{1,16}:)[0-9a-fA-F]{0,16}(:[0-9a-fA-F]{1,2})")
LONGEST: Final = 256
"""Bytes of a header that is looked at: twice the longest that can be right, URL-encoded."""


@final
class B3:
    """Zipkin's headers. Both ways of writing are read, the single header first; one of them is written."""

    headers = (b"b3", b"x-b3-traceid", b"x-b3-spanid", b"x-b3-sampled", b"x-b3-flags")

    def __init__(self, *, multi: bool) -> None:
        self.name = "b3multi" if multi else "b3"
        self._reads = B3MultiFormat()
        self._writes: B3MultiFormat = B3MultiFormat() if multi else B3SingleFormat()

    def extract(self, given: dict[bytes, bytes]) -> SpanContext | None:
        """Return the caller; a sampling decision without ids (``b3: 0``) is none, see :meth:`decides`."""
        single = given.get(b"b3", b"").strip(b" \t")
        if _B3_SINGLE.fullmatch(single):
            return _read(self._reads.extract({"b3": single.decode("ascii")}))
        carrier = _multi_carrier(given)
        return _read(self._reads.extract(carrier)) if carrier else None

    def decides(self, given: dict[bytes, bytes]) -> bool | None:
        """Return the sampling decision without ids: ``b3: 0``, ``1`` or ``d``, or X-B3-Sampled or -Flags alone."""
        single = given.get(b"b3", b"").strip(b" \t")
        if single in _B3_DECISIONS:
            return _B3_DECISIONS[single]
        if b"x-b3-traceid" in given or b"x-b3-spanid" in given:
            return None
        if given.get(b"x-b3-flags") == b"1":
            return True
        return _B3_DECISIONS_MULTI.get(given.get(b"x-b3-sampled", b"").lower())

    def inject(self, context: SpanContext) -> list[tuple[bytes, bytes]]:
        """Return ``b3``, or ``x-b3-traceid``, ``x-b3-spanid`` and ``x-b3-sampled``."""
        carrier: dict[str, str] = {}
        self._writes.inject(carrier, _api_context(context))
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in carrier.items()]


def _multi_carrier(given: dict[bytes, bytes]) -> dict[str, str]:
    """Return the headers for the package, or nothing if they are no context.

    Where X-B3-Sampled says neither yes nor no, the caller leaves the decision to us, who sample; the package takes that
    for a no.
    """
    trace, span = given.get(b"x-b3-traceid", b""), given.get(b"x-b3-spanid", b"")
    if not _B3_TRACE.fullmatch(trace) or not _B3_SPAN.fullmatch(span):
        return {}
    debug = given.get(b"x-b3-flags") == b"1"
    refused = given.get(b"x-b3-sampled", b"").lower() in (b"0", b"false") and not debug
    return {
        "x-b3-traceid": trace.decode("ascii"),
        "x-b3-spanid": span.decode("ascii"),
        "x-b3-sampled": "0" if refused else "1",
    }


@final
class Jaeger:
    """``uber-trace-id``; Jaeger's baggage (``uberctx-…``) is :class:`~.propagators.Propagators`'s own."""

    name = "jaeger"
    headers = (b"uber-trace-id",)

    def __init__(self) -> None:
        self._package = JaegerPropagator()

    def extract(self, given: dict[bytes, bytes]) -> SpanContext | None:
        """Return the caller. Short ids are padded; some clients send the colons URL-encoded."""
        header = given[b"uber-trace-id"].strip(b" \t")[:LONGEST]
        match = _UBER.fullmatch(unquote_to_bytes(header) if b"%" in header else header)
        if match is None:
            return None
        text = (match[1] + b"0" + match[2]).decode("ascii")
        return _read(self._package.extract({"uber-trace-id": text}))

    def decides(self, given: dict[bytes, bytes]) -> bool | None:  # noqa: ARG002 (the protocol's signature)
        """Jaeger has no decision without ids."""
        return None

    def inject(self, context: SpanContext) -> list[tuple[bytes, bytes]]:
        """Return the one header. The package marks all that is sampled as debug, which would overrule others."""
        carrier: dict[str, str] = {}
        self._package.inject(carrier, _api_context(context))
        ids, _, _ = carrier["uber-trace-id"].rpartition(":")
        return [(b"uber-trace-id", f"{ids}:{context.flags & FLAG_SAMPLED:02x}".encode("ascii"))]


def _read(context: Context) -> SpanContext | None:
    found = get_current_span(context).get_span_context()
    if not found.is_valid:
        return None
    flags = found.trace_flags & FLAG_SAMPLED
    return SpanContext(found.trace_id.to_bytes(16, "big"), found.span_id.to_bytes(8, "big"), flags)


def _api_context(context: SpanContext) -> Context:
    ours = ApiSpanContext(
        int.from_bytes(context.trace_id, "big"),
        int.from_bytes(context.span_id, "big"),
        is_remote=False,
        trace_flags=TraceFlags(context.flags & FLAG_SAMPLED),
    )
    return set_span_in_context(NonRecordingSpan(ours), Context())
