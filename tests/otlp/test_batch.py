from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.otlp.batch import Batcher, BatchLimits

LIMITS = BatchLimits(batch_spans=4, batch_bytes=100, max_age_s=1.0, queue_spans=10, queue_bytes=200)
SPAN = b"s" * 10


def test_nothing_is_due_while_nothing_waits() -> None:
    batcher = Batcher(LIMITS)
    assert batcher.due == inf
    assert batcher.take(1e9) is None
    assert batcher.take(1e9, flush=True) is None


def test_a_batch_leaves_when_its_first_span_is_old_enough() -> None:
    batcher = Batcher(LIMITS)
    batcher.add(b"r", [SPAN], now=10.0)
    batcher.add(b"r", [SPAN], now=10.9)
    assert batcher.due == 11.0
    assert batcher.take(10.99) is None
    assert batcher.take(11.0) == (((b"r", [SPAN, SPAN]),), 2, 20)
    assert batcher.due == inf


def test_a_full_batch_is_due_at_once() -> None:
    batcher = Batcher(LIMITS)
    batcher.add(b"r", [SPAN] * 4, now=10.0)
    assert batcher.due == -inf
    batch = batcher.take(10.0)
    assert batch is not None
    assert batch.spans == 4


def test_a_batch_is_also_full_by_its_bytes() -> None:
    batcher = Batcher(LIMITS)
    batcher.add(b"r", [b"x" * 60], now=0.0)
    batcher.add(b"r", [b"y" * 60], now=0.0)
    first = batcher.take(0.0)
    assert first is not None
    assert first.groups == ((b"r", [b"x" * 60]),)


def test_spans_are_grouped_by_their_resource() -> None:
    batcher = Batcher(LIMITS)
    batcher.add(b"edge", [b"1"], now=0.0)
    batcher.add(b"other", [b"2"], now=0.0)
    batcher.add(b"edge", [b"3"], now=0.0)
    batch = batcher.take(0.0, flush=True)
    assert batch is not None
    assert batch.groups == ((b"edge", [b"1", b"3"]), (b"other", [b"2"]))


def test_a_trace_is_not_split_over_two_batches() -> None:
    batcher = Batcher(LIMITS)
    batcher.add(b"r", [b"a1", b"a2", b"a3"], now=0.0)
    batcher.add(b"r", [b"b1", b"b2"], now=0.0)
    first, second = batcher.take(0.0, flush=True), batcher.take(0.0, flush=True)
    assert first is not None
    assert second is not None
    assert (first.groups, second.groups) == (((b"r", [b"a1", b"a2", b"a3"]),), ((b"r", [b"b1", b"b2"]),))


def test_what_does_not_fit_into_the_queue_is_turned_away_whole() -> None:
    batcher = Batcher(LIMITS)
    assert batcher.add(b"r", [b"x"] * 8, now=0.0)
    assert not batcher.add(b"r", [b"x"] * 3, now=0.0)
    assert batcher.spans == 8
    assert not batcher.add(b"r", [b"x" * 193], now=0.0)  # 8 + 193 bytes
    assert batcher.add(b"r", [b"x"] * 2, now=0.0)


traces = st.lists(st.lists(st.binary(min_size=1, max_size=120), min_size=1, max_size=9), max_size=12)


@given(traces, st.lists(st.sampled_from([b"edge", b"other"]), min_size=12, max_size=12), st.integers(1, 5))
def test_every_span_leaves_exactly_once_within_the_bounds(
    taken: list[list[bytes]], resources: list[bytes], take_every: int
) -> None:
    batcher = Batcher(LIMITS)
    expected: list[tuple[bytes, bytes]] = []
    batches = []
    for number, (spans, resource) in enumerate(zip(taken, resources, strict=False)):
        if batcher.add(resource, spans, now=float(number)):
            expected += [(resource, span) for span in spans]
        assert batcher.spans <= LIMITS.queue_spans
        assert batcher.size <= LIMITS.queue_bytes
        if number % take_every == 0:
            batches.append(batcher.take(float(number)))
    while batcher.spans:
        batches.append(batcher.take(0.0, flush=True))
    left = [(resource, span) for batch in batches if batch for resource, spans in batch.groups for span in spans]
    assert sorted(left) == sorted(expected)
    assert batcher.size == 0
    for batch in filter(None, batches):
        assert 1 <= batch.spans <= LIMITS.batch_spans
        assert batch.size <= LIMITS.batch_bytes or batch.spans == 1
