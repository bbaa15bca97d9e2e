"""Any bytes give streams or counted errors: the fuzz target's own check, on what HAProxy logged, whole and damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuzz_records
from haproxy_telemetry.records import RecordError, parse_datagram, parse_record
from records.golden import VERSIONS, lines

LINES = [line for version in VERSIONS for some in lines(version).values() for line in some]
VALUES = ("-", "-1", "", "+2", "0", "99999999999999999999", "1e3", "٣", "<NOSRV>", "\\ud800", "é")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Lines of HAProxy, cut, changed and repeated in places."""
    data = bytearray(b"\n".join(draw(st.lists(st.sampled_from(LINES), max_size=3))))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 8)))
        data[start:stop] = draw(st.binary(max_size=8))
    return bytes(data)


@st.composite
def odd_values(draw: st.DrawFn) -> bytes:
    """A line that is valid JSON, with a value or two that HAProxy would not write there."""
    parts = draw(st.sampled_from(LINES)).split(b'"')
    for _ in range(draw(st.integers(1, 3))):
        value = draw(st.sampled_from(VALUES) | st.integers(-(2**70), 2**70).map(str) | st.text("<>-+0-9aé", max_size=6))
        parts[draw(st.integers(1, len(parts) - 2))] = value.encode()
    return b'"'.join(parts)


@given(damaged())
def test_damaged_lines(data: bytes) -> None:
    fuzz_records.check(data)


@given(odd_values())
def test_odd_values(data: bytes) -> None:
    fuzz_records.check(data)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    fuzz_records.check(data)
    fuzz_records.check(b'{"ht":1' + data)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_line_cut_at_any_byte_is_never_a_stream(version: str) -> None:
    whole = lines(version)["trusted-caller"][0]
    reasons = set()
    for size in range(len(whole)):
        with pytest.raises(RecordError) as caught:
            parse_record(whole[:size])
        reasons.add(caught.value.reason)
    assert reasons == {"not_ours", "cut"}


def test_deeply_nested_json_is_refused() -> None:
    deep = b'{"ht":1,"x":' + b"[" * 60_000
    assert [str(one) for one in parse_datagram(deep)] == [str(RecordError("not_json"))]
