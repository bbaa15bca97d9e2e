"""The agent's clock: even between corrections, right after one."""

from __future__ import annotations

import time

import pytest

from haproxy_telemetry.clock import Clock


class System:
    """The two clocks of a system, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic = 1_700_000_000_000_000_000, 5_000_000_000
        monkeypatch.setattr(time, "time_ns", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.monotonic)

    def go_on(self, ns: int) -> None:
        self.wall += ns
        self.monotonic += ns


def test_it_is_the_time_of_day_and_goes_on_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(monkeypatch)
    clock = Clock()
    assert clock.now() == system.wall
    system.go_on(1_000)
    assert clock.now() == system.wall


@pytest.mark.parametrize("step", [-3_600_000_000_000, 3_600_000_000_000])
def test_a_step_of_the_wall_clock_is_followed_when_it_is_told_and_not_before(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    system = System(monkeypatch)
    clock = Clock()
    before = clock.now()
    system.wall += step
    assert clock.now() == before
    clock.synchronise()
    assert clock.now() == system.wall
