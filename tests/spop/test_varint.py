"""Varints against the table of SPOE.txt 3.1 and against integers that HAProxy encoded."""

import pytest

from haproxy_telemetry.spop.errors import VarintTooLong
from haproxy_telemetry.spop.varint import parse_varint, serialize_varint

# The values next to each border of the table; those up to 264432 are in the captures (types.jsonl), the rest
# follows from HAProxy's encode_varint by hand.
VECTORS = [
    (0, "00"),
    (1, "01"),
    (239, "ef"),
    (240, "f000"),
    (255, "ff00"),
    (256, "f001"),
    (2287, "ff7f"),
    (2288, "f08000"),
    (16380, "fcf006"),
    (264431, "ffff7f"),
    (264432, "f0808000"),
    (33818863, "ffffff7f"),
    (33818864, "f080808000"),
    (4328786159, "ffffffff7f"),
    (4328786160, "f08080808000"),
    (2**32, "f0f1fefe7e"),
    (2**63, "f0f1fefefefefefefe06"),
    (2**64 - 5, "fbf0fefefefefefefe0e"),
    (2**64 - 1, "fff0fefefefefefefe0e"),
]


@pytest.mark.parametrize(("value", "wire"), VECTORS)
def test_value_and_bytes_belong_together(value: int, wire: str) -> None:
    assert serialize_varint(value).hex() == wire
    assert parse_varint(bytes.fromhex("ee" + wire + "ee"), 1) == (value, 1 + len(wire) // 2)


@pytest.mark.parametrize("wire", ["fff1fefefefefefefe0e", "ffffffffffffffffff7f", "f0" + "80" * 9 + "00", "ff" * 40])
def test_more_than_64_bits_are_refused(wire: str) -> None:
    with pytest.raises(VarintTooLong):
        parse_varint(bytes.fromhex(wire), 0)


@pytest.mark.parametrize("wire", ["", "f0", "f080", "ff" * 9])
def test_a_cut_varint_runs_over_the_end(wire: str) -> None:
    with pytest.raises(IndexError):
        parse_varint(bytes.fromhex(wire), 0)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_only_64_bits_can_be_written(value: int) -> None:
    with pytest.raises(ValueError, match="varint"):
        serialize_varint(value)
