"""Rules: when each condition holds, does not, or is not known yet; what each action makes of a trace; rates."""

from __future__ import annotations

import itertools
import random
from ipaddress import ip_network
from typing import Any

import pytest

from haproxy_telemetry.sampling import Action, Decision, Facts, Given, Rule, Sampler, Sampling
from haproxy_telemetry.sampling.rate import RateLimit
from haproxy_telemetry.sampling.thresholds import NEVER, threshold_of
from sampling.ids import trace_ids

SECOND = 1_000_000_000
HIGH, LOW = b"\xff" * 16, bytes(16)
NEW = Given(HIGH, b"", False, True)
CALLER = Given(HIGH, b"", True, True)
UNSAMPLED_CALLER = Given(HIGH, b"", True, False)


def facts(**known: bytes) -> Facts:
    made = Facts()
    for name, value in known.items():
        if name == "tag":
            made.tags[value.partition(b"=")[0]] = value.partition(b"=")[2]
        else:
            setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("condition", "value", "holds"),
    [
        ({"frontend": ["web"]}, {"frontend": b"web"}, True),
        ({"frontend": ["web"]}, {"frontend": b"web2"}, False),
        ({"frontend": ["a", "w?b*"]}, {"frontend": b"web2"}, True),
        ({"frontend": ["web"]}, {}, None),
        ({"backend": ["b[12]"]}, {"backend": b"b2"}, True),
        ({"backend": ["b[12]"]}, {"backend": b"b3"}, False),
        ({"backend": ["b1"]}, {"frontend": b"b1"}, None),
        ({"method": ["GET", "HEAD"]}, {"method": b"HEAD"}, True),
        ({"method": ["GET"]}, {"method": b"get"}, False),
        ({"path": ["/health"]}, {"path": b"/health"}, True),
        ({"path": ["/health"]}, {"path": b"/health/live"}, True),
        ({"path": ["/health/"]}, {"path": b"/health"}, True),
        ({"path": ["/health"]}, {"path": b"/healthy"}, False),
        ({"path": ["/health"]}, {"path": b"/api/health"}, False),
        ({"path": ["/"]}, {"path": b"/anything"}, True),
        ({"path": ["*.png"]}, {"path": b"/a/b.png"}, True),
        ({"path": ["/a.c"]}, {"path": b"/abc"}, False),
        ({"path": ["/users/*/photo"]}, {"path": b"/users/7/photo"}, True),
        ({"path": ["/users/*/photo"]}, {"path": b"/users/7/photos"}, False),
        ({"path": ["/\u00e9*"]}, {"path": "/\u00e9t\u00e9".encode()}, True),
        ({"path": ["*"]}, {"path": b"/\xff\n\0"}, True),
        ({"path": ["/h"]}, {}, None),
        ({"tag": ["tenant=acme"]}, {"tag": b"tenant=acme"}, True),
        ({"tag": ["tenant=acme"]}, {"tag": b"tenant=other"}, None),
        ({"tag": ["tenant=a*"]}, {"tag": b"tenant=acme"}, True),
        ({"tag": ["tenant"]}, {"tag": b"tenant=any=thing"}, True),
        ({"tag": ["tenant"]}, {"tag": b"other=1"}, None),
        ({"network": [ip_network("10.0.0.0/8")]}, {"client": b"10.1.2.3"}, True),
        ({"network": [ip_network("10.0.0.0/8")]}, {"client": b"11.1.2.3"}, False),
        ({"network": [ip_network("10.0.0.0/8")]}, {"client": b"::ffff:10.1.2.3"}, True),
        ({"network": [ip_network("10.0.0.0/8")]}, {"client": b"2001:db8::1"}, False),
        ({"network": [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]}, {"client": b"2001:db8::1"}, True),
        ({"network": [ip_network("0.0.0.0/0")]}, {"client": b"unix"}, False),
        ({"network": [ip_network("0.0.0.0/0")]}, {"client": b"\xff"}, False),
        ({"network": [ip_network("0.0.0.0/0")]}, {}, None),
        ({}, {}, True),
        ({"path": ["/a"], "method": ["GET"]}, {"path": b"/a", "method": b"GET"}, True),
        ({"path": ["/a"], "method": ["GET"]}, {"path": b"/a", "method": b"PUT"}, False),
        ({"path": ["/a"], "method": ["GET"]}, {"method": b"PUT"}, False),
        ({"path": ["/a"], "method": ["GET"]}, {"method": b"GET"}, None),
    ],
)
def test_a_rule_holds(condition: dict[str, Any], value: dict[str, bytes], holds: bool | None) -> None:
    assert Rule(Action.DROP, **condition).holds(facts(**value), tags_known=False) is holds


def test_a_tag_that_nobody_told_is_absent_once_all_tags_are_known() -> None:
    rule = Rule(Action.DROP, tag=["tenant=acme"])
    assert rule.holds(facts(tag=b"tenant=other"), tags_known=True) is False
    assert rule.holds(facts(), tags_known=True) is False


def test_many_stars_do_not_cost_more_than_the_path() -> None:
    assert Rule(Action.DROP, path=["*a" * 30 + "b"]).holds(facts(path=b"/" + b"a" * 8000), tags_known=True) is False


def test_the_first_rule_that_holds_counts() -> None:
    rules = [Rule(Action.DROP, path=["/a/b"]), Rule(Action.KEEP, path=["/a"]), Rule(Action.DROP)]
    of = Sampling(rules=rules)
    told = {path: of.head(NEW, facts(path=path), 0).sampled for path in (b"/a/b", b"/a", b"/a/c", b"/x")}
    assert told == {b"/a/b": False, b"/a": True, b"/a/c": True, b"/x": False}


def test_rules_behind_one_that_waits_for_a_fact_wait_too_and_the_sampler_decides_meanwhile() -> None:
    of = Sampling(rules=[Rule(Action.KEEP, backend=["b"]), Rule(Action.DROP)])
    assert of.head(NEW, facts(path=b"/"), 0) == Decision(True, 0, pending=True)
    assert of.head(NEW, facts(backend=b"other"), 0) == Decision(False, None, "rule", fixed=True)
    assert of.head(NEW, facts(backend=b"b"), 0) == Decision(True, 0, fixed=True)


MATRIX = {
    # action, sampler: what becomes of a new trace, a sampled caller's, an unsampled caller's
    ("drop", "based"): ("rule", "rule", "rule"),
    ("drop", "alone"): ("rule", "rule", "rule"),
    ("keep", "based"): ("", "", ""),
    ("keep", "alone"): ("", "", ""),
    ("ratio 1", "based"): ("", "", "unsampled"),
    ("ratio 1", "alone"): ("", "", ""),
    ("ratio 0", "based"): ("rule", "rule", "unsampled"),
    ("ratio 0", "alone"): ("rule", "rule", "rule"),
    ("rate", "based"): ("", "rate", "unsampled"),
    ("rate", "alone"): ("", "rate", "rate"),
    ("sample", "based"): ("unsampled", "", "unsampled"),
    ("sample", "alone"): ("unsampled", "unsampled", "unsampled"),
}


@pytest.mark.parametrize(("action", "sampler"), MATRIX)
def test_what_an_action_makes_of_a_trace(action: str, sampler: str) -> None:
    """The sampler itself keeps no new trace, so that it shows whether the rule takes its place."""
    name, _, ratio = action.partition(" ")
    rule = Rule(Action(name), threshold=threshold_of(float(ratio or 1)), per_second=1.0)
    of = Sampling(Sampler(sampler == "based", NEVER), [rule])
    found = tuple(of.head(given, facts(), 0).why for given in (NEW, CALLER, UNSAMPLED_CALLER))
    assert found == MATRIX[action, sampler]


def test_a_rules_ratio_is_consistent_and_thins_what_callers_sampled() -> None:
    tenth = Sampling(rules=[Rule(Action.RATIO, threshold=threshold_of(0.1))])
    ids = trace_ids(2000)
    new = {one for one in ids if tenth.head(Given(one, b"", False, True), facts(), 0).sampled}
    called = {one for one in ids if tenth.head(Given(one, b"ot=th:8", True, True), facts(), 0).sampled}
    assert new == called == {one for one in ids if int(one.hex()[18:], 16) >= threshold_of(0.1)}

    def threshold(state: bytes, parent: bool) -> int | None:
        return tenth.head(Given(HIGH, state, parent, True), facts(), 0).threshold

    assert threshold(b"", False) == threshold(b"ot=th:8", True) == threshold_of(0.1)
    assert threshold(b"ot=th:ff", True) == 0xFF000000000000
    assert threshold(b"", True) is None  # nobody knows how many stood behind one already


def test_a_rate_writes_no_threshold() -> None:
    of = Sampling(rules=[Rule(Action.RATE, per_second=1.0)])
    assert of.head(NEW, facts(), 0) == Decision(True, None)


# Rates


@pytest.mark.parametrize("per_second", [1.0, 3.0, 10.0])
def test_never_more_than_the_rate_in_any_second_and_never_less_than_could_be(per_second: float) -> None:
    generator = random.Random(7)
    limit = RateLimit(per_second)
    moments = list(itertools.accumulate(generator.randrange(1, SECOND // 20) for _ in range(3000)))
    passed: list[int] = []
    for now in moments:
        recent = [one for one in passed if now - one < SECOND]
        allowed = limit.allow(now)
        assert allowed == (len(recent) < per_second)
        if allowed:
            passed.append(now)
    assert len(passed) > 50


def test_a_burst_at_the_edge_of_two_seconds_does_not_get_twice_the_rate() -> None:
    limit = RateLimit(5)
    times = [SECOND - 1] * 5 + [SECOND] * 5 + [2 * SECOND - 2] * 5 + [2 * SECOND - 1] * 6
    assert [limit.allow(now) for now in times] == [True] * 5 + [False] * 10 + [True] * 5 + [False]


def test_a_rate_below_one_is_one_in_several_seconds() -> None:
    limit = RateLimit(0.25)
    assert [limit.allow(now * SECOND) for now in range(9)] == [True] + [False] * 3 + [True] + [False] * 3 + [True]


def test_a_clock_that_is_set_back_closes_nothing() -> None:
    limit = RateLimit(1)
    assert limit.allow(1_000 * SECOND)
    assert limit.allow(10 * SECOND)
    assert not limit.allow(10 * SECOND + 1)
