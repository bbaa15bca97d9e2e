"""The metrics of all workers, added up."""

from __future__ import annotations

from haproxy_telemetry.metrics.points import (
    COUNTER,
    GAUGE,
    HISTOGRAM,
    OVERFLOW,
    UP_DOWN,
    Attributes,
    Data,
    Exemplar,
    HistogramData,
    HistogramPoint,
    Metric,
    NumberData,
    NumberPoint,
)
from haproxy_telemetry.own import catalog
from haproxy_telemetry.workers.sums import Sums, lasting

A: Attributes = ((b"a", b"1"),)
B: Attributes = ((b"a", b"2"),)


def metric(kind: str, name: bytes = b"m") -> Metric:
    return Metric(name, b"1", b"what", kind, (b"a",), (1.0,) if kind == HISTOGRAM else ())


def numbers(kind: str, name: bytes = b"m", **values: float) -> list[Data]:
    points = [NumberPoint({"a": A, "b": B, "none": ()}[key], value) for key, value in values.items()]
    return [NumberData(metric(kind, name), tuple(points))]


def shown(data: list[Data]) -> dict[Attributes, float]:
    [one] = data
    assert isinstance(one, NumberData)
    return {point.attributes: point.value for point in one.points}


def test_counters_add_series_by_series() -> None:
    for kind in (COUNTER, UP_DOWN):
        assert shown(Sums(10).add([numbers(kind, a=1, b=2), numbers(kind, a=10)])) == {A: 11, B: 2}


def test_of_a_gauge_the_greatest_is_shown_and_of_the_start_the_first() -> None:
    assert shown(Sums(10).add([numbers(GAUGE, a=1), numbers(GAUGE, a=3), numbers(GAUGE, a=2)])) == {A: 3}
    start = catalog.START.name
    assert shown(Sums(10).add([numbers(GAUGE, start, none=7), numbers(GAUGE, start, none=5)])) == {(): 5}


def test_histograms_add_and_keep_the_latest_exemplar_of_a_bucket() -> None:
    early, late = Exemplar(b"t", b"s", 0.5, 1), Exemplar(b"T", b"S", 0.7, 2)
    one = HistogramData(metric(HISTOGRAM), (HistogramPoint(A, (1, 2), 3.5, (late, None)),))
    other = HistogramData(metric(HISTOGRAM), (HistogramPoint(A, (10, 0), 4.5, (early, None)),))
    [added] = Sums(10).add([[one], [other]])
    assert added == HistogramData(metric(HISTOGRAM), (HistogramPoint(A, (11, 2), 8.0, (late, None)),))


def test_series_past_the_bound_are_one_and_a_shown_one_stays() -> None:
    sums = Sums(2)
    assert shown(sums.add([numbers(COUNTER, a=1)])) == {A: 1}
    assert shown(sums.add([numbers(COUNTER, b=5), numbers(COUNTER, a=2)])) == {OVERFLOW: 5, A: 2}


def test_what_a_gone_worker_counted_stays_but_not_how_it_stood() -> None:
    histogram = HistogramData(metric(HISTOGRAM), ())
    counter, level, gauge = (numbers(kind, a=1)[0] for kind in (COUNTER, UP_DOWN, GAUGE))
    assert lasting([histogram, counter, level, gauge]) == [histogram, counter]
