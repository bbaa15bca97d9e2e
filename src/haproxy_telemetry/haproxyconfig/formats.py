"""B3 and Jaeger in HAProxy itself: a caller's context becomes the form of a traceparent, and goes out as it came.

`txn.otel_in` is the caller's context in that form, of whichever format was the first to have one. What is written:
ids in lower case and padded, and whether the trace is sampled. Run with 2.6 to 3.2.
"""

from __future__ import annotations

from haproxy_telemetry.haproxyconfig.text import Rule

HAVE = "{ var(txn.otel_in) -m found }"
NONE_YET = f"!{HAVE}"

_SET = "tcp-request content set-var"
_HEX = "[0-9a-fA-F]"
_JAEGER = "req.fhdr(uber-trace-id),url_dec"
_SAMPLED = "%[var(txn.otel_flags),hex2i,and(1)]"


def read_by(propagators: tuple[str, ...]) -> tuple[str, ...]:
    """Return the formats to read, in their order; either way of writing B3 means that both are read."""
    names = ["b3" if name == "b3multi" else name for name in propagators if name != "baggage"]
    return tuple(dict.fromkeys(names))


def reading_rules(name: str) -> tuple[Rule, ...]:
    """Return how a header of the format becomes `txn.otel_in`, unless that is there."""
    return (_jaeger(),) if name == "jaeger" else (_b3_single(), _b3_multi())


def _last(digits: int, variable: str) -> str:
    """Cut what was padded on the left; the quotes are HAProxy's own, and those of its converters."""
    return f'{_SET}(txn.{variable}) \'var(txn.{variable}),regsub("^.*(.{{{digits}}})$","\\1")\''


def _padded(trace: str, span: str, condition: str) -> tuple[str, ...]:
    return (
        f"{_SET}-fmt(txn.otel_it) {'0' * 32}%[{trace},lower] if {condition}",
        f"{_last(32, 'otel_it')} if {condition}",
        f"{_SET}-fmt(txn.otel_is) {'0' * 16}%[{span},lower] if {condition}",
        f"{_last(16, 'otel_is')} if {condition}",
    )


def _taken(flags: str, condition: str) -> str:
    return f"{_SET}-fmt(txn.otel_in) 00-%[var(txn.otel_it)]-%[var(txn.otel_is)]-0{flags} if {condition}"


_NO_ZEROS = "tcp-request content unset-var(txn.otel_in) if { var(txn.otel_in) -m reg ^..-0{32}- ^.{36}0{16}- }"


def _b3_single() -> Rule:
    condition = f"otel_b3 {NONE_YET}"
    return Rule(
        "B3 in one header: a trace id of 16 or 32 digits, a span id, and perhaps whether it is sampled; without a word"
        " it is, since that leaves the decision to us. An id of zeros is none.",
        (
            f"acl otel_b3 req.fhdr(b3) -m reg ^({_HEX}{{16}}){{1,2}}-{_HEX}{{16}}(-[01d](-{_HEX}{{16}})?)?$",
            "acl otel_b3_no req.fhdr(b3) -m reg ^[^-]*-[^-]*-0(-|$)",
            *_padded("req.fhdr(b3),field(1,-)", "req.fhdr(b3),field(2,-)", condition),
            _taken("0", f"otel_b3_no {condition}"),
            _taken("1", condition),
            _NO_ZEROS,
        ),
    )


def _b3_multi() -> Rule:
    condition = f"otel_b3_trace otel_b3_span {NONE_YET}"
    return Rule(
        "B3 in several headers. X-B3-Flags of 1 is debug, which is sampled.",
        (
            f"acl otel_b3_trace req.fhdr(x-b3-traceid) -m reg ^({_HEX}{{16}}){{1,2}}$",
            f"acl otel_b3_span req.fhdr(x-b3-spanid) -m reg ^{_HEX}{{16}}$",
            "acl otel_b3_refused req.fhdr(x-b3-sampled) -m str -i 0 false",
            "acl otel_b3_debug req.fhdr(x-b3-flags) -m str 1",
            *_padded("req.fhdr(x-b3-traceid)", "req.fhdr(x-b3-spanid)", condition),
            _taken("0", f"otel_b3_refused !otel_b3_debug {condition}"),
            _taken("1", condition),
            _NO_ZEROS,
        ),
    )


SAID = "{ var(txn.otel_said) -m found }"
"""A caller of B3 without ids has said whether to sample."""


def deciding_rule(believed: str) -> Rule:
    """Return how a B3 caller's decision without ids becomes `txn.otel_said`; ``believed``: a condition, or nothing."""
    alone = f"!{{ req.fhdr(x-b3-traceid) -m found }} !{{ req.fhdr(x-b3-spanid) -m found }} !{SAID}{believed}"
    return Rule(
        "B3 without ids says only whether the trace that begins here is to be sampled.",
        (
            f"{_SET}(txn.otel_said) str(0) if {{ req.fhdr(b3) -m str 0 }}{believed}",
            f"{_SET}(txn.otel_said) str(1) if {{ req.fhdr(b3) -m str 1 d }}{believed}",
            f"{_SET}(txn.otel_said) str(1) if otel_b3_debug {alone}",
            f"{_SET}(txn.otel_said) str(0) if otel_b3_refused {alone}",
            f"{_SET}(txn.otel_said) str(1) if {{ req.fhdr(x-b3-sampled) -m str -i 1 true }} {alone}",
        ),
    )


def obeying_lines(begun: str) -> tuple[str, ...]:
    """Return how that decision becomes the flags of a trace that begins here."""
    return tuple(
        f"{_SET}(txn.otel_flags) str(0{said}) if {begun} {{ var(txn.otel_said) -m str {said} }}" for said in "01"
    )


def _jaeger() -> Rule:
    condition = f"otel_uber {NONE_YET}"
    return Rule(
        "Jaeger: trace id, span id, parent, flags, of which the last bit is whether it is sampled. Short ids are"
        " padded; some clients encode the colons.",
        (
            f"acl otel_uber {_JAEGER} -m reg ^{_HEX}{{1,32}}:{_HEX}{{1,16}}:{_HEX}{{0,16}}:{_HEX}{{1,2}}$",
            *_padded(f"{_JAEGER},field(1,:)", f"{_JAEGER},field(2,:)", condition),
            _taken(f"%[{_JAEGER},field(4,:),hex2i,and(1)]", condition),
            _NO_ZEROS,
        ),
    )


def sending_rules(propagators: tuple[str, ...], found: str) -> tuple[Rule, ...]:
    """Return how the same ids go to the server in these formats, if there are any."""
    rules: list[Rule] = []
    if "b3" in propagators:
        value = f"%[var(txn.otel_trace)]-%[var(txn.otel_span)]-{_SAMPLED}"
        rules.append(Rule("The same ids as B3 in one header.", (f"http-request set-header b3 {value} if {found}",)))
    if "b3multi" in propagators:
        rules.append(_sending_b3_multi(found))
    if stale := _stale(propagators):
        lines = tuple(f"http-request del-header {name} if {found}" for name in stale)
        rules.append(Rule("What the caller sent in B3's other headers is about its span, not ours.", lines))
    if "jaeger" in propagators:
        value = f"%[var(txn.otel_trace)]:%[var(txn.otel_span)]:0:0{_SAMPLED}"
        rules.append(Rule("The same ids for Jaeger.", (f"http-request set-header uber-trace-id {value} if {found}",)))
    return tuple(rules)


def _sending_b3_multi(found: str) -> Rule:
    headers = {
        "x-b3-traceid": "%[var(txn.otel_trace)]",
        "x-b3-spanid": "%[var(txn.otel_span)]",
        "x-b3-sampled": _SAMPLED,
    }
    lines = (f"http-request set-header {name} {value} if {found}" for name, value in headers.items())
    return Rule("The same ids as B3 in several headers.", tuple(lines))


def _stale(propagators: tuple[str, ...]) -> tuple[str, ...]:
    """Return the headers of B3 that a caller may have sent and that are not written anew."""
    multi, single = "b3multi" in propagators, "b3" in propagators
    if not multi and not single:
        return ()
    written = ("x-b3-traceid", "x-b3-spanid", "x-b3-sampled") if not multi else ()
    return (*(("b3",) if not single else ()), *written, "x-b3-parentspanid", "x-b3-flags")
