"""How long until a worker is started again."""

from haproxy_telemetry.workers.backoff import FIRST_S, LIVED_S, MOST_S, Backoff


def test_the_pause_doubles_up_to_half_a_minute() -> None:
    backoff = Backoff()
    pauses = [backoff.next(0.0) for _ in range(12)]
    assert pauses[:4] == [0.1, 0.2, 0.4, 0.8]
    assert pauses[-1] == pauses[-2] == MOST_S


def test_one_that_lived_for_a_minute_is_started_again_soon() -> None:
    backoff = Backoff()
    for _ in range(12):
        backoff.next(LIVED_S - 1)
    assert backoff.next(LIVED_S) == FIRST_S
    assert backoff.next(0.0) == FIRST_S * 2
