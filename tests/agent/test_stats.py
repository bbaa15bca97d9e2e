from __future__ import annotations

import threading

from haproxy_telemetry.stats import Stats


def test_what_is_counted_often_stands_beside_the_rest() -> None:
    stats = Stats()
    tally = stats.tally("spans")
    assert stats.snapshot() == {}
    tally.add(9)
    tally.add(2)
    stats.count("spans_dropped", "queue_full")
    assert stats.snapshot() == {("spans", ""): 11, ("spans_dropped", "queue_full"): 1}
    assert (stats.get("spans"), stats.get("spans_dropped", "queue_full"), stats.get("records")) == (11, 1, 0)


def test_a_name_has_one_total_however_it_is_counted() -> None:
    stats = Stats()
    stats.tally("records").add(1)
    stats.tally("records").add(1)
    stats.count("records")
    assert stats.get("records") == stats.snapshot()["records", ""] == 3


def test_a_tally_is_exact_for_who_reads_it_from_another_thread() -> None:
    stats = Stats()
    tally, seen, done = stats.tally("frames_answered"), [0], threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(stats.get("frames_answered"))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20_000):
        tally.add(1)
    done.set()
    reader.join()
    assert stats.get("frames_answered") == 20_000
    assert seen == sorted(seen)
