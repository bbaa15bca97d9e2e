"""The rules by which HAProxy reads the caller's trace context and makes its own: no agent is asked.

They are `tcp-request content` rules, which in HTTP mode run once for each request, when its headers are in. That
is after SPOE's on-client-session and on-frontend-tcp-request, and before on-frontend-http-request, whose message
can therefore tell the agent what was decided. Run with 2.6 to 3.5, HTTP/1 and HTTP/2.
"""

from __future__ import annotations

from haproxy_telemetry.haproxyconfig import formats, record
from haproxy_telemetry.haproxyconfig.options import Options, Trust
from haproxy_telemetry.haproxyconfig.text import Rule
from haproxy_telemetry.sampling import threshold_of, write_threshold

_RIGHT = "otel_tp_form !otel_tp_zero !otel_tp_many"
_FROM_W3C = "{ var(txn.otel_w3c) -m bool }"
_BELIEVED = "{ var(txn.otel_tp) -m found }"
_TRUSTED = "{ var(txn.otel_trusted) -m bool }"


def context_rules(options: Options) -> tuple[Rule, ...]:
    """Return the rules that make `txn.otel_up`, the context for the server in the form of a traceparent."""
    read, trust = formats.read_by(options.propagators), options.trust
    said = "b3" in read and not trust.nobody
    new = (*_begun(options.ratio, said), _made())
    if not read:
        return new
    if read == ("tracecontext",):
        source = f"req.fhdr(traceparent),bytes(0,{record.TRACEPARENT_BYTES})"
        return (_reading(), *_believing(trust, source, _RIGHT), *_continuing(trust, ""), *new)
    reading = [rule for name in read for rule in _format_rules(name)]
    state = f" {_FROM_W3C}" if "tracecontext" in read else None
    deciding = (formats.deciding_rule("" if trust.everybody else f" {_TRUSTED}"),) if said else ()
    believing = _believing(trust, "var(txn.otel_in)", formats.HAVE)
    return (*reading, *believing, *deciding, *_continuing(trust, state), *new)


def _format_rules(name: str) -> tuple[Rule, ...]:
    """Return how a caller's context in one format becomes `txn.otel_in`, if none is there yet."""
    if name != "tracecontext":
        return formats.reading_rules(name)
    taken = Rule(
        "It counts unless a format before it had one.",
        (
            f"tcp-request content set-var(txn.otel_w3c) bool(true) if {_RIGHT} {formats.NONE_YET}",
            "tcp-request content set-var(txn.otel_in)"
            f" req.fhdr(traceparent),bytes(0,{record.TRACEPARENT_BYTES}) if {_FROM_W3C}",
        ),
    )
    return (_reading(), taken)


def _reading() -> Rule:
    hexadecimal = "[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"
    return Rule(
        "What is a right traceparent by W3C's rules: its form (version 00 ends there, later ones may go on behind"
        " a dash, ff is none), no id of zeros, and only one header.",
        (
            f"acl otel_tp_form req.fhdr(traceparent) -m reg ^00-{hexadecimal}$"
            f" ^([1-9a-e][0-9a-f]|0[1-9a-f]|f[0-9a-e])-{hexadecimal}(-|$)",
            "acl otel_tp_zero req.fhdr(traceparent) -m reg ^..-0{32}- ^.{36}0{16}-",
            "acl otel_tp_many req.fhdr_cnt(traceparent) gt 1",
        ),
    )


def _believing(trust: Trust, source: str, condition: str) -> tuple[Rule, ...]:
    def take(variable: str, more: str = "") -> str:
        return f"tcp-request content set-var(txn.otel_{variable}) {source} if {condition}{more}"

    if trust.everybody:
        return (Rule("Every caller is believed (--trust always): its trace goes on here.", (take("tp"),)),)
    if trust.nobody:
        why = "No caller is believed (--trust never): a new trace begins, and the caller's is linked to it."
        return (Rule(why, (take("link"),)),)
    return (
        Rule(
            "Who is believed (--trust). The others' traces are linked to the new one that begins here.",
            (
                f"tcp-request content set-var(txn.otel_trusted) bool(true) if {trust.condition}",
                take("tp", f" {_TRUSTED}"),
                take("link", f" !{_TRUSTED}"),
            ),
        ),
    )


def _continuing(trust: Trust, state: str | None) -> tuple[Rule, ...]:
    """``state``: a further condition for the tracestate to count, ``None`` if it never does."""
    if trust.nobody:
        return ()
    return (_going_on(),) if state is None else (_going_on(), _tracestate(state))


def _going_on() -> Rule:
    return Rule(
        "The caller's trace and flags go on. Only the two flags that are known are passed on (sampled, random).",
        (
            f"tcp-request content set-var(txn.otel_trace) var(txn.otel_tp),field(2,-) if {_BELIEVED}",
            "tcp-request content set-var-fmt(txn.otel_flags) 0%[var(txn.otel_tp),field(4,-),hex2i,and(3)]"
            f" if {_BELIEVED}",
        ),
    )


def _tracestate(condition: str) -> Rule:
    header = "req.fhdr(tracestate)"
    return Rule(
        "The caller's tracestate travels on in its own header; this is the copy for the span. A long one, one in"
        " several headers or with odd characters is left out of the span.",
        (
            f"tcp-request content set-var(txn.otel_ts) {header} if {_BELIEVED}{condition}"
            f" {{ req.fhdr_cnt(tracestate) eq 1 }} {{ {header},length le {record.TRACE_STATE_BYTES} }}"
            f" !{{ {header} -m reg [^\\ -~] }}",
        ),
    )


def _begun(ratio: float, said: bool) -> tuple[Rule, ...]:
    """``said``: a caller without ids may have decided whether to sample."""
    kept = {0.0: ", not sampled (--ratio 0)", 1.0: ", sampled"}.get(ratio, "")
    begins = Rule(
        f"Else a new trace begins{kept}. A random UUID without its dashes is a trace id.",
        (
            f"tcp-request content set-var(txn.otel_trace) uuid,regsub(-,,g) if !{_BELIEVED}",
            _flags("01" if ratio == 1.0 else "00"),
        ),
    )
    drawn = () if ratio in (0.0, 1.0) else (_drawn(ratio, f" !{formats.SAID}" if said else ""),)
    obeyed = Rule("But for a caller who has decided that.", formats.obeying_lines(f"!{_BELIEVED}"))
    return (begins, *drawn, *((obeyed,) if said else ()))


def _flags(flags: str) -> str:
    return f"tcp-request content set-var(txn.otel_flags) str({flags}) if !{_BELIEVED}"


def _drawn(ratio: float, unless: str) -> Rule:
    threshold = threshold_of(ratio)
    return Rule(
        f"A share of {ratio:.10g} of the new traces is sampled (--ratio), chosen by the last 56 bits of the trace id as"
        " OpenTelemetry's consistent sampling asks: agents and services with the same ratio choose the same ones. The"
        " tracestate says how many stand behind one.",
        (
            f"acl otel_drawn var(txn.otel_trace),bytes(18,14),hex2i ge {threshold}",
            f"{_flags('01')} otel_drawn",
            f"tcp-request content set-var(txn.otel_ts) str(ot=th:{write_threshold(threshold).decode()})"
            f" if !{_BELIEVED} otel_drawn{unless}",
        ),
    )


def _made() -> Rule:
    return Rule(
        "The second half of another UUID is a span id (it begins with 8 to b, so it is never zero): the id of the span"
        " that waits for the server.",
        (
            "tcp-request content set-var(txn.otel_span) uuid,regsub(-,,g),bytes(16,16)",
            "tcp-request content set-var-fmt(txn.otel_up)"
            " 00-%[var(txn.otel_trace)]-%[var(txn.otel_span)]-%[var(txn.otel_flags)]",
        ),
    )


def sending_rules(options: Options) -> tuple[Rule, ...]:
    """Return the rules that put the context into the request that goes to the server."""
    found = "{ var(txn.otel_up) -m found }"
    others = formats.sending_rules(options.propagators, found)
    if "tracecontext" not in options.propagators:
        return others
    only_w3c = formats.read_by(options.propagators) == ("tracecontext",)
    strange = () if only_w3c else (f"http-request del-header tracestate if {found} !{_FROM_W3C}",)
    chosen = Rule(
        "And the new one has its own, if it was chosen.",
        (
            "http-request set-header tracestate %[var(txn.otel_ts)]"
            f" if {found} !{_BELIEVED} {{ var(txn.otel_ts) -m found }}",
        ),
    )
    return (
        Rule(
            "The server gets the context, whether an agent is there or not. Never without \"-m found\": where no rule"
            " above ran, the caller's header would be replaced by an empty one.",
            (f"http-request set-header traceparent %[var(txn.otel_up)] if {found}",),
        ),
        Rule(
            "A tracestate belongs to its traceparent: where a new trace begins, the caller's goes.",
            (f"http-request del-header tracestate if {found} !{_BELIEVED}", *strange),
        ),
        *((chosen,) if 0.0 < options.ratio < 1.0 else ()),
        *others,
    )  # fmt: skip
