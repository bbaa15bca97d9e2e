"""The way back: what HAProxy is to know of a trace, as variables of an ACK."""

from __future__ import annotations

from collections.abc import Sequence

from haproxy_telemetry.spop import Action, Scope, SetVar, Value
from haproxy_telemetry.trace.instructions import Propagation


def actions_for(propagation: Propagation, scopes: Sequence[Scope]) -> list[Action]:
    """Return the variables of one ACK; the dearest first, since what does not fit is left out from the end.

    A variable is called as its header, with ``_`` for ``-``: HAProxy's names know no dash.
    """
    variables: list[tuple[bytes, Value]] = []
    if propagation.traceparent:
        variables.append((b"traceparent", propagation.traceparent))
    for header, value in propagation.others:
        variables.append((header.replace(b"-", b"_"), value))
    variables.append((b"trace_id", propagation.trace_id))
    variables.append((b"span_id", propagation.span_id))
    variables.append((b"sampled", propagation.sampled))
    if propagation.tracestate:
        variables.append((b"tracestate", propagation.tracestate))
    if propagation.baggage:
        variables.append((b"baggage", propagation.baggage))
    for header, value in propagation.items:
        variables.append((header.replace(b"-", b"_"), value))
    return [SetVar(scope, name, value) for name, value in variables for scope in scopes]
