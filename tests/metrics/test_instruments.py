"""Histograms and counters: which bucket, which series, and never more of them than allowed."""

from __future__ import annotations

import pytest

from haproxy_telemetry.metrics.instruments import Histogram, Lead, UpDown
from haproxy_telemetry.metrics.points import (
    HISTOGRAM,
    OVERFLOW,
    UP_DOWN,
    HistogramData,
    Metric,
    only_after,
    since,
)

SIZES = Metric(b"sizes", b"By", b"", HISTOGRAM, (b"k",), (1.0, 10.0))
LEVEL = Metric(b"level", b"1", b"", UP_DOWN, (b"k",))


def key(number: int) -> tuple[tuple[bytes, int]]:
    return ((b"k", number),)


@pytest.mark.parametrize(
    ("value", "counts"),
    [(0.0, (1, 0, 0)), (1.0, (1, 0, 0)), (1.1, (0, 1, 0)), (10.0, (0, 1, 0)), (10.5, (0, 0, 1)), (1e9, (0, 0, 1))],
)
def test_a_bucket_holds_its_upper_bound(value: float, counts: tuple[int, ...]) -> None:
    histogram = Histogram(SIZES)
    histogram.record(key(1), value)
    [point] = histogram.data().points
    assert (point.counts, point.sum) == (counts, value)


def test_past_the_bound_everything_new_goes_to_the_overflow_series_and_nothing_is_lost() -> None:
    histogram = Histogram(SIZES, max_series=3)
    for number in [*range(100), 0, 1]:
        histogram.record(key(number), 1.0)
    totals = {point.attributes: point.total for point in histogram.data().points}
    assert totals == {key(0): 2, key(1): 2, OVERFLOW: 98}
    assert histogram.overflowed == 98


def test_what_went_up_in_the_overflow_series_comes_down_there() -> None:
    level = UpDown(LEVEL, max_series=2)
    for change in (1, -1):
        for number in range(10):
            level.add(key(number), change)
    assert {point.attributes: point.value for point in level.data().points} == {key(0): 0, OVERFLOW: 0}


def test_each_bucket_keeps_its_latest_exemplar() -> None:
    histogram = Histogram(SIZES)
    for time_ns, value in enumerate((0.5, 0.7, 5.0)):
        histogram.record(key(1), value, Lead(b"t" * 16, b"s" * 8, time_ns))
    histogram.record(key(1), 0.6)
    [point] = histogram.data().points
    assert [one and one.value for one in point.exemplars] == [0.7, 5.0, None]


def test_a_difference_has_what_was_measured_in_between_and_only_series_that_changed() -> None:
    histogram = Histogram(SIZES)
    histogram.record(key(1), 1.0)
    histogram.record(key(2), 1.0)
    before = histogram.data()
    histogram.record(key(2), 5.0)
    histogram.record(key(3), 0.5)
    difference = since(histogram.data(), before)
    assert {point.attributes: (point.counts, point.sum) for point in difference.points} == {
        key(2): ((0, 1, 0), 5.0),
        key(3): ((1, 0, 0), 0.5),
    }
    assert since(before, None) == before
    assert since(before, before) == HistogramData(SIZES, ())


def test_an_exemplar_is_left_out_once_it_was_collected() -> None:
    histogram = Histogram(SIZES)
    histogram.record(key(1), 0.5, Lead(b"", b"", 10))
    histogram.record(key(1), 5.0, Lead(b"", b"", 20))
    [point] = only_after(histogram.data(), 10).points
    assert [one and one.value for one in point.exemplars] == [None, 5.0, None]
    assert point.counts == (1, 1, 0)
