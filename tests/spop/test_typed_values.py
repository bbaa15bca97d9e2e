"""Every typed value both ways: what HAProxy sent in ``types``, and vectors for the types that it never sends."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from haproxy_telemetry.spop import Binary, Int32, Uint32, Uint64, Value
from haproxy_telemetry.spop.errors import BadField, InvalidFrame, UnknownType
from haproxy_telemetry.spop.messages import Message, parse_messages, serialize_messages
from haproxy_telemetry.spop.values import parse_value, serialize_value, type_name
from spop.captures import VERSIONS, frames_from_haproxy

VECTORS: list[tuple[Value, str, str]] = [
    (None, "00", "NULL"),
    (False, "01", "BOOL"),
    (True, "11", "BOOL"),
    (Int32(0), "0200", "INT32"),
    (Int32(2**31 - 1), "02fff0fefe3e", "INT32"),
    (Int32(-5), "02fbf0fefefefefefefe0e", "INT32"),  # HAProxy reads it so: captures err-t-int32neg
    (Int32(-(2**31)), "02f0f1fefebefefefefe0e", "INT32"),
    (Uint32(16380), "03fcf006", "UINT32"),
    (Uint32(2**32 - 1), "03fff0fefe7e", "UINT32"),
    (0, "0400", "INT64"),
    (-5, "04fbf0fefefefefefefe0e", "INT64"),
    (-1, "04fff0fefefefefefefe0e", "INT64"),
    (2**63 - 1, "04fff0fefefefefefefe06", "INT64"),
    (-(2**63), "04f0f1fefefefefefefe06", "INT64"),
    (Uint64(2**64 - 1), "05fff0fefefefefefefe0e", "UINT64"),  # captures err-t-uint64
    (IPv4Address("127.0.0.1"), "067f000001", "IPV4"),
    (IPv6Address("2001:db8::1"), "0720010db8000000000000000000000001", "IPV6"),
    (b"", "0800", "STRING"),
    (b"h\xc3\xa9", "080368c3a9", "STRING"),
    (b"x" * 240, "08f000" + "78" * 240, "STRING"),
    (Binary(b""), "0900", "BINARY"),
    (Binary(b"\x00\xff\x01"), "090300ff01", "BINARY"),
    (Binary(b"\x00" * 2288), "09f08000" + "00" * 2288, "BINARY"),
]


@pytest.mark.parametrize(("value", "wire", "name"), VECTORS)
def test_value_and_bytes_belong_together(value: Value, wire: str, name: str) -> None:
    data = bytes.fromhex(wire)
    assert serialize_value(value) == data
    parsed, pos = parse_value(b"\xff" + data + b"\xff", 1)
    assert (type(parsed), parsed, pos) == (type(value), value, 1 + len(data))
    assert type_name(value) == name


@pytest.mark.parametrize("version", VERSIONS)
def test_every_type_that_haproxy_sends(version: str) -> None:
    """The message ``all`` has one argument for each kind of fetch."""
    (notify,) = [f for f in frames_from_haproxy(version, "types") if f[4] == 3]
    everything, seedtest = parse_messages(notify[4:], 7)
    arguments = dict(everything.arguments)
    assert everything.name == b"all"
    expected: dict[bytes, Value] = {
        b"ip": IPv4Address("127.0.0.1"),
        b"ip6": IPv6Address("2001:db8::1"),
        b"t": True,
        b"f": False,
        b"neg": -5,
        b"zero": 0,
        b"big": 2**32,
        b"huge": -(2**63),
        b"i239": 239,
        b"i240": 240,
        b"i2287": 2287,
        b"i2288": 2288,
        b"i264431": 264431,
        b"i264432": 264432,
        b"m": b"GET",
        b"s": b"hello",
        b"utf": b"h\xc3\xa9",
        b"empty": b"",
        b"null": None,
        b"bin": Binary(b"\x00\xff\x01"),
        b"": b"anon",
    }
    assert {key: (type(arguments[key]), arguments[key]) for key in expected} == {
        key: (type(value), value) for key, value in expected.items()
    }
    assert type(arguments[b"hb"]) is Binary
    assert seedtest.name == b"seedtest"


@pytest.mark.parametrize("version", VERSIONS)
def test_repeated_and_empty_argument_names_keep_their_order(version: str) -> None:
    """spoa-opentracing's own messages name ``span`` twice and leave a name empty."""
    notify = next(f for f in frames_from_haproxy(version, "seed-chain-7001-ok") if f[4] == 3)
    (message,) = parse_messages(notify[4:], 7)
    keys = [key for key, _ in message.arguments]
    assert keys == [b"id", b"span", b"baggage", b"", b"span", b"child-of"]
    assert [value for key, value in message.arguments if key == b"span"] == [b"HAProxy session", b"Client session"]


@pytest.mark.parametrize("tag", range(10, 16))
def test_reserved_types_are_refused(tag: int) -> None:
    with pytest.raises(UnknownType, match=str(tag)):
        parse_value(bytes((tag, 0, 0)), 0)


@pytest.mark.parametrize("wire", ["03f0f1fefe7e", "02f0f1fefe7e"])
def test_32_bit_types_hold_32_bits(wire: str) -> None:
    with pytest.raises(BadField):
        parse_value(bytes.fromhex(wire), 0)


@pytest.mark.parametrize("wire", ["", "02", "04f0", "08", "09f0", "067f0000", "07" + "00" * 15])
def test_a_cut_value_is_noticed(wire: str) -> None:
    with pytest.raises((IndexError, InvalidFrame)):
        parse_value(bytes.fromhex(wire), 0)


@pytest.mark.parametrize(("kind", "value"), [(Int32, 2**31), (Uint32, -1), (Uint32, 2**32), (Uint64, 2**64)])
def test_a_scalar_is_in_its_range_from_the_start(kind: type[Int32 | Uint32 | Uint64], value: int) -> None:
    with pytest.raises(ValueError, match="range"):
        kind(value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_a_plain_int_is_int64(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        serialize_value(value)


def test_long_names_and_255_arguments() -> None:
    message = Message(b"m" * 300, tuple((b"k" * 241, index) for index in range(255)))
    assert parse_messages(serialize_messages([message, message]), 0) == (message, message)
