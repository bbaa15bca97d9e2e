"""B3 and Jaeger beside W3C: what is read, what is written, and which of several wins.

The values of the formats are those of their own specifications (openzipkin/b3-propagation, Jaeger's client
libraries); what is written is read back by OpenTelemetry's packages as an application has them.
"""

from __future__ import annotations

import sys

import pytest
from laboratory import Laboratory, say
from opentelemetry.baggage import get_all
from opentelemetry.propagators.b3 import B3MultiFormat
from opentelemetry.propagators.jaeger import JaegerPropagator
from opentelemetry.trace import get_current_span

from haproxy_telemetry.dialect import VariableWriter
from haproxy_telemetry.propagation import read_propagators
from haproxy_telemetry.sampling import Sampling
from haproxy_telemetry.sampling.samplers import sampler_named
from haproxy_telemetry.settings.propagators import NAMES, PropagatorsError, parse_propagators
from haproxy_telemetry.spop import Scope, SetVar, parse_actions
from haproxy_telemetry.trace.instructions import Propagation

TRACE, SPAN = "80f198ee56343ba864fe8b2a57d3eff7", "e457b5a2e4d86bd1"
OTHER, OTHER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SHORT = "64fe8b2a57d3eff7"


def laboratory(names: str) -> Laboratory:
    return Laboratory(propagators=read_propagators({"OTEL_PROPAGATORS": names}))


def ask(names: str, *headers: tuple[str, str]) -> tuple[Propagation, Laboratory]:
    """One stream whose caller sent these headers, with OTEL_PROPAGATORS=names."""
    lab = laboratory(names)
    told = [(name.encode(), value.encode()) for name, value in headers]
    propagation = lab.notify(say(*told, (b"span", b"A"), (b"finish", b"*")))
    assert propagation is not None
    return propagation, lab


def variables(propagation: Propagation) -> dict[str, object]:
    actions = parse_actions(VariableWriter((Scope.TXN,)).write(propagation), 0)
    return {action.name.decode(): action.value for action in actions if isinstance(action, SetVar)}


MULTI = (("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN))
READ: list[tuple[str, tuple[tuple[str, str], ...], str, str, bool]] = [
    # (OTEL_PROPAGATORS, headers, trace, parent, sampled)
    ("b3", (("b3", f"{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"),), TRACE, SPAN, True),
    ("b3", (("b3", f"{TRACE}-{SPAN}-0"),), TRACE, SPAN, False),
    ("b3", (("b3", f"{TRACE}-{SPAN}-d"),), TRACE, SPAN, True),
    ("b3", (("b3", f"{TRACE}-{SPAN}"),), TRACE, SPAN, True),
    ("b3", (("b3", f"{SHORT}-{SPAN}-1"),), "0" * 16 + SHORT, SPAN, True),
    ("b3", (("b3", f"{TRACE.upper()}-{SPAN.upper()}-1"),), TRACE, SPAN, True),
    ("b3", (*MULTI, ("x-b3-sampled", "1")), TRACE, SPAN, True),
    ("b3multi", (*MULTI, ("x-b3-sampled", "1")), TRACE, SPAN, True),
    ("b3multi", (*MULTI, ("x-b3-sampled", "0")), TRACE, SPAN, False),
    ("b3multi", (*MULTI, ("x-b3-sampled", "False")), TRACE, SPAN, False),
    ("b3multi", (*MULTI, ("x-b3-sampled", "true")), TRACE, SPAN, True),
    ("b3multi", MULTI, TRACE, SPAN, True),
    ("b3multi", (*MULTI, ("x-b3-flags", "1")), TRACE, SPAN, True),
    ("b3multi", (*MULTI, ("x-b3-sampled", "0"), ("x-b3-flags", "1")), TRACE, SPAN, True),
    ("b3multi", (("x-b3-traceid", SHORT), ("x-b3-spanid", SPAN)), "0" * 16 + SHORT, SPAN, True),
    ("b3multi", (("b3", f"{TRACE}-{SPAN}-0"), ("x-b3-traceid", OTHER), ("x-b3-spanid", SPAN)), TRACE, SPAN, False),
    ("b3multi", (("b3", "rubbish"), *MULTI), TRACE, SPAN, True),
    ("jaeger", (("uber-trace-id", f"{TRACE}:{SPAN}:0:1"),), TRACE, SPAN, True),
    ("jaeger", (("uber-trace-id", f"{TRACE}:{SPAN}:{SPAN}:03"),), TRACE, SPAN, True),
    ("jaeger", (("uber-trace-id", f"{TRACE}:{SPAN}:0:0"),), TRACE, SPAN, False),
    ("jaeger", (("uber-trace-id", f"{TRACE}:{SPAN}:0:2"),), TRACE, SPAN, False),
    ("jaeger", (("uber-trace-id", "abc:1:0:1"),), "0" * 29 + "abc", "0" * 15 + "1", True),
    ("jaeger", (("uber-trace-id", f"{TRACE}%3A{SPAN}%3a0%3A1"),), TRACE, SPAN, True),
]


@pytest.mark.parametrize(("names", "headers", "trace_id", "parent", "sampled"), READ)
def test_a_callers_trace_goes_on(
    names: str, headers: tuple[tuple[str, str], ...], trace_id: str, parent: str, sampled: bool
) -> None:
    propagation, lab = ask(names, *headers)
    assert (propagation.trace_id.decode(), propagation.sampled) == (trace_id, sampled)
    assert propagation.traceparent == b""
    assert [trace.spans[0].parent_span_id.hex() for trace in lab.finished] == ([parent] if sampled else [])
    assert lab.stats.get("context_invalid", names) == 0


WRONG = [
    ("b3", ("b3", "2")),
    ("b3", ("x-b3-sampled", "perhaps")),
    ("b3", ("b3", f"{'0' * 32}-{SPAN}-1")),
    ("b3", ("b3", f"{TRACE}-{'0' * 16}-1")),
    ("b3", ("b3", f"{TRACE[1:]}-{SPAN}-1")),
    ("b3", ("b3", f"{TRACE}-{SPAN[1:]}-1")),
    ("b3", ("b3", f"{TRACE}-{SPAN}-x")),
    ("b3", ("b3", f"{TRACE}-{SPAN}-1-{SPAN}-more")),
    ("b3", ("b3", f"{'é' * 16}-{SPAN}-1")),
    ("b3multi", ("x-b3-traceid", TRACE)),
    ("b3multi", ("x-b3-spanid", SPAN)),
    ("jaeger", ("uber-trace-id", f"{TRACE}:{SPAN}:0")),
    ("jaeger", ("uber-trace-id", f"{TRACE}:{SPAN}:0:1:2")),
    ("jaeger", ("uber-trace-id", f"0:{SPAN}:0:1")),
    ("jaeger", ("uber-trace-id", f"{TRACE}:0:0:1")),
    ("jaeger", ("uber-trace-id", f"0x{TRACE[2:]}:{SPAN}:0:1")),
    ("jaeger", ("uber-trace-id", "1_0:1:0:1")),
    ("jaeger", ("uber-trace-id", f"{TRACE}1:{SPAN}:0:1")),
    ("jaeger", ("uber-trace-id", "f" * 5000)),
    ("jaeger", ("uber-trace-id", "%zz%ff%00::::")),
]


@pytest.mark.parametrize(("names", "header"), WRONG)
def test_what_is_no_context_begins_a_new_trace_and_is_counted(names: str, header: tuple[str, str]) -> None:
    propagation, lab = ask(names, header)
    assert propagation.trace_id.decode() not in (TRACE, "0" * 32)
    assert lab.finished[0].spans[0].parent_span_id == b""
    assert lab.stats.get("context_invalid", names) == 1


DECISIONS: list[tuple[tuple[tuple[str, str], ...], bool]] = [
    ((("b3", "0"),), False),
    ((("b3", "1"),), True),
    ((("b3", "d"),), True),
    ((("x-b3-sampled", "0"),), False),
    ((("x-b3-sampled", "False"),), False),
    ((("x-b3-sampled", "1"),), True),
    ((("x-b3-flags", "1"),), True),
    ((("x-b3-sampled", "0"), ("x-b3-flags", "1")), True),
]


@pytest.mark.parametrize(("headers", "sampled"), DECISIONS)
@pytest.mark.parametrize("sampler", ["", "parentbased_always_on", "parentbased_always_off", "always_off"])
def test_a_b3_caller_without_ids_decides_whether_the_trace_that_begins_is_sampled(
    headers: tuple[tuple[str, str], ...], sampled: bool, sampler: str
) -> None:
    lab = laboratory("b3,tracecontext")
    if sampler:
        lab.assembler.sampling = Sampling(sampler_named("here", sampler, 1.0))
    told = [(name.encode(), value.encode()) for name, value in headers]
    propagation = lab.notify(say(*told, (b"span", b"A"), (b"finish", b"*")))
    assert propagation is not None
    assert propagation.sampled is (sampled and sampler != "always_off")
    assert [trace.spans[0].parent_span_id for trace in lab.finished] == [b""] * propagation.sampled
    assert lab.stats.get("context_invalid", "b3") == 0


def test_ids_come_before_a_decision_without_them() -> None:
    propagation, _ = ask("b3,tracecontext", ("b3", "0"), ALL[0])
    assert (propagation.trace_id.decode(), propagation.sampled) == (OTHER, True)
    propagation, _ = ask("b3", ("b3", "0"), *MULTI)
    assert (propagation.trace_id.decode(), propagation.sampled) == (TRACE, True)


# Jaeger's baggage


def test_jaegers_baggage_comes_and_goes_a_header_for_each_item() -> None:
    uber = ("uber-trace-id", f"{TRACE}:{SPAN}:0:1")
    propagation, lab = ask("jaeger,baggage", uber, ("uberctx-tenant-id", "a%20b%2Cc"), ("baggage", "k=v"))
    said = variables(propagation)
    assert (said["uberctx_tenant_id"], said["uberctx_k"]) == (b"a%20b%2Cc", b"v")
    assert said["baggage"] == b"k=v,tenant-id=a%20b%2Cc"
    assert lab.stats.get("context_ignored", "uberctx") == 0
    headers = (*propagation.others, *propagation.items)
    read = JaegerPropagator().extract({name.decode(): [value.decode()] for name, value in headers})
    assert get_all(read) == {"tenant-id": "a b,c", "k": "v"}


def test_jaegers_baggage_needs_no_other_and_is_bounded() -> None:
    items = [(f"uberctx-{number}", "x" * 10) for number in range(70)]
    propagation, lab = ask("jaeger", ("uberctx-big", "x" * 5000), ("uberctx-", "v"), ("uberctx-é", "v"), *items)
    assert propagation.baggage == b""
    assert [name for name, _ in propagation.items] == [f"uberctx-{number}".encode() for number in range(64)]
    assert lab.stats.get("baggage_dropped", "item_too_large") == 1
    assert lab.stats.get("baggage_dropped", "header_full") == 6


def test_without_jaeger_its_baggage_is_left_out_and_counted_under_one_name() -> None:
    propagation, lab = ask("tracecontext,baggage", ("uberctx-a", "1"), ("uberctx-b", "2"))
    assert (propagation.items, propagation.baggage) == ((), b"")
    assert lab.stats.get("context_ignored", "uberctx") == 2


# Several


ALL = (("traceparent", f"00-{OTHER}-{OTHER_SPAN}-01"), ("b3", f"{TRACE}-{SPAN}-1"), ("tracestate", "a=1"))


@pytest.mark.parametrize(
    ("names", "trace_id", "state"),
    [
        ("tracecontext,b3", OTHER, b"a=1"),
        ("b3,tracecontext", TRACE, b""),
        ("b3", TRACE, b""),
        ("tracecontext", OTHER, b"a=1"),
    ],
)
def test_the_first_of_the_list_wins_and_a_tracestate_goes_with_its_traceparent_alone(
    names: str, trace_id: str, state: bytes
) -> None:
    propagation, _ = ask(names, *ALL)
    assert propagation.trace_id.decode() == trace_id
    assert propagation.tracestate == state


def test_an_invalid_first_leaves_it_to_the_second() -> None:
    propagation, lab = ask("b3,tracecontext", ALL[0], ("b3", "rubbish"))
    assert propagation.trace_id.decode() == OTHER
    assert lab.stats.get("context_invalid", "b3") == 1


def test_the_order_in_the_message_means_nothing() -> None:
    assert ask("b3,tracecontext", *reversed(ALL))[0].trace_id.decode() == TRACE


def test_our_own_header_is_no_caller() -> None:
    lab = laboratory("b3")
    first = lab.notify(say((b"span", b"A")))
    assert first is not None
    [(name, value)] = first.others
    lab.notify(say((name, value), (b"finish", b"*")))
    assert lab.trace.spans[0].parent_span_id == b""


@pytest.mark.parametrize("names", ["b3", "none", "tracecontext"])
def test_where_haproxy_makes_the_context_its_word_counts_whatever_the_propagators_are(names: str) -> None:
    """It tells a caller of any format as a traceparent, and has sent the headers itself."""
    lab = laboratory(names)
    told = [("upstream", f"00-{OTHER}-{'1' * 16}-01"), ALL[0], ALL[2]]
    message = say(*[(name.encode(), value.encode()) for name, value in told], (b"span", b"A"), (b"finish", b"*"))
    assert lab.notify(message) is None, "HAProxy knows it all by itself"
    [span] = lab.trace.spans
    assert (span.span_id.hex(), span.parent_span_id.hex(), span.trace_state) == ("1" * 16, OTHER_SPAN, b"a=1")


# The way back


def test_every_header_is_a_variable_and_applications_read_it() -> None:
    propagation, _ = ask("tracecontext,baggage,b3,b3multi,jaeger", *ALL, ("baggage", "k=v"))
    said = variables(propagation)
    span_id = propagation.span_id.decode()
    assert said == {
        "traceparent": f"00-{OTHER}-{span_id}-01".encode(),
        "b3": f"{OTHER}-{span_id}-1".encode(),
        "x_b3_traceid": OTHER.encode(),
        "x_b3_spanid": span_id.encode(),
        "x_b3_sampled": b"1",
        "uber_trace_id": f"{OTHER}:{span_id}:{'0' * 16}:01".encode(),
        "trace_id": OTHER.encode(),
        "span_id": span_id.encode(),
        "sampled": True,
        "tracestate": b"a=1",
        "baggage": b"k=v",
        "uberctx_k": b"v",
    }
    headers = {name.decode(): [value.decode()] for name, value in propagation.others}
    multi = {name: value for name, value in headers.items() if name != "b3"}
    for package, carrier in ((B3MultiFormat(), headers), (B3MultiFormat(), multi), (JaegerPropagator(), headers)):
        read = get_current_span(package.extract(carrier)).get_span_context()
        assert (f"{read.trace_id:032x}", f"{read.span_id:016x}", int(read.trace_flags)) == (OTHER, span_id, 1)


def test_what_is_not_sampled_says_so_in_each_format() -> None:
    propagation, _ = ask("b3,b3multi,jaeger", ("b3", f"{TRACE}-{SPAN}-0"))
    said = variables(propagation)
    span_id = propagation.span_id.decode()
    assert said["sampled"] is False
    assert said["b3"] == f"{TRACE}-{span_id}-0".encode()
    assert said["x_b3_sampled"] == b"0"
    assert said["uber_trace_id"] == f"{TRACE}:{span_id}:{'0' * 16}:00".encode()


def test_the_random_flag_of_w3c_is_no_debug_flag_of_jaeger() -> None:
    propagation, _ = ask("tracecontext,jaeger", ("traceparent", f"00-{OTHER}-{OTHER_SPAN}-03"))
    assert propagation.others[0][1].endswith(b":01")


def test_without_baggage_among_them_none_goes_on() -> None:
    propagation, _ = ask("tracecontext", ("baggage", "k=v"))
    assert propagation.baggage == b""


def test_none_sends_nothing_and_still_says_the_ids() -> None:
    propagation, lab = ask("none", *ALL, ("baggage", "k=v"))
    assert set(variables(propagation)) == {"trace_id", "span_id", "sampled"}
    assert lab.finished[0].spans[0].parent_span_id == b""
    assert lab.stats.get("context_ignored", "traceparent") == 1
    assert lab.stats.get("context_ignored", "b3") == 1


# The names


def test_nothing_is_the_default_and_each_name_counts_once() -> None:
    assert parse_propagators("") == parse_propagators(" ") == ("tracecontext", "baggage")
    assert parse_propagators(" b3 , b3,jaeger") == ("b3", "jaeger")
    assert parse_propagators("none") == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("tracecontex", "'tracecontex' is no propagator"),
        ("tracecontext,", "'' is no propagator"),
        ("B3", "'B3' is no propagator"),
        ("tracecontext,xray", "'xray' is not supported"),
        ("ottrace", "'ottrace' is not supported"),
        ("none,b3", "'none' stands beside others"),
    ],
)
def test_a_name_that_cannot_be_obeyed_is_an_error_that_names_it(text: str, named: str) -> None:
    with pytest.raises(PropagatorsError, match=named) as caught:
        read_propagators({"OTEL_PROPAGATORS": text})
    assert str(caught.value).startswith(f"OTEL_PROPAGATORS={text!r}: ")


def test_a_package_that_is_missing_is_an_error_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "haproxy_telemetry.trace.foreign", raising=False)
    monkeypatch.delattr("haproxy_telemetry.trace.foreign", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.propagators.b3", None)
    with pytest.raises(PropagatorsError, match=r"install haproxy-telemetry\[propagators\]"):
        read_propagators({"OTEL_PROPAGATORS": "b3"})
    read_propagators({"OTEL_PROPAGATORS": "tracecontext"})


def test_all_names_are_there() -> None:
    for name in NAMES:
        read_propagators({"OTEL_PROPAGATORS": name})
