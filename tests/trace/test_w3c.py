"""The rules of W3C Trace Context, case by case (https://www.w3.org/TR/trace-context/)."""

import pytest

from haproxy_telemetry.trace.w3c import SpanContext, format_traceparent, parse_traceparent, parse_tracestate

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
VALID = f"00-{TRACE}-{SPAN}-01"


def test_a_valid_header_is_read() -> None:
    context = parse_traceparent(VALID.encode())
    assert context == SpanContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), 1)


def test_what_is_written_is_what_was_read() -> None:
    context = parse_traceparent(VALID.encode())
    assert context is not None
    assert format_traceparent(context) == VALID.encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("garbage", "no form"),
        (VALID[:-1], "short"),
        (VALID.upper(), "upper case"),
        (f"00-{'0' * 32}-{SPAN}-01", "zero trace-id"),
        (f"00-{TRACE}-{'0' * 16}-01", "zero parent-id"),
        (f"ff-{TRACE}-{SPAN}-01", "version ff"),
        (f"00-{TRACE}-{SPAN}-01-extra", "version 00 has no more fields"),
        (f"00-{TRACE}-{SPAN}-01-", "version 00 has no more fields, not even an empty one"),
        (f"01-{TRACE}-{SPAN}-01extra", "a later version goes on with a dash"),
        (f"0-{TRACE}-{SPAN}-01", "version of one digit"),
        (f"00-{TRACE[:-1]}g-{SPAN}-01", "no hexadecimal digit"),
        (f"00_{TRACE}_{SPAN}_01", "other separators"),
        (f"{VALID},{VALID}", "two headers in one"),
        (f"00-{TRACE}-{SPAN}-1", "flags of one digit"),
        (f"00-{TRACE}-{SPAN}-0x", "flags not hexadecimal"),
    ],
)
def test_an_invalid_header_starts_a_new_trace(text: str, why: str) -> None:
    assert parse_traceparent(text.encode()) is None, why


def test_bytes_that_are_no_text_start_a_new_trace() -> None:
    assert parse_traceparent(bytes(range(256))) is None


@pytest.mark.parametrize("text", [f"01-{TRACE}-{SPAN}-01", f"01-{TRACE}-{SPAN}-01-what-ever", f"cc-{TRACE}-{SPAN}-01-"])
def test_a_later_version_is_read_as_far_as_it_is_known(text: str) -> None:
    context = parse_traceparent(text.encode())
    assert context is not None
    assert context.trace_id.hex() == TRACE
    assert context.span_id.hex() == SPAN


@pytest.mark.parametrize(("flags", "kept"), [("00", 0), ("01", 1), ("02", 2), ("03", 3), ("ff", 3), ("fe", 2)])
def test_only_known_flags_are_passed_on(flags: str, kept: int) -> None:
    context = parse_traceparent(f"00-{TRACE}-{SPAN}-{flags}".encode())
    assert context is not None
    assert context.flags == kept


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (b"foo=1", b"foo=1"),
        (b"foo=1,bar=2", b"foo=1,bar=2"),
        (b"foo=1 , \tbar=2", b"foo=1,bar=2"),
        (b"foo=1,,bar=2,", b"foo=1,bar=2"),
        (b"t61rcwkgmze@v=1", b"t61rcwkgmze@v=1"),
        (b"a/b*c_d-e=x y;z", b"a/b*c_d-e=x y;z"),
        (b"", b""),
        (b"foo", b""),
        (b"Foo=1", b""),
        (b"foo=", b""),
        (b"foo =1", b""),
        (b"foo=a=b", b""),
        (b"foo=\x7f", b""),
        (b"foo=\xff", b""),
        (b"foo=1,b@d@r=2", b""),
        (b"f" * 257 + b"=1", b""),
        (b"foo=" + b"v" * 257, b""),
        (b"foo=" + b"v" * 256, b"foo=" + b"v" * 256),
        (b",".join(b"k%d=v" % n for n in range(32)), b",".join(b"k%d=v" % n for n in range(32))),
        (b",".join(b"k%d=v" % n for n in range(33)), b""),
    ],
)
def test_tracestate_is_taken_whole_or_not_at_all(text: bytes, result: bytes) -> None:
    assert parse_tracestate(text) == result


def test_a_tracestate_of_any_length_is_bounded() -> None:
    assert parse_tracestate(b"a=" + b"x" * 100_000) == b""
