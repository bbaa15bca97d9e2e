"""The end of a stream: what is kept whatever was decided before, and what of the rest."""

from __future__ import annotations

import itertools

import pytest

from haproxy_telemetry.sampling import Action, Decision, Ending, Facts, Given, Rule, Sampling, Tail
from haproxy_telemetry.sampling.thresholds import threshold_of
from sampling.ids import trace_ids

MS = 1_000_000
FINE = Ending(10 * MS, False, False, False)
ENDINGS = {
    "errors": FINE._replace(error=True),
    "slow": FINE._replace(duration_ns=2_000 * MS),
    "retries": FINE._replace(retried=True),
    "aborts": FINE._replace(abort=True),
    "nothing": FINE,
}
KINDS = ("errors", "slow", "retries", "aborts")
DROPPED = Decision(False, None, "unsampled")
GIVEN = Given(b"\xff" * 16, b"", False, True)


def tail(kinds: tuple[str, ...], ratio: float = 1.0) -> Tail:
    slow = 2_000 * MS if "slow" in kinds else 0
    return Tail("errors" in kinds, slow, "retries" in kinds, "aborts" in kinds, threshold_of(ratio))


SOME = [kinds for number in range(5) for kinds in itertools.combinations(KINDS, number)]


@pytest.mark.parametrize("kinds", SOME, ids="+".join)
@pytest.mark.parametrize("ending", ENDINGS)
def test_what_the_tail_asks_for_is_kept_and_nothing_else(kinds: tuple[str, ...], ending: str) -> None:
    of = Sampling(tail=tail(kinds))
    assert of.end(DROPPED, GIVEN, ENDINGS[ending]) == (Decision(True, 0) if ending in kinds else DROPPED)
    assert of.rescues == bool(kinds)


def test_slow_is_from_the_threshold_on() -> None:
    of = Sampling(tail=tail(("slow",)))
    assert not of.end(DROPPED, GIVEN, FINE._replace(duration_ns=2_000 * MS - 1)).sampled
    assert of.end(DROPPED, GIVEN, FINE._replace(duration_ns=2_000 * MS)).sampled


@pytest.mark.parametrize(
    ("path", "common", "duration_ms", "kept"),
    [
        (b"/fast", 0, 99, False),
        (b"/fast", 0, 100, True),
        (b"/fast", 2_000, 99, False),
        (b"/report", 2_000, 8_999, False),
        (b"/report", 2_000, 9_000, True),
        (b"/else", 0, 99_000, False),
        (b"/else", 2_000, 2_000, True),
    ],
)
def test_a_rules_threshold_of_the_slow_takes_the_place_of_the_common_one(
    path: bytes, common: int, duration_ms: int, kept: bool
) -> None:
    rules = [
        Rule(Action.RATIO, path=["/fast"], slow_ns=100 * MS, threshold=threshold_of(0)),
        Rule(Action.SAMPLE, path=["/report"], slow_ns=9_000 * MS),
    ]
    of = Sampling(rules=rules, tail=Tail(slow_ns=common * MS))
    assert of.rescues
    facts = Facts()
    facts.path = path
    head = of.head(Given(b"\xff" * 16, b"", True, False), facts, 0)
    assert not head.sampled
    assert of.end(head, GIVEN, FINE._replace(duration_ns=duration_ms * MS)).sampled is kept


@pytest.mark.parametrize("ending", ENDINGS)
def test_keep_and_drop_are_final(ending: str) -> None:
    of = Sampling(tail=tail(KINDS, 0.0))
    for decision in (Decision(True, 0, fixed=True), Decision(False, None, "rule", fixed=True)):
        assert of.end(decision, GIVEN, ENDINGS[ending]) == decision


def test_of_the_rest_a_share_is_kept_of_all_traces_and_says_so() -> None:
    """0.5 by the head and 0.1 by the tail are 0.1, since both choose by the same number."""
    of = Sampling(tail=tail(("errors",), 0.1))
    ids = trace_ids(4000)
    for head in (1.0, 0.5, 0.1, 0.01):
        stricter = max(threshold_of(head), threshold_of(0.1))
        for one in ids:
            number = int(one.hex()[18:], 16)
            given = Given(one, b"", False, True)
            decision = Decision(True, threshold_of(head)) if number >= threshold_of(head) else DROPPED
            kept = of.end(decision, given, FINE)
            assert kept.sampled is (number >= stricter)
            assert kept.threshold == (stricter if kept.sampled else None)
            assert kept.why == ("" if kept.sampled else "tail" if decision.sampled else "unsampled")


def test_a_share_of_an_unknown_share_is_unknown() -> None:
    of = Sampling(tail=tail((), 0.1))
    assert of.end(Decision(True, None), GIVEN, FINE) == Decision(True, None)
