"""Ratios as thresholds, and the member `ot` of a tracestate. Values by OpenTelemetry's specification."""

from __future__ import annotations

from fractions import Fraction

import pytest

from haproxy_telemetry.sampling.thresholds import (
    ALWAYS,
    NEVER,
    randomness_of,
    ratio_of,
    read_digits,
    threshold_of,
    write_threshold,
)
from haproxy_telemetry.sampling.tracestate import read_ot, with_threshold


@pytest.mark.parametrize(
    ("ratio", "written"),
    [(1.0, b"0"), (0.5, b"8"), (0.25, b"c"), (0.125, b"e"), (0.75, b"4"), (0.0625, b"f"), (0.1, b"e666"),
     (2.0**-56, b"ffffffffffffff"), (1e-18, b"ffffffffffffff")],
)  # fmt: skip
def test_a_ratio_is_written_with_as_few_digits_as_it_needs(ratio: float, written: bytes) -> None:
    assert write_threshold(threshold_of(ratio)) == written
    assert read_digits(written) == threshold_of(ratio)


def test_none_is_a_threshold_that_no_trace_reaches() -> None:
    assert threshold_of(0.0) == NEVER == 2**56
    assert randomness_of(b"\xff" * 16) == NEVER - 1
    assert threshold_of(1.0) == ALWAYS == 0


@pytest.mark.parametrize("number", range(1, 1000, 7))
def test_a_threshold_is_within_a_ten_thousandth_of_its_ratio(number: int) -> None:
    ratio = number / 1000
    assert abs(Fraction(ratio_of(threshold_of(ratio))) / Fraction(ratio) - 1) <= Fraction(1, 10_000)


def test_randomness_is_the_last_seven_bytes() -> None:
    assert randomness_of(bytes(9) + bytes([1, 2, 3, 4, 5, 6, 7])) == 0x01020304050607
    assert randomness_of(b"\xff" * 9 + bytes(7)) == 0


@pytest.mark.parametrize("text", [b"", b"0" * 15, b"G", b"E666", b"-1", b" 1", b"0x1", b"\xb2"])
def test_what_is_no_hexadecimal_number_is_none(text: bytes) -> None:
    assert read_digits(text) is None


# tracestate


@pytest.mark.parametrize(
    ("state", "threshold", "randomness"),
    [
        (b"", None, None),
        (b"a=1,b=2", None, None),
        (b"ot=th:8", 2**55, None),
        (b"ot=th:0", 0, None),
        (b"a=1,ot=th:8;rv:00000000000001,b=2", 2**55, 1),
        (b"ot=rv:6e6d1a75832a2f", None, 0x6E6D1A75832A2F),
        (b"ot=rv:6e6d", None, None),
        (b"ot=p:8;r:62", None, None),
        (b"boot=th:8", None, None),
        (b"ot=th:", None, None),
    ],
)
def test_threshold_and_randomness_are_read(state: bytes, threshold: int | None, randomness: int | None) -> None:
    assert read_ot(state) == (threshold, randomness)


@pytest.mark.parametrize(
    ("before", "threshold", "after"),
    [
        (b"", 2**55, b"ot=th:8"),
        (b"a=1,b=2", 2**55, b"ot=th:8,a=1,b=2"),
        (b"a=1,ot=th:c,b=2", 2**55, b"ot=th:8,a=1,b=2"),
        (b"a=1,ot=x:1;th:c;rv:00000000000001", 0, b"ot=th:0;x:1;rv:00000000000001,a=1"),
        (b"a=1,ot=th:c,b=2", None, b"a=1,b=2"),
        (b"a=1,ot=th:c;x:1,b=2", None, b"ot=x:1,a=1,b=2"),
        (b"a=1,b=2", None, b"a=1,b=2"),
        (b"a=1,ot=th:8", 2**55, b"a=1,ot=th:8"),  # nothing changes, so nothing moves
        (b"boot=th:c", None, b"boot=th:c"),
    ],
)
def test_a_threshold_is_put_first_and_others_stay(before: bytes, threshold: int | None, after: bytes) -> None:
    assert with_threshold(before, threshold) == after


def test_the_list_keeps_to_w3cs_32_members() -> None:
    full = b",".join(b"k%d=v" % number for number in range(32))
    written = with_threshold(full, 0).split(b",")
    assert (len(written), written[0], written[-1]) == (32, b"ot=th:0", b"k30=v")


def test_the_list_keeps_to_its_bytes_and_the_member_to_256() -> None:
    long = b",".join(b"k%d=" % number + b"v" * 255 for number in range(31))
    assert len(with_threshold(long, 0)) <= 8192
    assert with_threshold(b"ot=x:" + b"y" * 254 + b",a=1", 2**55) == b"ot=th:8,a=1"
