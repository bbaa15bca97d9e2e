from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haproxy_telemetry.otlp.retry import (
    MAX_RETRY_AFTER_S,
    Answer,
    Decision,
    Delivered,
    GiveUp,
    NoAnswer,
    Outcome,
    RetryPolicy,
    TryAgain,
    parse_retry_after,
)

POLICY = RetryPolicy(first_s=1.0, most_s=8.0, budget_s=30.0)
NOON = 1_767_268_800.0  # Thu, 01 Jan 2026 12:00:00 GMT


def decide(outcome: Outcome, attempt: int = 1, elapsed_s: float = 0.0, chance: float = 0.0) -> Decision:
    return POLICY.decide(outcome, attempt=attempt, elapsed_s=elapsed_s, wall=NOON, chance=chance)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_success_is_delivered(status: int) -> None:
    assert decide(Answer(status, None, b"body")) == Delivered(b"body")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_the_four_statuses_of_the_specification_are_tried_again(status: int) -> None:
    assert isinstance(decide(Answer(status, None, b"")), TryAgain)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 408, 413, 500, 501, 505])
def test_any_other_status_is_final_and_names_itself(status: int) -> None:
    assert decide(Answer(status, "5", b"")) == GiveUp(f"http_{status}")


def test_a_lost_connection_is_tried_again() -> None:
    assert decide(NoAnswer("refused")) == TryAgain(0.5, told=False)


def test_the_backoff_doubles_up_to_its_bound_and_is_jittered() -> None:
    def delays(chance: float) -> list[float]:
        outcomes = [decide(NoAnswer(""), attempt=n, chance=chance) for n in range(1, 7)]
        return [outcome.delay_s for outcome in outcomes if isinstance(outcome, TryAgain)]

    assert delays(0.0) == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert delays(1.0) == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_late_attempt_does_not_overflow() -> None:
    assert isinstance(decide(NoAnswer(""), attempt=10_000), TryAgain)


def test_the_budget_ends_the_retries() -> None:
    assert decide(NoAnswer(""), attempt=4, elapsed_s=25.9) == TryAgain(4.0, told=False)
    assert decide(NoAnswer(""), attempt=4, elapsed_s=26.1) == GiveUp("retries_exhausted")


def test_retry_after_is_obeyed_and_never_undercut() -> None:
    assert decide(Answer(429, "7", b"")) == TryAgain(7.0, told=True)
    assert decide(Answer(503, "7", b""), chance=0.9) == TryAgain(7.0 + 0.9 * 0.7, told=True)


def test_a_pause_longer_than_the_budget_loses_the_batch_but_is_kept() -> None:
    assert decide(Answer(429, "60", b"")) == GiveUp("retries_exhausted", pause_s=60.0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 400, MAX_RETRY_AFTER_S),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thursday, 01-Jan-26 12:00:30 GMT", 30.0),
        ("Thu Jan  1 12:00:30 2026", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),  # already past
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_S),
        ("Thu, 99 Jan 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_in_seconds_or_as_any_of_the_three_dates(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOON) == seconds


@given(st.text(max_size=60))
def test_any_header_gives_a_bounded_pause_or_none(value: str) -> None:
    seconds = parse_retry_after(value, NOON)
    assert seconds is None or 0.0 <= seconds <= MAX_RETRY_AFTER_S
