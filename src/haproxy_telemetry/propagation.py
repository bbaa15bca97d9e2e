"""What the agent makes of ``OTEL_PROPAGATORS``: the formats that it reads and writes, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from haproxy_telemetry.settings.propagators import DEFAULT, VARIABLE, PropagatorsError, parse_propagators
from haproxy_telemetry.trace.propagators import W3C, Format, Propagators, TraceContext

EXTRA: Final = "haproxy-telemetry[propagators]"


def read_propagators(environ: Mapping[str, str]) -> Propagators:
    """Return what ``OTEL_PROPAGATORS`` asks for. Raises :class:`PropagatorsError`."""
    value = environ.get(VARIABLE, "")
    names = parse_propagators(value)
    if names == DEFAULT:
        return W3C
    formats = [_format(value, name) for name in names if name != "baggage"]
    return Propagators(formats, baggage="baggage" in names)


def _format(value: str, name: str) -> Format | TraceContext:
    if name == "tracecontext":
        return TraceContext()
    try:
        from haproxy_telemetry.trace import foreign  # here: 45 ms that only those who ask for it shall wait
    except ImportError as error:
        raise PropagatorsError(
            value, name, f"needs a package that is not here ({error})", f"install {EXTRA}"
        ) from error
    return foreign.Jaeger() if name == "jaeger" else foreign.B3(multi=name == "b3multi")
