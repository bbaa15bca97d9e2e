"""W3C Trace Context as cases: what a caller sends, and what has to become of it.

Written from the specification's text (https://www.w3.org/TR/trace-context/, the clause is named), for whoever reads
headers: the agent and HAProxy's own rules are held against the same table.
"""

from __future__ import annotations

from typing import NamedTuple

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


class Case(NamedTuple):
    """``flags``: those with which the caller's trace goes on, ``None`` where a new one begins.

    ``state`` is the tracestate that goes on with it, ``""`` for none.
    """

    name: str
    clause: str
    traceparent: tuple[str, ...]
    flags: str | None
    tracestate: tuple[str, ...] = ()
    state: str = ""


def parent(name: str, clause: str, header: str, flags: str | None) -> Case:
    return Case(name, clause, (header,), flags)


def state(name: str, clause: str, headers: str | tuple[str, ...], expected: str) -> Case:
    return Case(name, clause, (GOOD,), "01", (headers,) if isinstance(headers, str) else headers, expected)


def members(number: int) -> str:
    return ",".join(f"k{n}=v" for n in range(number))


TRACEPARENT = [
    Case("no header", "4.2", (), None),
    Case("two headers", "3.2", (GOOD, GOOD.replace(SPAN, "1234567890123456")), None),
    parent("sampled", "3.2.2", GOOD, "01"),
    parent("not sampled", "3.2.2.5.1", f"00-{TRACE}-{SPAN}-00", "00"),
    parent("random, sampled", "level 2, 3.2.2.5.2", f"00-{TRACE}-{SPAN}-03", "03"),
    parent("random, not sampled", "level 2, 3.2.2.5.2", f"00-{TRACE}-{SPAN}-02", "02"),
    parent("other flags are set to zero", "3.2.2.5.2", f"00-{TRACE}-{SPAN}-ff", "03"),
    parent("only other flags", "3.2.2.5.2", f"00-{TRACE}-{SPAN}-f8", "00"),
    parent("empty", "3.2", "", None),
    parent("garbage", "3.2.2", "garbage", None),
    parent("only a version", "3.2.2", "00", None),
    parent("version and trace", "3.2.2", f"00-{TRACE}", None),
    parent("no flags", "3.2.2", f"00-{TRACE}-{SPAN}", None),
    parent("empty flags", "3.2.2", f"00-{TRACE}-{SPAN}-", None),
    parent("version ff is forbidden", "3.2.2.1", f"ff-{TRACE}-{SPAN}-01", None),
    parent("version in upper case", "3.2.2.1", f"0A-{TRACE}-{SPAN}-01", None),
    parent("version of one digit", "3.2.2.1", f"0-{TRACE}-{SPAN}-01", None),
    parent("version of three digits", "3.2.2.1", f"000-{TRACE}-{SPAN}-01", None),
    parent("version with a strange digit", "3.2.2.1", f".0-{TRACE}-{SPAN}-01", None),
    parent("version 00 ends after the flags", "3.2.2", f"{GOOD}-what", None),
    parent("version 00 with a dash at its end", "3.2.2", f"{GOOD}-", None),
    parent("version 00 with a dot at its end", "3.2.2", f"{GOOD}.", None),
    parent("later version, same length", "4.3", f"01-{TRACE}-{SPAN}-01", "01"),
    parent("later version with more", "4.3", f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", "01"),
    parent("later version with an empty field", "4.3", f"cc-{TRACE}-{SPAN}-01-", "01"),
    parent("later version without a dash", "4.3", f"cc-{TRACE}-{SPAN}-01what", None),
    parent("later version, too short", "4.3", f"cc-{TRACE}-{SPAN}-0", None),
    parent("later version, trace of zeros", "4.3", f"cc-{'0' * 32}-{SPAN}-01", None),
    parent("version fe is the last", "4.3", f"fe-{TRACE}-{SPAN}-01", "01"),
    parent("trace of zeros", "3.2.2.3", f"00-{'0' * 32}-{SPAN}-01", None),
    parent("trace in upper case", "3.2.2.3", f"00-{TRACE.upper()}-{SPAN}-01", None),
    parent("trace too short", "3.2.2.3", f"00-{TRACE[1:]}-{SPAN}-01", None),
    parent("trace too long", "3.2.2.3", f"00-{TRACE}1-{SPAN}-01", None),
    parent("trace with a strange digit", "3.2.2.3", f"00-.{TRACE[1:]}-{SPAN}-01", None),
    parent("trace of which only the right half is filled", "3.2.2.3", f"00-{'0' * 16}{SPAN}-{SPAN}-01", "01"),
    parent("parent of zeros", "3.2.2.4", f"00-{TRACE}-{'0' * 16}-01", None),
    parent("parent in upper case", "3.2.2.4", f"00-{TRACE}-{SPAN.upper()}-01", None),
    parent("parent too short", "3.2.2.4", f"00-{TRACE}-{SPAN[1:]}-01", None),
    parent("parent too long", "3.2.2.4", f"00-{TRACE}-{SPAN}1-01", None),
    parent("parent with a strange digit", "3.2.2.4", f"00-{TRACE}-.{SPAN[1:]}-01", None),
    parent("flags of one digit", "3.2.2.5", f"00-{TRACE}-{SPAN}-1", None),
    parent("flags of three digits", "3.2.2.5", f"00-{TRACE}-{SPAN}-001", None),
    parent("flags in upper case", "3.2.2.5", f"00-{TRACE}-{SPAN}-0A", None),
    parent("flags with a strange digit", "3.2.2.5", f"00-{TRACE}-{SPAN}-.0", None),
    parent("spaces around it", "RFC 9110, 5.5", f" \t{GOOD}\t ", "01"),
    parent("a space inside", "3.2.2", f"00 -{TRACE}-{SPAN}-01", None),
    parent("a list", "3.2", f"{GOOD},{GOOD}", None),
]

ALL_VALUES = "a=!\"#$%&'()*+-./0:;<>?@A[\\]^_`a{|}~"
LONGEST_KEY, LONGEST_VALUE = "k" * 256, "v" * 256

TRACESTATE = [
    Case("without a traceparent", "3.3", (), None, ("a=1",)),
    Case("with a wrong traceparent", "3.3", (f"ff-{TRACE}-{SPAN}-01",), None, ("a=1",)),
    state("none", "3.3", (), ""),
    state("one member", "3.3.1", "foo=1", "foo=1"),
    state("two members keep their order", "3.3.1", "foo=1,bar=2", "foo=1,bar=2"),
    state("two headers are one list", "3.3", ("foo=1", "bar=2"), "foo=1,bar=2"),
    state("three headers", "3.3", ("c=1,b=2", "a=3", "z=4"), "c=1,b=2,a=3,z=4"),
    state("spaces and tabs around a comma", "3.3.1.2", "foo=1 \t , \t bar=2", "foo=1,bar=2"),
    state("empty members", "3.3.1.2", "foo=1,,bar=2, ,", "foo=1,bar=2"),
    state("an empty header", "3.3.1.2", "", ""),
    state("an empty header beside another", "3.3.1.2", ("foo=1", ""), "foo=1"),
    state("a tenant's key", "3.3.1.3.1", "fw529a3039@dt=FfYw", "fw529a3039@dt=FfYw"),
    state("a key that begins with a digit", "level 2, 3.3.1.3.1", "0a=1", "0a=1"),
    state("all characters of a key", "3.3.1.3.1", "a0_-*/=1", "a0_-*/=1"),
    state("the longest key", "3.3.1.3.1", f"{LONGEST_KEY}=1", f"{LONGEST_KEY}=1"),
    state("a key that is too long", "3.3.1.3.1", f"{LONGEST_KEY}k=1", ""),
    state("a system that is too long", "3.3.1.3.1", f"t@{'v' * 15}=1", ""),
    state("a key in upper case", "3.3.1.3.1", "FOO=1", ""),
    state("a dot in a key", "3.3.1.3.1", "foo.bar=1", ""),
    state("a space in a key", "3.3.1.3.1", "foo bar=1", ""),
    state("a space before the equals sign", "3.3.1.3.1", "foo =1", ""),
    state("no key", "3.3.1.3.1", "=1", ""),
    state("@ without a tenant", "3.3.1.3.1", "@foo=1", ""),
    state("@ without a system", "3.3.1.3.1", "foo@=1", ""),
    state("no equals sign", "3.3.1.3", "foo", ""),
    state("all kinds of a value", "3.3.1.3.2", ALL_VALUES, ALL_VALUES),
    state("a space inside a value", "3.3.1.3.2", "a=1 2", "a=1 2"),
    state("an equals sign in a value", "3.3.1.3.2", "a=1=2", ""),
    state("the longest value", "3.3.1.3.2", f"a={LONGEST_VALUE}", f"a={LONGEST_VALUE}"),
    state("a value that is too long", "3.3.1.3.2", f"a={LONGEST_VALUE}v", ""),
    state("no value", "3.3.1.3.2", "a=", ""),
    state("32 members", "3.3.1.1", members(32), members(32)),
    state("33 members", "3.3.1.1", members(33), ""),
    state("33 members in two headers", "3.3.1.1", (members(32), "a=1"), ""),
    state("512 characters must go on", "3.3.1.5", f"a={'v' * 253},b={'v' * 254}", f"a={'v' * 253},b={'v' * 254}"),
    state("one bad member spoils the list", "3.3", "foo=1,Bar=2", ""),
    Case("of a trace that is not sampled", "3.3", (f"00-{TRACE}-{SPAN}-00",), "00", ("a=1",), "a=1"),
    Case("of a later version", "4.3", (f"01-{TRACE}-{SPAN}-01-x",), "01", ("a=1",), "a=1"),
]

CASES = TRACEPARENT + TRACESTATE
