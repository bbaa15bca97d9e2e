"""The variables of an ACK: what is written beforehand says the same as what is put together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.dialect import VariableWriter
from haproxy_telemetry.spop import Scope, SetVar, parse_actions
from haproxy_telemetry.trace.instructions import Propagation

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
TRACEPARENT = b"00-%b-%b-01" % (TRACE, SPAN)
PERCENT = b"100%25"
HEADERS = st.lists(st.tuples(st.sampled_from((b"b3", b"uber-trace-id")), st.binary(max_size=300)), max_size=2)


def wanted(scopes: Sequence[Scope], said: Propagation) -> list[SetVar]:
    """By the documentation: the dearest first, each in all scopes."""
    values: list[tuple[bytes, bytes | bool]] = [(b"traceparent", said.traceparent)] if said.traceparent else []
    values += [(name.replace(b"-", b"_"), text) for name, text in said.others]
    values += [(b"trace_id", said.trace_id), (b"span_id", said.span_id), (b"sampled", said.sampled)]
    values += [(name, text) for name, text in ((b"tracestate", said.tracestate), (b"baggage", said.baggage)) if text]
    values += [(name.replace(b"-", b"_"), text) for name, text in said.items]
    return [SetVar(scope, name, value) for name, value in values for scope in scopes]


@pytest.mark.parametrize("scopes", [list(Scope)[:number] for number in range(1, 1 + len(Scope))], ids=len)
@given(st.sampled_from((TRACEPARENT, b"")), st.booleans(), HEADERS, st.binary(max_size=300), HEADERS)
def test_an_ack_says_what_the_propagation_does(
    scopes: list[Scope],
    traceparent: bytes,
    sampled: bool,
    others: list[tuple[bytes, bytes]],
    text: bytes,
    items: list[tuple[bytes, bytes]],
) -> None:
    said = Propagation(traceparent, text, PERCENT, TRACE, SPAN, sampled, tuple(others), tuple(items))
    assert [*parse_actions(VariableWriter(scopes).write(said), 0)] == wanted(scopes, said)
