"""Whose a record is, and what is sent to whom; nothing is lost uncounted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from haproxy_telemetry.stats import Stats
from haproxy_telemetry.workers.dispatch import UNKNOWN, Dispatcher, whose
from haproxy_telemetry.workers.messages import Offer, Take


def line(worker: str | None, stream: str = "a") -> bytes:
    named = "" if worker is None else f'"w":"{worker}",'
    return f'{{"ht":1,{named}"id":"{stream}"}}'.encode()


class Workers:
    """Takes what the dispatcher sends; ``busy`` ones take nothing."""

    def __init__(self, *alive: int) -> None:
        self.alive: Sequence[int] = alive
        self.busy: set[int] = set()
        self.sent: list[tuple[int, Take | Offer]] = []
        self.stats = Stats()
        self.dispatcher = Dispatcher(self.stats, lambda: self.alive, self.send)

    def send(self, worker: int, message: Take | Offer) -> bool:
        if worker in self.busy:
            return False
        self.sent.append((worker, message))
        return True

    def take(self, *datagrams: bytes) -> list[tuple[int, Take | Offer]]:
        self.sent.clear()
        for datagram in datagrams:
            self.dispatcher.take_records(datagram, 0)
        self.dispatcher.tick(0)
        return list(self.sent)

    @property
    def dropped(self) -> dict[str, int]:
        return {reason: number for (what, reason), number in self.stats.snapshot().items() if what == "records_dropped"}


@pytest.mark.parametrize(
    ("datagram", "worker"),
    [
        (line("2"), 2),
        (b"<134>" + line("2"), 2),
        (b"<134>1 2026-11-30T10:42:37.577419+00:00 - haproxy 1 - " + line("2") + b' {"ht":1,"w":"3"}', 2),
        (line(""), UNKNOWN),
        (line(None), None),
        (line("x"), None),
        (line("1234"), None),
        (b"", None),
        (b'GET {"ht":1,"w":"2"}', None),
    ],
)
def test_the_record_names_the_worker_that_answered(datagram: bytes, worker: int | None) -> None:
    assert whose(datagram).worker == worker


def test_records_reach_the_worker_that_they_name_in_one_burst() -> None:
    workers = Workers(1, 2)
    assert workers.take(line("2", "a"), line("1", "b"), line("2", "c")) == [
        (2, Take([line("2", "a"), line("2", "c")])),
        (1, Take([line("1", "b")])),
    ]


def test_lines_that_a_relay_joined_go_each_to_its_own() -> None:
    sent = Workers(1, 2).take(line("2") + b"\n" + line("1") + b"\n")
    assert sent == [(2, Take([line("2")])), (1, Take([line("1")]))]


def test_without_the_member_both_records_of_a_stream_reach_the_same_worker_and_streams_are_shared() -> None:
    workers = Workers(1, 2, 3)
    takers = {stream: workers.take(line(None, stream), line(None, stream)) for stream in map(str, range(100))}
    assert all(len(sent) == 1 for sent in takers.values())
    assert {sent[0][0] for sent in takers.values()} == {1, 2, 3}


def test_of_a_worker_that_has_gone_another_takes_the_records() -> None:
    [(worker, message)] = Workers(1, 3).take(line("2"))
    assert worker in (1, 3)
    assert message == Take([line("2")])


def test_an_unanswered_stream_is_offered_to_each_and_the_last_takes_it() -> None:
    workers = Workers(1, 2, 3)
    [(first, offer)] = workers.take(line(""))
    assert offer == Offer(line(""), 0)
    workers.sent.clear()
    workers.dispatcher.refused(line(""), 1 << first)
    [(second, offer)] = workers.sent
    assert offer == Offer(line(""), 1 << first)
    workers.sent.clear()
    workers.dispatcher.refused(line(""), 1 << first | 1 << second)
    [(third, taken)] = workers.sent
    assert taken == Take([line("")])
    assert {first, second, third} == {1, 2, 3}


def test_the_only_worker_is_offered_nothing() -> None:
    assert Workers(2).take(line("")) == [(2, Take([line("")]))]


def test_an_offer_of_which_all_that_were_left_have_died_is_still_taken() -> None:
    workers = Workers(1)
    workers.dispatcher.refused(line(""), 1 << 1)
    assert workers.sent == [(1, Take([line("")]))]


def test_what_nobody_takes_is_counted() -> None:
    workers = Workers()
    assert workers.take(line("1"), line(None)) == []
    workers.dispatcher.refused(line(""), 1 << 1)
    assert workers.dropped == {"no_worker": 3}


def test_what_a_busy_worker_does_not_take_is_counted_record_by_record() -> None:
    workers = Workers(1, 2)
    workers.busy = {1, 2}
    assert workers.take(line("1", "a"), line("1", "b"), line("", "c")) == []
    assert workers.dropped == {"worker_busy": 3}


def test_a_datagram_that_the_kernel_cut_is_counted_as_in_an_agent_alone() -> None:
    workers = Workers(1)
    workers.dispatcher.take_records(line("1"), 0, truncated=True)
    workers.dispatcher.tick(0)
    assert workers.sent == []
    assert workers.dropped == {"too_long": 1}
